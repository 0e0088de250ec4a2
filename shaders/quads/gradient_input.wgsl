// Formula: dx and dresidual of quads (../gradient_input.wgsl).
// A workgroup owns: its channels. Reads: x, dy, residual, weights. Writes: dx, dresidual.
// Needs: params.wgsl, a tensor file, a mapping file, gradient_input.wgsl, quads/gradient_sums.wgsl
// and what it needs.

fn dx_of(q: Quad, g: Gradient, i: InputGradient) -> vec4f {
    if WEIGHTED {
        let w = weights_of(q);
        return input_gradient_of(g, InputGradient(i.affine, i.offset * w, i.slope * w));
    }
    return input_gradient_of(g, i);
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
