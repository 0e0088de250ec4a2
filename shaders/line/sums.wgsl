// Formula: Σdz and Σdz·(x − mean) of a channel's lines in a band (../gradient_sums.wgsl), in groups of
// rounds, and parts of groups, so that no chain of roundings is long. Through frozen statistics, which
// are constants, also dx and dresidual on the way.
// A workgroup owns: a band. Reads: x, dy, residual. Writes: frozen, dx and dresidual.
// Needs: params.wgsl, tensor/pairs.wgsl, line/cursor.wgsl, gradient_sums.wgsl, pairs/gradient_sums.wgsl.

fn gradient_at(i: u32, a: Affine) -> PairGradient {
    let g = gradient_of_pair(load_input(i), a, a);
    store_frozen(i, g, a, a);
    return g;
}

// Of what of a line no round has.
fn rest_sums(c: Cursor, a: Affine) -> Sums {
    var sums = Sums();
    var i = first_of_rest(c);
    loop {
        let g = gradient_at(i, a);
        sums = add(sums, sums_of_pair(PairGradient(within(c, i, g.dz), within(c, i, g.centered))));
        continuing {
            i = next_of_rest(c, i);
            break if i >= end_of_line(c);
        }
    }
    return sums;
}

// Of the next group. Threads that share a line take every second pair.
fn group_sums(c: Cursor, p: Place, a: Affine) -> Sums {
    let end = end_of_group(c);
    var sums = Sums();
    var i = c.at + 8u * p.lane;
    loop {
        let round = sums_of_pair(gradient_at(i, a));
        sums = add(sums, add(round, sums_of_pair(gradient_at(i + 8u * local.sharers, a))));
        continuing {
            i += round_step();
            break if i >= end;
        }
    }
    if has_rest(c) {
        sums = add(sums, rest_sums(c, a));
    }
    return sums;
}

fn sums_of(b: Band, p: Place, a: Affine) -> Sums {
    var total = Sums();
    if is_empty(b) {
        return total;
    }
    var c = cursor(b, p);
    loop {
        var part = Sums();
        let groups = min(c.groups, GROUPS_A_PART);
        var group = 0u;
        loop {
            part = add(part, group_sums(c, p, a));
            next_group(&c);
            continuing {
                group++;
                break if group >= groups;
            }
        }
        total = add(total, part);
        continuing {
            break if c.groups == 0u;
        }
    }
    return whole(total);
}
