// Formula: dx = γ·inv_std·(dy − dβ/m − x̂·dγ/m), x̂ = (x − mean)·inv_std
// A workgroup owns: its channels. Reads: x, dy, gamma. Writes: dx, dgamma, dbeta.
// Needs: params.wgsl, a tensor file, a mapping file, gradient_sums.wgsl.

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

// Four quads, few enough to stay in registers.
fn differentiate_four(
    q0: Quad, q1: Quad, q2: Quad, q3: Quad, g: InputGradient, s: Statistics,
) {
    let d0 = dx_one(load_x(q0), load_dy(q0), g, s);
    let d1 = dx_one(load_x(q1), load_dy(q1), g, s);
    let d2 = dx_one(load_x(q2), load_dy(q2), g, s);
    let d3 = dx_one(load_x(q3), load_dy(q3), g, s);
    store_dx(q0, d0);
    store_dx(q1, d1);
    store_dx(q2, d2);
    store_dx(q3, d3);
}
