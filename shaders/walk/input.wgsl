// Formula: dx and dresidual over a thread's walk (../gradient_input.wgsl).
// A workgroup owns: its channels' split.
// Reads: x, dy, residual, weights. Writes: dx, dresidual.
// Needs: params.wgsl, a tensor file, a mapping file, gradient_sums.wgsl, gradient_input.wgsl.

fn differentiate(start: Cursor, i: InputGradient) {
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
        differentiate_four(q0, q1, q2, q3, i);
        differentiate_four(q4, q5, q6, q7, i);
    }
    for (var left = c.tail; left > 0u; left--) {
        differentiate_one(next(&c), i);
    }
}
