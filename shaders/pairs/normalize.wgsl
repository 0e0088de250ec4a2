// Formula: y of a pair of quads (../normalize.wgsl).
// A workgroup owns, reads, writes: nothing; this is the formula.
// Needs: tensor/pairs.wgsl, normalize.wgsl.

fn normalized_pair(x_value: Pair, r: Pair, low: Affine, high: Affine) -> Pair {
    return Pair(
        normalized(x_value.low, r.low, low),
        normalized(x_value.high, r.high, high),
    );
}
