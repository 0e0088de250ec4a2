// Formula: y over a strip (../normalize.wgsl).
// A workgroup owns: a strip. Reads: x, residual. Writes: y.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, quads/affine.wgsl, pairs/normalize.wgsl and
// what it needs.

// Of the chunk whose first quad is `k`.
fn normalize_chunk(i: u32, k: u32) {
    let step = pair_step();
    let x_value = load_row_of_x(i);
    let a = normalized_pair(i, x_value.a, affine_of(k), affine_of(k + 1u));
    let b = normalized_pair(i + step, x_value.b, affine_of(k + 2u), affine_of(k + 3u));
    let c = normalized_pair(i + 2u * step, x_value.c, affine_of(k + 4u), affine_of(k + 5u));
    let d = normalized_pair(i + 3u * step, x_value.d, affine_of(k + 6u), affine_of(k + 7u));
    store_y(i, a);
    store_y(i + step, b);
    store_y(i + 2u * step, c);
    store_y(i + 3u * step, d);
}

fn normalize(w: Strip) {
    let step = PAIRS * pair_step();
    var i = at(w, w.first_row);
    for (var row = w.first_row; row < w.end_row; row++) {
        normalize_chunk(i, 0u);
        if CHUNKS > 1u {
            normalize_chunk(i + step, 8u);
        }
        i += local.outer_stride;
    }
}
