// Formula: y over a tile (../normalize.wgsl).
// A workgroup owns: a tile. Reads: x, residual. Writes: y.
// Needs: params.wgsl, a tensor file, tile/map.wgsl, normalize.wgsl, tile/affine.wgsl.

fn normalize(w: Tile, thread: u32) {
    let quads = quads(w, thread);
    let stride = local.outer_stride;
    var row = w.first_row;
    for (; row + BLOCK <= w.end_row; row += BLOCK) {
        for (var k = 0u; k < quads; k++) {
            let a = affine_of(k);
            let first = first_column(k, thread);
            let i = at(w, row, first);
            let q0 = quad(w, first, i);
            let q1 = quad(w, first, i + stride);
            let q2 = quad(w, first, i + 2u * stride);
            let q3 = quad(w, first, i + 3u * stride);
            let q4 = quad(w, first, i + 4u * stride);
            let q5 = quad(w, first, i + 5u * stride);
            let q6 = quad(w, first, i + 6u * stride);
            let q7 = quad(w, first, i + 7u * stride);
            normalize_four(q0, q1, q2, q3, a);
            normalize_four(q4, q5, q6, q7, a);
        }
    }
    for (; row < w.end_row; row++) {
        for (var k = 0u; k < quads; k++) {
            let a = affine_of(k);
            let first = first_column(k, thread);
            let q = quad(w, first, at(w, row, first));
            store_y(q, y_of(q, load_x(q), a));
        }
    }
}
