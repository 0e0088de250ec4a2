// Formula: y over a thread's walk (../normalize.wgsl).
// A workgroup owns: its channels' split.
// Reads: x. Writes: y.
// Needs: params.wgsl, a tensor file, a mapping file, normalize.wgsl.

// y over a thread's walk.
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
        let x0 = load_x(q0);
        let x1 = load_x(q1);
        let x2 = load_x(q2);
        let x3 = load_x(q3);
        store_y(q0, normalize_one(x0, a));
        store_y(q1, normalize_one(x1, a));
        store_y(q2, normalize_one(x2, a));
        store_y(q3, normalize_one(x3, a));
        let x4 = load_x(q4);
        let x5 = load_x(q5);
        let x6 = load_x(q6);
        let x7 = load_x(q7);
        store_y(q4, normalize_one(x4, a));
        store_y(q5, normalize_one(x5, a));
        store_y(q6, normalize_one(x6, a));
        store_y(q7, normalize_one(x7, a));
    }
    for (var left = c.tail; left > 0u; left--) {
        let q = next(&c);
        store_y(q, normalize_one(load_x(q), a));
    }
}
