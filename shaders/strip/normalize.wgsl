// Formula: y over a strip (../normalize.wgsl).
// A workgroup owns: a strip. Reads: x, residual. Writes: y.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, normalize.wgsl, quads/affine.wgsl.

fn residual_of(i: u32) -> Pair {
    if RESIDUAL {
        return load_residual(i);
    }
    return Pair();
}

// Of quads `k` and `k + 1`.
fn normalized_pair(i: u32, k: u32, x_value: Pair) -> Pair {
    let r = residual_of(i);
    return Pair(
        normalized(x_value.low, r.low, affine_of(k)),
        normalized(x_value.high, r.high, affine_of(k + 1u)),
    );
}

// Of the chunk whose first quad is `k`.
fn normalize_chunk(i: u32, k: u32) {
    let step = pair_step();
    let x_value = load_row_of_x(i);
    let a = normalized_pair(i, k, x_value.a);
    let b = normalized_pair(i + step, k + 2u, x_value.b);
    let c = normalized_pair(i + 2u * step, k + 4u, x_value.c);
    let d = normalized_pair(i + 3u * step, k + 6u, x_value.d);
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
