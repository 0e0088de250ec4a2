// Formula: y over a thread's walk (../normalize.wgsl).
// A workgroup owns: its channels' split.
// Reads: x, residual, weights. Writes: y.
// Needs: params.wgsl, a tensor file, a mapping file, normalize.wgsl.

fn normalize(start: Cursor, a: Affine) {
    var c = start;
    for (var left = c.blocks; left > 0u; left--) {
        let q0 = next(&c);
        let q1 = next(&c);
        let q2 = next(&c);
        let q3 = next(&c);
        let q4 = next(&c);
        let q5 = next(&c);
        let q6 = next(&c);
        let q7 = next(&c);
        next_block(&c);
        normalize_four(q0, q1, q2, q3, a);
        normalize_four(q4, q5, q6, q7, a);
    }
    for (var left = c.tail; left > 0u; left--) {
        let q = next(&c);
        store_y(q, y_of(q, load_x(q), a));
    }
}
