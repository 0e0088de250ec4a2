// Formula: the sums of a pair of quads about a pivot (../moments.wgsl), and values of it that may be another.
// A workgroup owns, reads, writes: nothing; these are the formulas.
// Needs: tensor/pairs.wgsl, moments.wgsl, block_moments.wgsl.

fn deviations(v: Pair, pivot: vec4f) -> Pair {
    return Pair(v.low - pivot, v.high - pivot);
}

// Of deviations, whose pivot and count are known elsewhere.
struct DeviationSums {
    sum: vec4f,
    squares: vec4f,
}

fn sums_of_deviations(d: Pair) -> DeviationSums {
    return DeviationSums(d.low + d.high, d.low * d.low + d.high * d.high);
}

fn plus(s: DeviationSums, t: DeviationSums) -> DeviationSums {
    return DeviationSums(s.sum + t.sum, s.squares + t.squares);
}

// Of `best` and the values of a pair, which are of one channel, the one that is nearest to the mean.
fn nearest_in_pair(mean: vec4f, best: vec4f, v: Pair) -> vec4f {
    return nearer(mean, nearer(mean, best, nearest_across(mean, v.low)), nearest_across(mean, v.high));
}
