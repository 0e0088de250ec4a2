// Formula: the sums of a pair of quads about a pivot (../moments.wgsl), and values of it that may be another.
// A workgroup owns, reads, writes: nothing; these are the formulas.
// Needs: tensor/pairs.wgsl, pairs/place.wgsl, moments.wgsl, block_moments.wgsl.

fn deviations(v: Pair, pivot: f32) -> Pair {
    return Pair(v.low - pivot, v.high - pivot);
}

// Of deviations, whose pivot and count are known elsewhere. All are of one channel, and the components are parts of one
// sum: two, since what a loop carries is loaded, blended and stored each round, and one would round more.
struct DeviationSums {
    sum: vec2f,
    squares: vec2f,
}

fn sums_of_deviations(d: Pair) -> DeviationSums {
    return DeviationSums(halves_of(d.low + d.high), halves_of(d.low * d.low + d.high * d.high));
}

fn plus(s: DeviationSums, t: DeviationSums) -> DeviationSums {
    return DeviationSums(s.sum + t.sum, s.squares + t.squares);
}

fn moments_about(pivot: f32, count: f32, s: DeviationSums) -> Moments {
    return Moments(count, vec4f(pivot), 0.5 * s.sum.xyxy, 0.5 * s.squares.xyxy);
}

// Of `best` and the values of a pair, which are of one channel, the one that is nearest to the mean.
fn nearest_in_pair(mean: vec4f, best: vec4f, v: Pair) -> vec4f {
    return nearer(mean, nearer(mean, best, nearest_across(mean, v.low)), nearest_across(mean, v.high));
}
