// Formula: y over a strip (../normalize.wgsl).
// A workgroup owns: a strip. Reads: x, residual. Writes: y.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, quads/affine.wgsl, pairs/normalize.wgsl and
// what it needs.

// Of quads `k` and `k + 1`.
fn normalize_pair(i: u32, k: u32) {
    store_y(i, normalized_pair(load_x(i), residual_of(i), affine_of(k), affine_of(k + 1u)));
}

// Of the chunk whose first quad is `k`. A pair is stored before the next is loaded, so that less has to be kept.
fn normalize_chunk(i: u32, k: u32) {
    let step = pair_step();
    normalize_pair(i, k);
    normalize_pair(i + step, k + 2u);
    normalize_pair(i + 2u * step, k + 4u);
    normalize_pair(i + 3u * step, k + 6u);
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
