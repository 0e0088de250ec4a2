// Formula: dz and x − mean of a pair of quads (../gradient_sums.wgsl).
// A workgroup owns: a strip. Reads: x, dy, residual. Writes: nothing.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, gradient_sums.wgsl, quads/affine.wgsl.

struct PairGradient {
    dz: Pair,
    centered: Pair,
}

// Of quads `k` and `k + 1`.
fn gradient_of_pair(i: u32, k: u32) -> PairGradient {
    var x_value = Pair();
    if needs_x() {
        x_value = load_x(i);
    }
    var r = Pair();
    if RESIDUAL && !IS_IDENTITY {
        r = load_residual(i);
    }
    let dy_value = load_dy(i);
    let low = gradient(x_value.low, dy_value.low, r.low, affine_of(k));
    let high = gradient(x_value.high, dy_value.high, r.high, affine_of(k + 1u));
    return PairGradient(Pair(low.dz, high.dz), Pair(low.centered, high.centered));
}
