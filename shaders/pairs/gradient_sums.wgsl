// Formula: dz and x − mean of a pair of quads, and their sums (../gradient_sums.wgsl).
// A workgroup owns: its channels. Reads: x, dy, residual.
// Writes: for frozen statistics, which are constants, dx = γ·inv_std·dz and dresidual on the way.
// Needs: params.wgsl, tensor/pairs.wgsl, normalize.wgsl, gradient_sums.wgsl, pairs/residual.wgsl.

struct PairInput {
    x: Pair,
    dy: Pair,
    residual: Pair,
}

struct PairGradient {
    dz: Pair,
    centered: Pair,
}

fn load_input(i: u32) -> PairInput {
    var v = PairInput();
    if needs_x() {
        v.x = load_x(i);
    }
    v.dy = load_dy(i);
    if !IS_IDENTITY {
        v.residual = residual_of(i);
    }
    return v;
}

// What is loaded comes first: nothing has to be kept while it is.
fn gradient_of_pair(v: PairInput, low: Affine, high: Affine) -> PairGradient {
    let g = gradient(v.x.low, v.dy.low, v.residual.low, low);
    let h = gradient(v.x.high, v.dy.high, v.residual.high, high);
    return PairGradient(Pair(g.dz, h.dz), Pair(g.centered, h.centered));
}

fn sums_of_pair(g: PairGradient) -> Sums {
    return Sums(g.dz.low + g.dz.high, g.dz.low * g.centered.low + g.dz.high * g.centered.high);
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
