// Formula: y over a strip (../normalize.wgsl).
// A workgroup owns: a strip. Reads: x, residual. Writes: y.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, strip/columns.wgsl, `affine_of` a column,
// pairs/normalize.wgsl and what it needs.

// A pair is stored before the next is loaded, so that less has to be kept.
fn normalize(w: Strip) {
    var i = at(w, w.first_row);
    for (var row = w.first_row; row < w.end_row; row++) {
        for (var k = 0u; k < PAIRS; k++) { // unrolled
            if is_there(w, k) {
                normalize_pair(i + k * pair_step(), k);
            }
        }
        i += local.outer_stride;
    }
}

fn normalize_pair(i: u32, k: u32) {
    let x = load_x(i);
    store_y(i, normalized_pair(x, residual_of(i), affine_of(columns[2u * k]), affine_of(columns[2u * k + 1u])));
}
