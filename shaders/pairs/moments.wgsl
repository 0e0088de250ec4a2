// Formula: the moments of a pair of quads (../moments.wgsl).
// A workgroup owns, reads, writes: nothing; this is the formula.
// Needs: tensor/pairs.wgsl, moments.wgsl.

fn deviations(v: Pair, pivot: vec4f) -> Pair {
    return Pair(v.low - pivot, v.high - pivot);
}

// Of a pair of these, uncounted.
fn pair_moments(d: Pair, pivot: vec4f) -> Moments {
    return Moments(0.0, pivot, d.low + d.high, d.low * d.low + d.high * d.high);
}
