// Formula: y = act(z + residual), z = (x − pivot)·scale + shift, with mean = pivot + remainder,
// scale = γ·r·inv_std, shift = β + γ·d − remainder·scale (r = 1 and d = 0 but for batch renormalization).
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

// Of x − mean, whatever that is: the shift has nothing of a remainder.
struct Scaling {
    scale: vec4f,
    shift: vec4f,
}

fn scaling(p: Place, inv_std: vec4f, r: vec4f, d: vec4f) -> Scaling {
    var gamma = vec4f(1.0);
    var beta = vec4f();
    if has(FLAG_GAMMA) { gamma = state_row(ROW_GAMMA, p); }
    if has(FLAG_BETA) { beta = state_row(ROW_BETA, p); }
    return Scaling((inv_std * r) * gamma, beta + gamma * d);
}

fn affine(pivot: vec4f, remainder: vec4f, s: Scaling) -> Affine {
    // Nothing of no remainder, however large the scale.
    let rest = select(remainder * s.scale, vec4f(), remainder == vec4f());
    return Affine(pivot, remainder, s.scale, s.shift - rest);
}

fn running_inv_std(p: Place) -> vec4f {
    return 1.0 / sqrt(state_row(ROW_RUNNING_VAR, p) + params.epsilon);
}

// Of running statistics.
fn running_affine(p: Place) -> Affine {
    let s = scaling(p, running_inv_std(p), vec4f(1.0), vec4f());
    return affine(state_row(ROW_RUNNING_MEAN, p), vec4f(), s);
}

// What the activation takes, of x − pivot.
fn before_activation(deviation: vec4f, residual_value: vec4f, a: Affine) -> vec4f {
    let z = deviation * a.scale + a.shift;
    if RESIDUAL {
        return z + residual_value;
    }
    return z;
}

fn normalized(x_value: vec4f, residual_value: vec4f, a: Affine) -> vec4f {
    return activate(before_activation(x_value - a.pivot, residual_value, a));
}
