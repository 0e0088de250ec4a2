// Formula: dx = γ·inv_std·(dy − dβ/m − x̂·dγ/m), x̂ = (x − mean)·inv_std
// A workgroup owns: its channels. Reads: gamma. Writes: dgamma, dbeta.
// Needs: params.wgsl, a mapping file, gradient_sums.wgsl.

fn record_gradients(p: Place, s: Statistics, sums: Sums) {
    set_state_row(ROW_DGAMMA, p, sums.dy_x * s.inv_std);
    set_state_row(ROW_DBETA, p, sums.dy);
}

struct InputGradient {
    scale: vec4f,
    mean_dy: vec4f,
    // inv_std·dγ/m, so that it multiplies x − mean.
    slope: vec4f,
}

fn input_gradient(p: Place, s: Statistics, sums: Sums) -> InputGradient {
    let dgamma = sums.dy_x * s.inv_std;
    return InputGradient(
        scale_of(p, s),
        sums.dy / params.count,
        (dgamma / params.count) * s.inv_std,
    );
}

fn dx_one(x_value: vec4f, dy_value: vec4f, g: InputGradient, s: Statistics) -> vec4f {
    return g.scale * ((dy_value - g.mean_dy) - center(x_value, s) * g.slope);
}
