// Formula: dx over a thread's walk (../gradient_input.wgsl).
// A workgroup owns: its channels' split.
// Reads: x, dy. Writes: dx.
// Needs: params.wgsl, a tensor file, a mapping file, gradient_sums.wgsl, gradient_input.wgsl.

// dx over a thread's walk.
fn differentiate(start: Cursor, g: InputGradient, s: Statistics) {
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
        let d0 = dx_one(load_x(q0), load_dy(q0), g, s);
        let d1 = dx_one(load_x(q1), load_dy(q1), g, s);
        let d2 = dx_one(load_x(q2), load_dy(q2), g, s);
        let d3 = dx_one(load_x(q3), load_dy(q3), g, s);
        store_dx(q0, d0);
        store_dx(q1, d1);
        store_dx(q2, d2);
        store_dx(q3, d3);
        let d4 = dx_one(load_x(q4), load_dy(q4), g, s);
        let d5 = dx_one(load_x(q5), load_dy(q5), g, s);
        let d6 = dx_one(load_x(q6), load_dy(q6), g, s);
        let d7 = dx_one(load_x(q7), load_dy(q7), g, s);
        store_dx(q4, d4);
        store_dx(q5, d5);
        store_dx(q6, d6);
        store_dx(q7, d7);
    }
    for (var left = c.tail; left > 0u; left--) {
        let q = next(&c);
        store_dx(q, dx_one(load_x(q), load_dy(q), g, s));
    }
}
