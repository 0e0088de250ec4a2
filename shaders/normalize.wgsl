// Formula: y = ((x − pivot) − remainder)·(inv_std·γ) + β, with mean = pivot + remainder
// A workgroup owns: its channels. Reads: x, gamma, beta. Writes: y.
// Needs: params.wgsl, a tensor file, a mapping file.
//
// The mean is subtracted in two parts, and not folded with the scale into x·a + b: either would
// cancel where |mean| is much larger than the standard deviation.

struct Affine {
    pivot: vec4f,
    remainder: vec4f,
    scale: vec4f,
    shift: vec4f,
}

fn affine(p: Place, pivot: vec4f, remainder: vec4f, inv_std: vec4f) -> Affine {
    var scale = inv_std;
    var shift = vec4f();
    if has(FLAG_GAMMA) { scale *= state_row(ROW_GAMMA, p); }
    if has(FLAG_BETA) { shift = state_row(ROW_BETA, p); }
    return Affine(pivot, remainder, scale, shift);
}

fn normalize_one(x_value: vec4f, a: Affine) -> vec4f {
    return ((x_value - a.pivot) - a.remainder) * a.scale + a.shift;
}

// Four quads, few enough to stay in registers.
fn normalize_four(q0: Quad, q1: Quad, q2: Quad, q3: Quad, a: Affine) {
    let x0 = load_x(q0);
    let x1 = load_x(q1);
    let x2 = load_x(q2);
    let x3 = load_x(q3);
    store_y(q0, normalize_one(x0, a));
    store_y(q1, normalize_one(x1, a));
    store_y(q2, normalize_one(x2, a));
    store_y(q3, normalize_one(x3, a));
}
