// Formula: dz and x − pivot of a pair of quads, and their sums (../gradient_sums.wgsl).
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
    deviation: Pair,
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
    return PairGradient(Pair(g.dz, h.dz), Pair(g.deviation, h.deviation));
}

// Of one channel.
fn sums_of_pair(g: PairGradient, a: Affine) -> Sums {
    let low = sums_of_one(Gradient(g.dz.low, g.deviation.low), a);
    return add(low, sums_of_one(Gradient(g.dz.high, g.deviation.high), a));
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
