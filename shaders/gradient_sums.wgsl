// Formula: with dz = dy·act'(z), Σdz and Σdz·(x − mean) of a channel; dβ = Σdz,
// dγ = r·inv_std·Σdz·(x − mean) + d·Σdz (r = 1 and d = 0 but for batch renormalization).
// A workgroup owns: its channels. Reads: x, dy, residual, weights, saved or running statistics.
// Writes: for frozen statistics, which are constants, dx = γ·inv_std·dz and dresidual on the way.
// Needs: params.wgsl, a tensor file, a mapping file, weights.wgsl, an activation file,
// normalize.wgsl.

// What the forward pass normalised with.
struct Statistics {
    affine: Affine,
    inv_std: vec4f,
}

fn statistics(p: Place) -> Statistics {
    if FROZEN {
        return Statistics(running_affine(p), running_inv_std(p));
    }
    let a = Affine(
        work_row(ROW_PIVOT, p),
        work_row(ROW_REMAINDER, p),
        work_row(ROW_SCALE, p),
        work_row(ROW_SHIFT, p),
    );
    return Statistics(a, work_row(ROW_INV_STD, p));
}

// dz of a quad, and x − mean; both 0 where a position has no weight.
struct Gradient {
    dz: vec4f,
    centered: vec4f,
}

fn gradient_of(q: Quad, a: Affine) -> Gradient {
    var centered = vec4f();
    // dx alone, through constants, has no use for x.
    if !FROZEN || AFFINE || !IS_IDENTITY {
        centered = center(load_x(q), a);
    }
    var dz = load_dy(q);
    if !IS_IDENTITY {
        dz *= activation_slope(before_activation(q, centered, a));
    }
    if WEIGHTED {
        let w = weights_of(q);
        return Gradient(present(w, dz, vec4f()), present(w, centered, vec4f()));
    }
    return Gradient(dz, centered);
}

// In the rows mapping the components are parts of one sum.
struct Sums {
    dz: vec4f,
    dz_x: vec4f,
}

fn add(a: Sums, b: Sums) -> Sums {
    return Sums(a.dz + b.dz, a.dz_x + b.dz_x);
}

fn sums_of_one(g: Gradient) -> Sums {
    return Sums(g.dz, g.dz * g.centered);
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
        add(sums_of_one(g0), sums_of_one(g1)),
        add(sums_of_one(g2), sums_of_one(g3)),
    );
}
