// Formula: y = act(z + residual), z = ((x − pivot) − remainder)·scale + shift, with
// mean = pivot + remainder, scale = γ·r·inv_std, shift = β + γ·d (r = 1 and d = 0 but for batch
// renormalization). Where a position has no weight, y = 0.
// A workgroup owns: its channels. Reads: x, residual, weights, gamma, beta. Writes: y.
// Needs: params.wgsl, a tensor file, a mapping file, weights.wgsl, an activation file.
//
// The mean is subtracted in two parts, and not folded with the scale into x·a + b: either would
// cancel where |mean| is much larger than the standard deviation.

struct Affine {
    pivot: vec4f,
    remainder: vec4f,
    scale: vec4f,
    shift: vec4f,
}

fn affine(
    p: Place, pivot: vec4f, remainder: vec4f, inv_std: vec4f, r: vec4f, d: vec4f,
) -> Affine {
    var gamma = vec4f(1.0);
    var beta = vec4f();
    if has(FLAG_GAMMA) { gamma = state_row(ROW_GAMMA, p); }
    if has(FLAG_BETA) { beta = state_row(ROW_BETA, p); }
    return Affine(pivot, remainder, (inv_std * r) * gamma, beta + gamma * d);
}

fn running_inv_std(p: Place) -> vec4f {
    return 1.0 / sqrt(state_row(ROW_RUNNING_VAR, p) + params.epsilon);
}

// Of running statistics.
fn running_affine(p: Place) -> Affine {
    let mean = state_row(ROW_RUNNING_MEAN, p);
    return affine(p, mean, vec4f(), running_inv_std(p), vec4f(1.0), vec4f());
}

fn center(x_value: vec4f, a: Affine) -> vec4f {
    return (x_value - a.pivot) - a.remainder;
}

// What the activation takes, of x − mean.
fn before_activation(q: Quad, centered: vec4f, a: Affine) -> vec4f {
    let z = centered * a.scale + a.shift;
    if RESIDUAL {
        return z + load_residual(q);
    }
    return z;
}

fn y_of(q: Quad, x_value: vec4f, a: Affine) -> vec4f {
    let y = activate(before_activation(q, center(x_value, a), a));
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
