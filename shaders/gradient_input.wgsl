// Formula: dx = scale·(dz − w·Σdz/m − w·x̂·Σdz·x̂/m), x̂ = (x − mean)·inv_std, scale = γ·r·inv_std;
// dresidual = dz. Without weights w = 1. Frozen: dx = scale·dz.
// A workgroup owns: its channels. Reads: x, dy, residual, weights. Writes: dx, dresidual.
// Needs: params.wgsl, a tensor file, a mapping file, gradient_sums.wgsl and what it needs.

struct InputGradient {
    affine: Affine,
    mean_dz: vec4f,
    // inv_std·Σdz·x̂/m, so that it multiplies x − mean.
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
    return InputGradient(s.affine, sums.dz / count, (dz_x_hat / count) * s.inv_std);
}

fn dx_of(q: Quad, g: Gradient, i: InputGradient) -> vec4f {
    var mean_dz = i.mean_dz;
    var slope = i.slope;
    if WEIGHTED {
        let w = weights_of(q);
        mean_dz *= w;
        slope *= w;
    }
    return i.affine.scale * ((g.dz - mean_dz) - g.centered * slope);
}

fn store_gradients(q: Quad, g: Gradient, dx_value: vec4f) {
    if DX {
        store_dx(q, dx_value);
    }
    if DRESIDUAL {
        store_dresidual(q, g.dz);
    }
}

fn differentiate_one(q: Quad, i: InputGradient) {
    let g = gradient_of(q, i.affine);
    store_gradients(q, g, dx_of(q, g, i));
}

// Four quads, few enough to stay in registers.
fn differentiate_four(q0: Quad, q1: Quad, q2: Quad, q3: Quad, i: InputGradient) {
    let g0 = gradient_of(q0, i.affine);
    let g1 = gradient_of(q1, i.affine);
    let g2 = gradient_of(q2, i.affine);
    let g3 = gradient_of(q3, i.affine);
    let d0 = dx_of(q0, g0, i);
    let d1 = dx_of(q1, g1, i);
    let d2 = dx_of(q2, g2, i);
    let d3 = dx_of(q3, g3, i);
    store_gradients(q0, g0, d0);
    store_gradients(q1, g1, d1);
    store_gradients(q2, g2, d2);
    store_gradients(q3, g3, d3);
}

// Whether a second walk has anything to write: frozen gradients were written by the first, if there
// was one.
fn differentiates() -> bool {
    return (DX || DRESIDUAL) && !(FROZEN && AFFINE);
}
