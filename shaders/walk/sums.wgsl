// Formula: Σdz and Σdz·(x − mean) over a thread's walk (../gradient_sums.wgsl). Through frozen
// statistics, which are constants, also dx and dresidual on the way.
// A workgroup owns: its channels' split.
// Reads: x, dy, residual, weights. Writes: frozen, dx and dresidual.
// Needs: params.wgsl, a tensor file, a mapping file of walks, walk/block.wgsl, quads/gradient_sums.wgsl.

// The sums over a thread's walk.
fn sums_of(start: Cursor, a: Affine) -> Sums {
    var c = start;
    var total = Sums();
    for (var left = c.blocks; left > 0u;) {
        let blocks = min(left, BLOCKS_A_GROUP);
        var group = Sums();
        for (var k = 0u; k < blocks; k++) {
            let b = quads_of_block(&c);
            let half = sums_of_four(b.q0, b.q1, b.q2, b.q3, a);
            group = add(group, add(half, sums_of_four(b.q4, b.q5, b.q6, b.q7, a)));
        }
        total = add(total, group);
        left -= blocks;
    }
    for (var left = c.tail; left > 0u; left--) {
        let q = next(&c);
        let g = gradient_of(q, a);
        store_frozen(q, g, a);
        let sums = sums_of_one(g, a);
        total = add(total, Sums(keep(q, sums.dz), keep(q, sums.dz_x)));
    }
    return total;
}
