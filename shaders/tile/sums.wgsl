// Formula: Σdz and Σdz·(x − mean) of a tile's columns, and of its channels (../gradient_sums.wgsl).
// Through frozen statistics, which are constants, also dx and dresidual on the way.
// A workgroup owns: a tile. Reads: x, dy, residual, saved or running statistics. Writes: workgroup
// memory; frozen, dx and dresidual.
// Needs: params.wgsl, a tensor file, tile/map.wgsl, gradient_sums.wgsl, tile/affine.wgsl,
// tile/load_affine.wgsl.

// Of all rows so far, but for those of the group of blocks at hand, which come next; 0 at first, as
// private memory is.
var<private> dz_sums: array<vec4f, MAX_QUADS>;
var<private> dz_x_sums: array<vec4f, MAX_QUADS>;
var<private> group_dz_sums: array<vec4f, MAX_QUADS>;
var<private> group_dz_x_sums: array<vec4f, MAX_QUADS>;

fn known_affine(p: Place) -> Affine {
    return statistics(p).affine;
}

fn rows_of_sums(w: Tile, thread: u32, row: u32, count: u32) {
    let quads = quads(w, thread);
    for (var k = 0u; k < quads; k++) {
        let a = affine_of(k);
        let first = first_column(k, thread);
        for (var i = 0u; i < count; i++) {
            let q = quad(w, first, at(w, row + i, first));
            let g = gradient_of(q, a);
            store_frozen(q, g, a);
            let sums = sums_of_one(g, a);
            dz_sums[k] += sums.dz;
            dz_x_sums[k] += sums.dz_x;
        }
    }
}

// Shares the two sums of every column.
fn share_sums(w: Tile, thread: u32) {
    let quads = quads(w, thread);
    let stride = local.outer_stride;
    var row = w.first_row;
    var blocks = 0u;
    for (; row + BLOCK <= w.end_row; row += BLOCK) {
        for (var k = 0u; k < quads; k++) {
            let a = affine_of(k);
            let first = first_column(k, thread);
            let i = at(w, row, first);
            let q0 = quad(w, first, i);
            let q1 = quad(w, first, i + stride);
            let q2 = quad(w, first, i + 2u * stride);
            let q3 = quad(w, first, i + 3u * stride);
            let q4 = quad(w, first, i + 4u * stride);
            let q5 = quad(w, first, i + 5u * stride);
            let q6 = quad(w, first, i + 6u * stride);
            let q7 = quad(w, first, i + 7u * stride);
            let half = sums_of_four(q0, q1, q2, q3, a);
            let block = add(half, sums_of_four(q4, q5, q6, q7, a));
            group_dz_sums[k] += block.dz;
            group_dz_x_sums[k] += block.dz_x;
        }
        blocks += 1u;
        if blocks == BLOCKS_A_GROUP || row + 2u * BLOCK > w.end_row {
            for (var k = 0u; k < quads; k++) {
                dz_sums[k] += group_dz_sums[k];
                dz_x_sums[k] += group_dz_x_sums[k];
                group_dz_sums[k] = vec4f();
                group_dz_x_sums[k] = vec4f();
            }
            blocks = 0u;
        }
    }
    rows_of_sums(w, thread, row, w.end_row - row);
    for (var k = 0u; k < quads; k++) {
        let first = first_column(k, thread);
        for (var j = 0u; j < 4u; j++) {
            column[first + j] = vec4f(dz_sums[k][j], dz_x_sums[k][j], 0.0, 0.0);
        }
    }
}

// The sums of a channel of the tile, from its columns.
fn fold_sums(c: u32) -> Sums {
    let step = params.column_step;
    let first = c * params.channel_step;
    let end = first + params.inner * step;
    var even = vec4f();
    var odd = vec4f();
    var i = first;
    for (; i + step < end; i += 2u * step) {
        even += column[i];
        odd += column[i + step];
    }
    if i < end {
        even += column[i];
    }
    let sum = even + odd;
    return Sums(vec4f(sum.x), vec4f(sum.y));
}
