// Formula: y of quads (../normalize.wgsl). Where a position has no weight, y = 0.
// A workgroup owns: its channels. Reads: x, residual, weights. Writes: y.
// Needs: params.wgsl, a tensor file, a mapping file, weights.wgsl, normalize.wgsl,
// quads/residual.wgsl.

fn y_of(q: Quad, x_value: vec4f, a: Affine) -> vec4f {
    let y = normalized(x_value, residual_of(q), a);
    if WEIGHTED {
        return present(weights_of(q), y, vec4f());
    }
    return y;
}

// Four quads, few enough to stay in registers.
fn normalize_four(q0: Quad, q1: Quad, q2: Quad, q3: Quad, a: Affine) {
    let x0 = load_x(q0);
    let x1 = load_x(q1);
    let x2 = load_x(q2);
    let x3 = load_x(q3);
    let y0 = y_of(q0, x0, a);
    let y1 = y_of(q1, x1, a);
    let y2 = y_of(q2, x2, a);
    let y3 = y_of(q3, x3, a);
    store_y(q0, y0);
    store_y(q1, y1);
    store_y(q2, y2);
    store_y(q3, y3);
}
