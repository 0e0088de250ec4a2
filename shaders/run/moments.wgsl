// Formula: the moments of a run's channels (../moments.wgsl), in groups of pairs, segments of lines, and parts of
// lines, so that no chain of roundings is long. The pivot starts as the median of medians of values from all over
// the lines; after each part it may move.
// A workgroup owns: a run for each thread. Reads: x. Writes: nothing.
// Needs: params.wgsl, tensor/pairs.wgsl, run/map.wgsl, moments.wgsl, block_moments.wgsl, pairs/moments.wgsl.

// Of each channel's part at hand: sum and squares about its pivot. Of the parts before: count, pivot, sum and
// squares.
var<private> part_moments: array<vec2f, MAX_CHANNELS>;
var<private> pivots: array<f32, MAX_CHANNELS>;
var<private> all_moments: array<vec4f, MAX_CHANNELS>;

fn unpacked(v: vec4f) -> Moments {
    let scale = 1.0 / f32(VALUES_A_QUAD);
    return Moments(v.x, v.yyyy, v.zzzz * scale, v.wwww * scale);
}

// One of eight quads, from the first line's start to near the last one's end.
fn sample(r: Run, k: u32, j: u32) -> vec4f {
    let l = line(r, r.first_sample + j * (r.end_sample - 1u - r.first_sample) / 7u, k);
    let quads = (end_pair(l) - first_pair(l)) / 4u;
    let quad = j * quads / 8u;
    let x = load_x(first_pair(l) + quad / 2u * 8u);
    return select(x.low, x.high, vec4<bool>(quad % 2u == 1u));
}

fn start_pivot(r: Run, k: u32) -> f32 {
    return middle(middle_of_eight(
        sample(r, k, 0u),
        sample(r, k, 1u),
        sample(r, k, 2u),
        sample(r, k, 3u),
        sample(r, k, 4u),
        sample(r, k, 5u),
        sample(r, k, 6u),
        sample(r, k, 7u),
    )).x;
}

// Of whole pairs, one at least.
fn group_sums(first: u32, end: u32, pivot: f32) -> DeviationSums {
    var group = DeviationSums();
    var i = first;
    loop {
        group = plus(group, sums_of_deviations(deviations(load_x(i), pivot)));
        i += 8u;
        if i >= end {
            break;
        }
    }
    return group;
}

// `cut` is the pair that the line before ended in, and then the one that this one does.
fn line_sums(l: Line, pivot: f32, cut: ptr<function, Pair>) -> DeviationSums {
    let end = end_pair(l);
    var total = sums_of_deviations(within(l, before(l), deviations(*cut, pivot)));
    var i = first_pair(l);
    loop {
        total = plus(total, group_sums(i, min(i + ELEMENTS_A_GROUP, end), pivot));
        i += ELEMENTS_A_GROUP;
        if i >= end {
            break;
        }
    }
    *cut = load_x(last_pair(l));
    return plus(total, sums_of_deviations(within(l, end, deviations(*cut, pivot))));
}

// One loop over the segments of all channels, since one within another would cost short lines a tenth.
fn sum_lines(r: Run, sample: u32) {
    let segments = segments_a_line();
    var cut = Pair();
    var k = 0u;
    var j = 0u;
    loop {
        let s = line_sums(segment(line(r, sample, k), j), pivots[k], &cut);
        part_moments[k] += vec2f(s.sum.x + s.sum.y, s.squares.x + s.squares.y);
        j++;
        let is_last = j == segments;
        k += select(0u, 1u, is_last);
        j = select(j, 0u, is_last);
        if k >= r.channels {
            break;
        }
    }
}

// The value of a few of a part's samples that is nearest to its mean.
fn candidate(r: Run, k: u32, first: u32, end: u32, m: Moments) -> vec4f {
    let mean = m.pivot + across(m.sum) / m.count;
    var best = m.pivot;
    for (var j = 0u; j < 3u; j++) {
        let v = load_x(first_pair(line(r, first + j * (end - 1u - first) / 2u, k)));
        best = nearest_in_pair(mean, best, v);
    }
    return best;
}

// A part of samples more. Its pivot may move to one of its values; or, where they are two, or drift, away from
// all of them.
fn join_parts(r: Run, first: u32, end: u32) {
    let count = f32((end - first) * local.inner);
    for (var k = 0u; k < r.channels; k++) {
        var m = unpacked(vec4f(count, pivots[k], part_moments[k]));
        m = toward(m, candidate(r, k, first, end, m), vec4<bool>(true));
        m = toward(m, step_toward_mean(m), is_far_off(m));
        m = merge(unpacked(all_moments[k]), m);
        all_moments[k] = vec4f(m.count, m.pivot.x, across(m.sum).x, across(m.squares).x);
        pivots[k] = m.pivot.x;
        part_moments[k] = vec2f();
    }
}

// Leaves them in `all_moments`. A part has no more lines than those before it: as many as are about a pivot that
// is not theirs are no more than those that it is right for.
fn sum_moments(r: Run) {
    for (var k = 0u; k < r.channels; k++) {
        pivots[k] = start_pivot(r, k);
    }
    let most = lines_a_part();
    let fewest = max(most / 4u, 1u);
    var n = r.first_sample;
    loop {
        let first = n;
        let end = min(n + clamp(n - r.first_sample, fewest, most), r.end_sample);
        loop {
            sum_lines(r, n);
            n++;
            if n >= end {
                break;
            }
        }
        join_parts(r, first, end);
        if n >= r.end_sample {
            break;
        }
    }
}
