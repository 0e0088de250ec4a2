// Formula: Σdz and Σdz·(x − mean) of a band's channels (../gradient_sums.wgsl), over the pairs of each thread: all
// threads go side by side along a line, and from line to line as memory has them, but for what is in no round; in
// segments of lines, and parts of segments, so that no chain of roundings is long. Through frozen statistics, which are
// constants, also dx and dresidual on the way.
// A workgroup owns: a band. Reads: x, dy, residual. Writes: frozen, dx and dresidual.
// Needs: params.wgsl, tensor/pairs.wgsl, line/rounds.wgsl, gradient_sums.wgsl, pairs/affine.wgsl,
// pairs/cut.wgsl, pairs/gradient_sums.wgsl, pairs/channel_sums.wgsl.

// Rounds of a segment at least: of a very long line it has as many as the line has segments.
const ROUNDS_A_SEGMENT = 16u;
const SEGMENTS_A_PART = 16u;

// In elements.
fn segment_step() -> u32 {
    let rounds = elements_of_rounds() / pair_step();
    return max(ROUNDS_A_SEGMENT, u32(sqrt(f32(rounds)))) * pair_step();
}

// Of which the last has all that is left: so each has a round.
fn segments_a_line() -> u32 {
    return max(elements_of_rounds() / segment_step(), 1u);
}

// What of a pair's gradients is of the line that starts at `start`, which may be nothing.
fn gradient_in(start: u32, i: u32, g: PairGradient) -> PairGradient {
    let end = start + local.inner;
    return PairGradient(part_in(start, end, i, g.dz), part_in(start, end, i, g.deviation));
}

fn segment_sums(start: u32, segment: u32, thread: u32, a: Affine) -> Sums {
    let first = start + segment * segment_step();
    let is_last = segment + 1u == segments_a_line();
    let end = select(first + segment_step(), start + elements_of_rounds(), is_last);
    var sums = Sums();
    var i = first + 8u * thread;
    loop {
        let g = gradient_of_pair(load_input(i), a, a);
        store_frozen(i, g, a, a);
        sums = add(sums, sums_of_pair(g, a));
        i += pair_step();
        if i >= end {
            break;
        }
    }
    return sums;
}

// One loop over the segments of all channels: of short lines, a loop over segments within one over channels would
// cost as much as half of the sums.
fn sum_rounds(b: Band, sample: u32, thread: u32) {
    let segments = segments_a_line();
    var k = 0u;
    var segment = 0u;
    loop {
        add_sums(k, segment_sums(first_of_rounds(b, sample, k), segment, thread, spread(affines[k])));
        segment++;
        let is_last = segment == segments;
        k += select(0u, 1u, is_last);
        segment = select(segment, 0u, is_last);
        if k >= channels_of(b) {
            break;
        }
    }
}

fn sum_seams(b: Band, sample: u32, thread: u32) {
    var i = 0u;
    loop {
        let p = seam_pair(b, sample, i + thread);
        if p.exists {
            let v = load_input(p.at);
            let a = spread(affines[p.k]);
            let next = spread(affines[p.k + 1u]);
            let low = chosen(next, a, is_within(p.start, p.at));
            let high = chosen(next, a, is_within(p.start, p.at + 4u));
            let g = gradient_of_pair(v, low, high);
            store_frozen(p.at, g, low, high);
            let end = p.start + local.inner;
            add_sums(p.k, sums_of_pair(gradient_in(p.start, p.at, g), a));
            // Of the last channel's pairs nothing is of another.
            add_sums(min(p.k + 1u, MAX_CHANNELS - 1u), sums_of_pair(gradient_in(end, p.at, g), next));
        }
        i += WORKGROUP;
        if i >= pairs_of_seams(b) {
            break;
        }
    }
}

// Leaves what `sums_of` has.
fn sum_gradients(b: Band, thread: u32) {
    let rounds_a_seam = (pairs_a_seam() + WORKGROUP - 1u) / WORKGROUP;
    let step = max(SEGMENTS_A_PART / (segments_a_line() + rounds_a_seam), 1u);
    var n = b.first_sample;
    loop {
        let end = min(n + step, b.end_sample);
        loop {
            sum_rounds(b, n, thread);
            sum_seams(b, n, thread);
            n++;
            if n >= end {
                break;
            }
        }
        join_parts();
        if n >= b.end_sample {
            break;
        }
    }
}
