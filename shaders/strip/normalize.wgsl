// Formula: y over a strip (../normalize.wgsl).
// A workgroup owns: a strip. Reads: x, residual. Writes: y.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, quads/affine.wgsl, pairs/normalize.wgsl and
// what it needs.

// Of the chunk whose first quad is `k`.
fn normalize_chunk(i: u32, k: u32) {
    let step = pair_step();
    let x_a = load_x(i);
    let x_b = load_x(i + step);
    let x_c = load_x(i + 2u * step);
    let x_d = load_x(i + 3u * step);
    let a = normalized_pair(x_a, residual_of(i), affine_of(k), affine_of(k + 1u));
    let b = normalized_pair(x_b, residual_of(i + step), affine_of(k + 2u), affine_of(k + 3u));
    let c = normalized_pair(x_c, residual_of(i + 2u * step), affine_of(k + 4u), affine_of(k + 5u));
    let d = normalized_pair(x_d, residual_of(i + 3u * step), affine_of(k + 6u), affine_of(k + 7u));
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
        if CHUNKS > 2u {
            normalize_chunk(i + 2u * step, 16u);
        }
        if CHUNKS > 3u {
            normalize_chunk(i + 3u * step, 24u);
        }
        i += local.outer_stride;
    }
}
