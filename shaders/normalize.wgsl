// Formula: y = act(z + residual), z = ((x − pivot) − remainder)·scale + shift, with mean = pivot + remainder,
// scale = γ·r·inv_std, shift = β + γ·d (r = 1 and d = 0 but for batch renormalization); to write y, folded to
// z = (x − pivot)·scale + (shift − remainder·scale).
// A workgroup owns: its channels. Reads: gamma, beta, running statistics. Writes: nothing.
// Needs: params.wgsl, a mapping file, an activation file.
//
// The mean is not folded with the scale into x·a + b, which would cancel where |mean| is much larger than the standard
// deviation. What the pivot is off it is about a deviation at most, and is.

struct Affine {
    pivot: vec4f,
    remainder: vec4f,
    scale: vec4f,
    shift: vec4f,
}

// What a layer learns of its channels.
struct Learned {
    gamma: vec4f,
    beta: vec4f,
}

fn learned(p: Place) -> Learned {
    var l = Learned(vec4f(1.0), vec4f());
    if has(FLAG_GAMMA) { l.gamma = state_row(ROW_GAMMA, p); }
    if has(FLAG_BETA) { l.beta = state_row(ROW_BETA, p); }
    return l;
}

fn affine(
    l: Learned, pivot: vec4f, remainder: vec4f, inv_std: vec4f, r: vec4f, d: vec4f,
) -> Affine {
    return Affine(pivot, remainder, (inv_std * r) * l.gamma, l.beta + l.gamma * d);
}

// The same without a remainder, whose share is in the shift.
fn folded(a: Affine) -> Affine {
    // Nothing of no remainder, however large the scale.
    let rest = select(a.remainder * a.scale, vec4f(), a.remainder == vec4f());
    return Affine(a.pivot, vec4f(), a.scale, a.shift - rest);
}

fn running_inv_std(p: Place) -> vec4f {
    return 1.0 / sqrt(state_row(ROW_RUNNING_VAR, p) + params.epsilon);
}

// Of running statistics.
fn running_affine(p: Place) -> Affine {
    let mean = state_row(ROW_RUNNING_MEAN, p);
    return affine(learned(p), mean, vec4f(), running_inv_std(p), vec4f(1.0), vec4f());
}

// What the activation takes, of x − mean; or of x − pivot, where the map is folded.
fn before_activation(centered: vec4f, residual_value: vec4f, a: Affine) -> vec4f {
    let z = centered * a.scale + a.shift;
    if RESIDUAL {
        return z + residual_value;
    }
    return z;
}

// By a folded map.
fn normalized(x_value: vec4f, residual_value: vec4f, a: Affine) -> vec4f {
    return activate(before_activation(x_value - a.pivot, residual_value, a));
}
