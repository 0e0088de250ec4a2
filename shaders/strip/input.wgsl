// Formula: dx and dresidual over a strip (../gradient_input.wgsl).
// A workgroup owns: a strip. Reads: x, dy, residual. Writes: dx, dresidual.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, strip/columns.wgsl, strip/gradients.wgsl,
// `correction_of` a column, pairs/gradient_input.wgsl and what it needs.

// A pair is stored before the next is loaded, so that less has to be kept.
fn differentiate(w: Strip) {
    var i = at(w, w.first_row);
    for (var row = w.first_row; row < w.end_row; row++) {
        for (var k = 0u; k < PAIRS; k++) { // unrolled
            if is_there(w, k) {
                differentiate_pair(i + k * pair_step(), k);
            }
        }
        i += local.outer_stride;
    }
}

fn differentiate_pair(i: u32, k: u32) {
    store_gradients(i, gradient_of(i, k), correction_of(columns[2u * k]), correction_of(columns[2u * k + 1u]));
}
