// Formula: y = ((x − pivot) − remainder)·(inv_std·γ) + β, with mean = pivot + remainder
// A workgroup owns: its channels. Reads: gamma, beta. Writes: nothing.
// Needs: params.wgsl, a mapping file.
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
