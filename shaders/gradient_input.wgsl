// Formula: dx = scale·(dz − w·Σdz/m − w·x̂·Σdz·x̂/m), x̂ = (x − mean)·inv_std, scale = γ·r·inv_std; as
// dx = scale·((dz − w·offset) − (x − pivot)·w·slope), slope = inv_std·Σdz·x̂/m, offset = Σdz/m − remainder·slope.
// dresidual = dz. Without weights w = 1. Frozen: dx = scale·dz.
// A workgroup owns: its channels. Reads: saved or running statistics. Writes: nothing.
// Needs: params.wgsl, a mapping file, gradient_sums.wgsl and what it needs.

struct InputGradient {
    affine: Affine,
    offset: vec4f,
    slope: vec4f,
}

fn input_gradient(p: Place, s: Statistics, sums: Sums) -> InputGradient {
    if FROZEN {
        return InputGradient(s.affine, vec4f(), vec4f());
    }
    var count = vec4f(params.count);
    if params.count == 0.0 {
        let counted = work_row(ROW_COUNT, p);
        count = select(counted, vec4f(1.0), counted == vec4f());
    }
    let dz_x_hat = sums.dz_x * s.inv_std;
    let slope = (dz_x_hat / count) * s.inv_std;
    return InputGradient(s.affine, sums.dz / count - s.affine.remainder * slope, slope);
}

fn input_gradient_of(g: Gradient, i: InputGradient) -> vec4f {
    if FROZEN {
        return i.affine.scale * g.dz;
    }
    return i.affine.scale * ((g.dz - i.offset) - g.deviation * i.slope);
}

// Whether a second walk has anything to write: frozen gradients were written by the first, if there
// was one.
fn differentiates() -> bool {
    return (DX || DRESIDUAL) && !(FROZEN && AFFINE);
}
