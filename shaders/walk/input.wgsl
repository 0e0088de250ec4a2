// Formula: dx and dresidual over a thread's walk (../gradient_input.wgsl).
// A workgroup owns: its channels' split.
// Reads: x, dy, residual, weights. Writes: dx, dresidual.
// Needs: params.wgsl, a tensor file, a mapping file of walks, walk/block.wgsl, quads/gradient_input.wgsl.

fn differentiate(start: Cursor, i: InputGradient) {
    var c = start;
    var left = c.blocks;
    if left > 0u {
        loop {
            let b = quads_of_block(&c);
            differentiate_four(b.q0, b.q1, b.q2, b.q3, i);
            differentiate_four(b.q4, b.q5, b.q6, b.q7, i);
            left--;
            if left == 0u { break; }
        }
    }
    if TAIL {
        for (left = c.tail; left > 0u; left--) {
            differentiate_one(next(&c), i);
        }
    }
}
