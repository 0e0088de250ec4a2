// Formula: Σdz and Σdz·(x − mean) of a strip's columns (../gradient_sums.wgsl), in parts of rows. Through
// frozen statistics, which are constants, also dx and dresidual on the way.
// A workgroup owns: a strip. Reads: x, dy, residual. Writes: frozen, dx and dresidual.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, quads/affine.wgsl, strip/gradients.wgsl and
// what it needs, strip/rows.wgsl.

fn store_frozen_of(i: u32, k: u32, g: PairGradient) {
    store_frozen(i, g, affine_of(k), affine_of(k + 1u));
}

// With the row at `i`, of the chunk whose first quad is `k`.
fn with_row(s: ChunkSums, i: u32, k: u32) -> ChunkSums {
    let step = pair_step();
    let a = gradient_of(i, k);
    let b = gradient_of(i + step, k + 2u);
    let c = gradient_of(i + 2u * step, k + 4u);
    let d = gradient_of(i + 3u * step, k + 6u);
    store_frozen_of(i, k, a);
    store_frozen_of(i + step, k + 2u, b);
    store_frozen_of(i + 2u * step, k + 4u, c);
    store_frozen_of(i + 3u * step, k + 6u, d);
    return ChunkSums(
        plus_pairs(s.sum, Pairs(a.dz, b.dz, c.dz, d.dz)),
        Pairs(
            with_product(s.product.a, a.dz, a.centered),
            with_product(s.product.b, b.dz, b.centered),
            with_product(s.product.c, c.dz, c.centered),
            with_product(s.product.d, d.dz, d.centered),
        ),
    );
}

// Leaves both sums of every column of the thread.
fn sum_gradients(w: Strip) {
    for (var row = w.first_row; row < w.end_row; row += ROWS_A_PART) {
        sum_part(w, row, min(row + ROWS_A_PART, w.end_row));
    }
}

fn sums_of(k: u32) -> Sums {
    return Sums(sums[k], products[k]);
}
