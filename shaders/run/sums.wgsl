// Formula: Σdz and Σdz·(x − mean) of a run's channels (../gradient_sums.wgsl), in groups of pairs, segments of
// lines, and parts of lines, so that no chain of roundings is long. Through frozen statistics, which are
// constants, also dx and dresidual on the way.
// A workgroup owns: a run for each thread. Reads: x, dy, residual. Writes: frozen, dx and dresidual.
// Needs: params.wgsl, tensor/pairs.wgsl, run/map.wgsl, pairs/cut.wgsl, gradient_sums.wgsl, pairs/affine.wgsl,
// pairs/gradient_sums.wgsl, pairs/channel_sums.wgsl.

// Of what of a pair is in a line, which may be nothing.
fn sums_within(l: Line, i: u32, g: PairGradient, a: Affine) -> Sums {
    return sums_of_pair(PairGradient(within(l, i, g.dz), within(l, i, g.deviation)), a);
}

fn sums_at(i: u32, a: Affine) -> Sums {
    let g = gradient_of_pair(load_input(i), a, a);
    store_frozen(i, g, a, a);
    return sums_of_pair(g, a);
}

// Of the pair at a line's end, if some of it is the next one's.
fn store_frozen_cut(l: Line, i: u32, v: PairInput, a: Affine, next: Affine) {
    if FROZEN && is_cut(l) {
        let low = chosen(next, a, is_within(l, i));
        let high = chosen(next, a, is_within(l, i + 4u));
        store_frozen(i, gradient_of_pair(v, low, high), low, high);
    }
}

// Of whole pairs, one at least.
fn sums_of_group(first: u32, end: u32, a: Affine) -> Sums {
    var group = Sums();
    var i = first;
    loop {
        group = add(group, sums_at(i, a));
        i += 8u;
        if i >= end {
            break;
        }
    }
    return group;
}

// The sums of channel `k`'s line. `cut` is the pair that the line before ended in, and then the one that this
// one does.
fn sums_of_line(l: Line, k: u32, cut: ptr<function, PairInput>) -> Sums {
    let a = spread(affines[k]);
    let end = end_pair(l);
    var total = sums_within(l, before(l), gradient_of_pair(*cut, a, a), a);
    var i = first_pair(l);
    loop {
        total = add(total, sums_of_group(i, min(i + ELEMENTS_A_GROUP, end), a));
        i += ELEMENTS_A_GROUP;
        if i >= end {
            break;
        }
    }
    *cut = load_input(last_pair(l));
    store_frozen_cut(l, end, *cut, a, spread(affines[k + 1u]));
    return add(total, sums_within(l, end, gradient_of_pair(*cut, a, a), a));
}

// One loop over the segments of all channels, as in moments.wgsl.
fn sum_lines(r: Run, sample: u32) {
    let segments = segments_a_line();
    var cut = PairInput();
    var k = 0u;
    var j = 0u;
    loop {
        add_sums(k, sums_of_line(segment(line(r, sample, k), j), k, &cut));
        j++;
        let is_last = j == segments;
        k += select(0u, 1u, is_last);
        j = select(j, 0u, is_last);
        if k >= r.channels {
            break;
        }
    }
}

// Leaves what `sums_of` has.
fn sum_gradients(r: Run) {
    let step = lines_a_part();
    var n = r.first_sample;
    loop {
        let end = min(n + step, r.end_sample);
        loop {
            sum_lines(r, n);
            n++;
            if n >= end {
                break;
            }
        }
        join_parts();
        if n >= r.end_sample {
            break;
        }
    }
}
