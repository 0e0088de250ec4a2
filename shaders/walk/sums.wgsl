// Formula: Σdz and Σdz·(x − mean) over a thread's walk (../gradient_sums.wgsl). Through frozen
// statistics, which are constants, also dx and dresidual on the way.
// A workgroup owns: its channels' split.
// Reads: x, dy, residual, weights. Writes: frozen, dx and dresidual.
// Needs: params.wgsl, a tensor file, a mapping file of walks, walk/block.wgsl, quads/gradient_sums.wgsl.

// Over `blocks` blocks, one at least; on software adapters a loop that tests at its start takes a round more.
fn sums_of_group(c: ptr<function, Cursor>, blocks: u32, a: Affine) -> Sums {
    var group = Sums();
    var left = blocks;
    loop {
        let b = quads_of_block(c);
        let half = sums_of_four(b.q0, b.q1, b.q2, b.q3, a);
        group = add(group, add(half, sums_of_four(b.q4, b.q5, b.q6, b.q7, a)));
        left--;
        if left == 0u { break; }
    }
    return group;
}

// The sums over a thread's walk.
fn sums_of(start: Cursor, a: Affine) -> Sums {
    var c = start;
    var left = c.blocks;
    var total = Sums();
    if left > 0u {
        loop {
            let some = min(left, BLOCKS_A_GROUP);
            total = add(total, sums_of_group(&c, some, a));
            left -= some;
            if left == 0u { break; }
        }
    }
    if TAIL {
        for (left = c.tail; left > 0u; left--) {
            let q = next(&c);
            let g = gradient_of(q, a);
            store_frozen(q, g, a);
            let sums = sums_of_one(g, a);
            total = add(total, Sums(keep(q, sums.dz), keep(q, sums.dz_x)));
        }
    }
    return total;
}
