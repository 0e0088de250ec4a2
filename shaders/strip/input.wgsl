// Formula: dx and dresidual over a strip (../gradient_input.wgsl).
// A workgroup owns: a strip. Reads: x, dy, residual. Writes: dx, dresidual.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, quads/affine.wgsl, strip/gradients.wgsl,
// pairs/gradient_input.wgsl and what it needs.

var<private> mean_dzs: array<vec4f, MAX_QUADS>;
var<private> slopes: array<vec4f, MAX_QUADS>;

fn input_gradient_at(k: u32) -> InputGradient {
    return InputGradient(affine_of(k), mean_dzs[k], slopes[k]);
}

fn set_input_gradient(k: u32, i: InputGradient) {
    set_affine(k, i.affine);
    mean_dzs[k] = i.mean_dz;
    slopes[k] = i.slope;
}

// Of quads `k` and `k + 1`.
fn differentiate_pair(i: u32, k: u32) {
    store_gradients(i, gradient_of(i, k), input_gradient_at(k), input_gradient_at(k + 1u));
}

// Of the chunk whose first quad is `k`. A pair is stored before the next is loaded, so that less has to be kept.
fn differentiate_chunk(i: u32, k: u32) {
    let step = pair_step();
    differentiate_pair(i, k);
    differentiate_pair(i + step, k + 2u);
    differentiate_pair(i + 2u * step, k + 4u);
    differentiate_pair(i + 3u * step, k + 6u);
}

fn differentiate(w: Strip) {
    let step = PAIRS * pair_step();
    var i = at(w, w.first_row);
    for (var row = w.first_row; row < w.end_row; row++) {
        differentiate_chunk(i, 0u);
        if CHUNKS > 1u {
            differentiate_chunk(i + step, 8u);
        }
        if CHUNKS > 2u {
            differentiate_chunk(i + 2u * step, 16u);
        }
        if CHUNKS > 3u {
            differentiate_chunk(i + 3u * step, 24u);
        }
        i += local.outer_stride;
    }
}
