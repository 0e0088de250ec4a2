// Formula: the moments of a channel's lines in a band (../moments.wgsl), in groups of rounds, and parts of
// groups, so that no chain of roundings is long. The pivot starts as the median of medians of values
// from all over the lines, and may move after each part.
// A workgroup owns: a band. Reads: x. Writes: nothing.
// Needs: params.wgsl, tensor/pairs.wgsl, line/cursor.wgsl, moments.wgsl, block_moments.wgsl,
// pairs/moments.wgsl.

// Groups from which on a pivot may be none of the values: the mean of fewer tells less than those that it
// started from.
const GROUPS_TO_STEP = 4u;

// One of eight quads, from the first line's start to near the last one's end.
fn sample(b: Band, channel: u32, j: u32) -> vec4f {
    let n = b.first_sample + j * (b.end_sample - 1u - b.first_sample) / 7u;
    return load_x(pair_from(line(n, channel)) + j * (local.inner / 64u) * 8u).low;
}

fn start_pivot(b: Band, channel: u32) -> vec4f {
    return middle(middle_of_eight(
        sample(b, channel, 0u),
        sample(b, channel, 1u),
        sample(b, channel, 2u),
        sample(b, channel, 3u),
        sample(b, channel, 4u),
        sample(b, channel, 5u),
        sample(b, channel, 6u),
        sample(b, channel, 7u),
    ));
}

// Of what of a line no round has.
fn rest_sums(c: Cursor, pivot: f32) -> DeviationSums {
    var sums = DeviationSums();
    var i = first_of_rest(c);
    loop {
        sums = plus(sums, sums_of_deviations(within(c.line, i, deviations(load_x(i), pivot))));
        i = next_of_rest(c, i);
        if i >= end_of_line(c) {
            break;
        }
    }
    return sums;
}

// Of the next group.
fn group_sums(c: Cursor, pivot: f32) -> DeviationSums {
    let end = end_of_group(c);
    var sums = DeviationSums();
    var i = c.at;
    loop {
        let round = sums_of_deviations(deviations(load_x(i), pivot));
        sums = plus(sums, plus(round, sums_of_deviations(deviations(load_x(i + 8u), pivot))));
        i += ROUND;
        if i >= end {
            break;
        }
    }
    if has_rest(c) {
        sums = plus(sums, rest_sums(c, pivot));
    }
    return sums;
}

fn elements_of_group(c: Cursor) -> u32 {
    return end_of_group(c) - c.at + select(0u, elements_of_rest(), has_rest(c));
}

fn nearest_in_round(mean: vec4f, best: vec4f, i: u32) -> vec4f {
    return nearest_in_pair(mean, nearest_in_pair(mean, best, load_x(i)), load_x(i + 8u));
}

// After a part, to a value of two of its rounds; or, where the values are two, or drift, to none of them.
fn with_moved_pivot(m: Moments, a: u32, b: u32, may_step: bool) -> Moments {
    let mean = m.pivot + across(m.sum) / m.count;
    let value = nearest_in_round(mean, nearest_in_round(mean, m.pivot, a), b);
    let moved = toward(m, value, vec4<bool>(true));
    return toward(moved, step_toward_mean(moved), is_far_off(moved) & vec4<bool>(may_step));
}

// A part has no more groups than those before it: as many as are about a pivot that is not theirs are no more
// than those that it is right for.
fn moments_of(b: Band, channel: u32) -> Moments {
    var total = Moments();
    var c = cursor(b, channel);
    total.pivot = start_pivot(b, channel);
    var done = 0u;
    loop {
        var part = DeviationSums();
        var elements = 0u;
        // Its first round, which may be a border, and one that is not.
        let first = c.at;
        var middle_of_last = first;
        let groups = min(c.groups, clamp(done, 1u, GROUPS_A_PART));
        var group = 0u;
        loop {
            middle_of_last = c.at + rounds_of(c) / 2u * ROUND;
            elements += elements_of_group(c);
            part = plus(part, group_sums(c, total.pivot.x));
            next_group(&c);
            group++;
            if group >= groups {
                break;
            }
        }
        done += groups;
        total = add(total, moments_about(total.pivot.x, f32(elements), part));
        total = with_moved_pivot(total, first, middle_of_last, done >= GROUPS_TO_STEP || c.groups == 0u);
        if c.groups == 0u {
            break;
        }
    }
    return total;
}
