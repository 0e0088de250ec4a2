// Formula: Σdz and Σdz·(x − mean) of a strip's columns (../gradient_sums.wgsl), in parts of rows. Through
// frozen statistics, which are constants, also dx and dresidual on the way.
// A workgroup owns: a strip. Reads: x, dy, residual, saved or running statistics. Writes: frozen, dx and dresidual.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, a file of channels, strip/columns.wgsl, strip/gradients.wgsl
// and what it needs, strip/rows.wgsl.

struct Column {
    affine: Affine,
    sum: vec4f,
    product: vec4f,
}

// Gradients of the pair `k`, and their products with x − mean.
fn terms(w: Strip, i: u32, k: u32) -> PairSums {
    let g = gradient_of(i, k);
    if FROZEN && is_there(w, k) {
        store_frozen(i, g, columns[2u * k].affine, columns[2u * k + 1u].affine);
    }
    let low = sums_of_one(Gradient(g.dz.low, g.deviation.low), columns[2u * k].affine);
    let high = sums_of_one(Gradient(g.dz.high, g.deviation.high), columns[2u * k + 1u].affine);
    return PairSums(g.dz, Pair(low.dz_x, high.dz_x));
}

// Those of a quad, from nothing.
fn start_sums(w: Strip, q: u32) -> Column {
    return Column(statistics(place(w, q)).affine, vec4f(), vec4f());
}

fn sums_of(c: Column) -> Sums {
    return Sums(c.sum, c.product);
}

// Leaves both sums of every column of the thread.
fn sum_gradients(w: Strip) {
    for (var k = 0u; k < PAIRS; k++) {
        push(Columns(start_sums(w, 2u * k), start_sums(w, 2u * k + 1u)));
    }
    for (var row = w.first_row; row < w.end_row; row += ROWS_A_PART) {
        sum_part(w, row, min(row + ROWS_A_PART, w.end_row));
    }
}
