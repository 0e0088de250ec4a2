// Formula: dz and x − pivot of quads, and their sums (../gradient_sums.wgsl).
// A workgroup owns: its channels. Reads: x, dy, residual, weights.
// Writes: for frozen statistics, which are constants, dx = γ·inv_std·dz and dresidual on the way.
// Needs: params.wgsl, a tensor file, a mapping file, weights.wgsl, normalize.wgsl,
// gradient_sums.wgsl, quads/residual.wgsl.

// Both 0 where a position has no weight.
fn gradient_of(q: Quad, a: Affine) -> Gradient {
    var x_value = vec4f();
    if needs_x() {
        x_value = load_x(q);
    }
    var residual_value = vec4f();
    if !IS_IDENTITY {
        residual_value = residual_of(q);
    }
    let g = gradient(x_value, load_dy(q), residual_value, a);
    if WEIGHTED {
        let w = weights_of(q);
        return Gradient(present(w, g.dz, vec4f()), present(w, g.deviation, vec4f()));
    }
    return g;
}

// Through constants dx needs no sums.
fn store_frozen(q: Quad, g: Gradient, a: Affine) {
    if FROZEN && DX {
        store_dx(q, a.scale * g.dz);
    }
    if FROZEN && DRESIDUAL {
        store_dresidual(q, g.dz);
    }
}

// The sums of four quads, few enough to stay in registers; frozen, also their dx.
fn sums_of_four(q0: Quad, q1: Quad, q2: Quad, q3: Quad, a: Affine) -> Sums {
    let g0 = gradient_of(q0, a);
    let g1 = gradient_of(q1, a);
    let g2 = gradient_of(q2, a);
    let g3 = gradient_of(q3, a);
    store_frozen(q0, g0, a);
    store_frozen(q1, g1, a);
    store_frozen(q2, g2, a);
    store_frozen(q3, g3, a);
    return add(
        add(sums_of_one(g0, a), sums_of_one(g1, a)),
        add(sums_of_one(g2, a), sums_of_one(g3, a)),
    );
}
