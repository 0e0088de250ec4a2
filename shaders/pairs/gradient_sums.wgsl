// Formula: dz and x − mean of a pair of quads (../gradient_sums.wgsl).
// A workgroup owns: its channels. Reads: x, dy, residual.
// Writes: for frozen statistics, which are constants, dx = γ·inv_std·dz and dresidual on the way.
// Needs: params.wgsl, tensor/pairs.wgsl, normalize.wgsl, gradient_sums.wgsl, pairs/residual.wgsl.

struct PairGradient {
    dz: Pair,
    centered: Pair,
}

fn gradient_of_pair(i: u32, low: Affine, high: Affine) -> PairGradient {
    var x_value = Pair();
    if needs_x() {
        x_value = load_x(i);
    }
    var r = Pair();
    if !IS_IDENTITY {
        r = residual_of(i);
    }
    let dy_value = load_dy(i);
    let g = gradient(x_value.low, dy_value.low, r.low, low);
    let h = gradient(x_value.high, dy_value.high, r.high, high);
    return PairGradient(Pair(g.dz, h.dz), Pair(g.centered, h.centered));
}

// Through constants dx needs no sums.
fn store_frozen(i: u32, g: PairGradient, low: Affine, high: Affine) {
    if FROZEN && DX {
        store_dx(i, Pair(low.scale * g.dz.low, high.scale * g.dz.high));
    }
    if FROZEN && DRESIDUAL {
        store_dresidual(i, g.dz);
    }
}
