// Formula: y over a thread's walk (../normalize.wgsl).
// A workgroup owns: its channels' split.
// Reads: x, residual, weights. Writes: y.
// Needs: params.wgsl, a tensor file, a mapping file of walks, walk/block.wgsl, quads/normalize.wgsl.

fn normalize(start: Cursor, a: Affine) {
    var c = start;
    var left = c.blocks;
    if left > 0u {
        loop {
            let b = quads_of_block(&c);
            normalize_four(b.q0, b.q1, b.q2, b.q3, a);
            normalize_four(b.q4, b.q5, b.q6, b.q7, a);
            left--;
            if left == 0u { break; }
        }
    }
    if TAIL {
        for (left = c.tail; left > 0u; left--) {
            let q = next(&c);
            store_y(q, y_of(q, load_x(q), a));
        }
    }
}
