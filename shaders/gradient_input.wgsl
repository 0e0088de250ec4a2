// Formula: dx = γ·inv_std·(dy − dβ/m − x̂·dγ/m), x̂ = (x − mean)·inv_std
// A workgroup owns: its channels' split.
// Reads: x, dy. Writes: dx, dgamma, dbeta.
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

fn dx_one(q: Quad, g: InputGradient, s: Statistics) -> vec4f {
    return g.scale * ((load_dy(q) - g.mean_dy) - center(load_x(q), s) * g.slope);
}

// dx over a thread's walk.
fn differentiate(start: Cursor, g: InputGradient, s: Statistics) {
    var c = start;
    for (var left = c.blocks; left > 0u; left--) {
        let q0 = next(&c);
        let q1 = next(&c);
        let q2 = next(&c);
        let q3 = next(&c);
        let q4 = next(&c);
        let q5 = next(&c);
        let q6 = next(&c);
        let q7 = next(&c);
        next_block(&c);
        let d0 = dx_one(q0, g, s);
        let d1 = dx_one(q1, g, s);
        let d2 = dx_one(q2, g, s);
        let d3 = dx_one(q3, g, s);
        let d4 = dx_one(q4, g, s);
        let d5 = dx_one(q5, g, s);
        let d6 = dx_one(q6, g, s);
        let d7 = dx_one(q7, g, s);
        store_dx(q0, d0);
        store_dx(q1, d1);
        store_dx(q2, d2);
        store_dx(q3, d3);
        store_dx(q4, d4);
        store_dx(q5, d5);
        store_dx(q6, d6);
        store_dx(q7, d7);
    }
    for (var left = c.tail; left > 0u; left--) {
        let q = next(&c);
        store_dx(q, dx_one(q, g, s));
    }
}
