// Formula: Σdz and Σdz·(x − mean) of a band's channels (../gradient_sums.wgsl), over the pairs of each thread: all
// threads go side by side along a line, and from line to line as memory has them, in segments of lines, and
// parts of segments, so that no chain of roundings is long. Through frozen statistics, which are constants, also
// dx and dresidual on the way.
// A workgroup owns: a band. Reads: x, dy, residual. Writes: frozen, dx and dresidual.
// Needs: params.wgsl, tensor/pairs.wgsl, line/map.wgsl, gradient_sums.wgsl, pairs/affine.wgsl,
// pairs/gradient_sums.wgsl, pairs/channel_sums.wgsl.

// Rounds, in each of which all threads take a pair, of a segment at least: of a very long line it has as many as
// the line has segments.
const ROUNDS_A_SEGMENT = 16u;
const SEGMENTS_A_PART = 16u;

// In elements.
fn segment_step() -> u32 {
    let rounds = local.inner / pair_step();
    return max(ROUNDS_A_SEGMENT, u32(sqrt(f32(rounds)))) * pair_step();
}

// Of which the last has all that is left: so each has a pair for each thread.
fn segments_a_line() -> u32 {
    return max(local.inner / segment_step(), 1u);
}

fn sums_at(start: u32, i: u32, a: Affine) -> Sums {
    let g = gradient_of_pair(load_input(i), a, a);
    store_frozen(i, g, a, a);
    let there = PairGradient(within(start, i, g.dz), within(start, i, g.deviation));
    return sums_of_pair(there, a);
}

fn segment_sums(start: u32, segment: u32, thread: u32, a: Affine) -> Sums {
    let first = pair_of(start) + segment * segment_step();
    let is_last = segment + 1u == segments_a_line();
    let end = select(first + segment_step(), start + local.inner, is_last);
    var sums = Sums();
    var i = first + 8u * thread;
    loop {
        sums = add(sums, sums_at(start, i, a));
        i += pair_step();
        if i >= end {
            break;
        }
    }
    return sums;
}

// One loop over the segments of all channels: of short lines, a loop over segments within one over channels would
// cost as much as half of the sums.
fn sum_sample(b: Band, sample: u32, thread: u32) {
    let segments = segments_a_line();
    var k = 0u;
    var segment = 0u;
    loop {
        add_sums(k, segment_sums(line(sample, b.channel + k), segment, thread, spread(affines[k])));
        segment++;
        let is_last = segment == segments;
        k += select(0u, 1u, is_last);
        segment = select(segment, 0u, is_last);
        if k >= channels_of(b) {
            break;
        }
    }
}

// Leaves what `sums_of` has.
fn sum_gradients(b: Band, thread: u32) {
    let step = max(SEGMENTS_A_PART / segments_a_line(), 1u);
    var n = b.first_sample;
    loop {
        let end = min(n + step, b.end_sample);
        loop {
            sum_sample(b, n, thread);
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
