// Formula: dx and dresidual over a run (../gradient_input.wgsl).
// A workgroup owns: a band. Reads: x, dy, residual. Writes: dx, dresidual.
// Needs: params.wgsl, tensor/pairs.wgsl, run/map.wgsl, run/cut.wgsl, pairs/corrections.wgsl,
// pairs/gradient_input.wgsl and what they need.

fn input_gradient_of_channel(k: u32) -> InputGradient {
    return spread_input(affines[k], corrections[k]);
}

fn chosen_input(otherwise: InputGradient, a: InputGradient, is_a: vec4<bool>) -> InputGradient {
    return InputGradient(
        chosen(otherwise.affine, a.affine, is_a),
        select(otherwise.mean_dz, a.mean_dz, is_a),
        select(otherwise.slope, a.slope, is_a),
    );
}

// Of channel `k`, with what its last pair has of the next.
fn differentiate_line(l: Line, k: u32) {
    let a = input_gradient_of_channel(k);
    let end = end_pair(l);
    var i = first_pair(l);
    loop {
        store_gradients(i, gradient_of_pair(load_input(i), a.affine, a.affine), a, a);
        continuing {
            i += 8u;
            break if i >= end;
        }
    }
    if is_cut(l) {
        let v = load_input(i);
        let next = input_gradient_of_channel(k + 1u);
        let low = chosen_input(next, a, is_within(l, i));
        let high = chosen_input(next, a, is_within(l, i + 4u));
        store_gradients(i, gradient_of_pair(v, low.affine, high.affine), low, high);
    }
}

fn differentiate(r: Run) {
    for (var n = r.first_sample; n < r.end_sample; n++) {
        for (var k = 0u; k < MAX_CHANNELS; k++) {
            differentiate_line(line(r, n, k), k);
        }
    }
}
