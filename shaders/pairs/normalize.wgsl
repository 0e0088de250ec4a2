// Formula: y of a pair of quads (../normalize.wgsl).
// A workgroup owns: its channels. Reads: residual. Writes: nothing.
// Needs: params.wgsl, tensor/pairs.wgsl, normalize.wgsl, pairs/residual.wgsl.

fn normalized_pair(i: u32, x_value: Pair, low: Affine, high: Affine) -> Pair {
    let r = residual_of(i);
    return Pair(
        normalized(x_value.low, r.low, low),
        normalized(x_value.high, r.high, high),
    );
}
