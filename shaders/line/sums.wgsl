// Formula: Σdz and Σdz·(x − mean) of a channel's lines in a band (../gradient_sums.wgsl), in groups of
// rounds, and parts of groups, so that no chain of roundings is long. Through frozen statistics, which
// are constants, also dx and dresidual on the way.
// A workgroup owns: a band. Reads: x, dy, residual. Writes: frozen, dx and dresidual.
// Needs: params.wgsl, tensor/pairs.wgsl, line/cursor.wgsl, gradient_sums.wgsl, pairs/gradient_sums.wgsl.

fn sums_of_pair(c: Cursor, i: u32, a: Affine) -> Sums {
    let g = gradient_of_pair(load_input(i), a, a);
    store_frozen(i, g, a, a);
    let dz = within(c, i, g.dz);
    let centered = within(c, i, g.centered);
    return Sums(dz.low + dz.high, dz.low * centered.low + dz.high * centered.high);
}

fn group_sums(c: Cursor, a: Affine) -> Sums {
    let end = c.at + rounds_of(c) * round_step();
    var sums = Sums();
    var i = c.at;
    loop {
        var round = sums_of_pair(c, i, a);
        if !HALVES {
            round = add(round, sums_of_pair(c, i + 8u, a));
        }
        sums = add(sums, round);
        continuing {
            i += round_step();
            break if i >= end;
        }
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
            part = add(part, group_sums(c, a));
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
