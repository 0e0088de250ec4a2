// Formula: the moments of a tile's columns, by block (../block_moments.wgsl), and of its channels.
// A workgroup owns: a tile. Reads: x. Writes: workgroup memory.
// Needs: params.wgsl, a tensor file, tile/map.wgsl, moments.wgsl, block_moments.wgsl.

// Of all rows so far, but for those of the group of blocks at hand, which come next.
var<private> pivots: array<vec4f, MAX_QUADS>;
var<private> sums: array<vec4f, MAX_QUADS>;
var<private> squares: array<vec4f, MAX_QUADS>;
var<private> group_pivots: array<vec4f, MAX_QUADS>;
var<private> group_sums: array<vec4f, MAX_QUADS>;
var<private> group_squares: array<vec4f, MAX_QUADS>;

// A quad of columns in four rows.
fn load_four(w: Tile, first: u32, i: u32) -> Four {
    let stride = local.outer_stride;
    var f = Four();
    f.x0 = load_x(quad(w, first, i));
    f.x1 = load_x(quad(w, first, i + stride));
    f.x2 = load_x(quad(w, first, i + 2u * stride));
    f.x3 = load_x(quad(w, first, i + 3u * stride));
    f.count = 4.0;
    return f;
}

// The first block of rows: where the pivots start.
fn sum_first_block(w: Tile, thread: u32) {
    let quads = quads(w, thread);
    for (var k = 0u; k < quads; k++) {
        let first = first_column(k, thread);
        let i = at(w, w.first_row, first);
        let low = load_four(w, first, i);
        let high = load_four(w, first, i + 4u * local.outer_stride);
        join(k, 0u, first_block(low, high));
    }
}

// Shares pivot, sum and squares of every column.
fn share_moments(w: Tile, thread: u32) {
    let quads = quads(w, thread);
    var row = w.first_row;
    var count = 0u;
    if row + BLOCK <= w.end_row {
        sum_first_block(w, thread);
        row += BLOCK;
        count = BLOCK;
    }
    var blocks = 0u;
    for (; row + BLOCK <= w.end_row; row += BLOCK) {
        for (var k = 0u; k < quads; k++) {
            let first = first_column(k, thread);
            let i = at(w, row, first);
            let low = load_four(w, first, i);
            let high = load_four(w, first, i + 4u * local.outer_stride);
            let before =
                Moments(f32(BLOCK * blocks), group_pivots[k], group_sums[k], group_squares[k]);
            let group = with_block(before, low, high);
            group_pivots[k] = group.pivot;
            group_sums[k] = group.sum;
            group_squares[k] = group.squares;
        }
        blocks += 1u;
        if blocks == BLOCKS_A_GROUP || row + 2u * BLOCK > w.end_row {
            let rows = blocks * BLOCK;
            for (var k = 0u; k < quads; k++) {
                join(k, count, Moments(f32(rows), group_pivots[k], group_sums[k], group_squares[k]));
            }
            count += rows;
            blocks = 0u;
        }
    }
    for (; row < w.end_row; row++) {
        for (var k = 0u; k < quads; k++) {
            let first = first_column(k, thread);
            let x0 = load_x(quad(w, first, at(w, row, first)));
            join(k, count, Moments(1.0, x0, vec4f(), vec4f()));
        }
        count += 1u;
    }
    for (var k = 0u; k < quads; k++) {
        let first = first_column(k, thread);
        for (var j = 0u; j < 4u; j++) {
            column[first + j] = vec4f(pivots[k][j], sums[k][j], squares[k][j], 0.0);
        }
    }
}

// Joins more to all rows so far; the next group starts empty, with what is now the pivot.
fn join(k: u32, count: u32, more: Moments) {
    let total = merge(Moments(f32(count), pivots[k], sums[k], squares[k]), more);
    pivots[k] = total.pivot;
    sums[k] = total.sum;
    squares[k] = total.squares;
    group_pivots[k] = total.pivot;
    group_sums[k] = vec4f();
    group_squares[k] = vec4f();
}

// The moments of a channel of the tile, from its columns: four sets side by side, then pairs of sets.
fn fold_moments(w: Tile, c: u32) -> Moments {
    let rows = f32(w.end_row - w.first_row);
    let step = params.column_step;
    let first = c * params.channel_step;
    let end = first + params.inner * step;
    var four = Moments();
    var i = first;
    while i + 3u * step < end {
        // A few at a time, so that no chain of roundings is long.
        var group = Moments();
        for (var k = 0u; k < PARTIALS_A_GROUP && i + 3u * step < end; k++) {
            let m0 = column[i];
            let m1 = column[i + step];
            let m2 = column[i + 2u * step];
            let m3 = column[i + 3u * step];
            group = merge(group, Moments(
                rows,
                vec4f(m0.x, m1.x, m2.x, m3.x),
                vec4f(m0.y, m1.y, m2.y, m3.y),
                vec4f(m0.z, m1.z, m2.z, m3.z),
            ));
            i += 4u * step;
        }
        four = merge(four, group);
    }
    let two = merge(
        Moments(four.count, four.pivot.xyxy, four.sum.xyxy, four.squares.xyxy),
        Moments(four.count, four.pivot.zwzw, four.sum.zwzw, four.squares.zwzw),
    );
    var total = merge(
        Moments(two.count, two.pivot.xxxx, two.sum.xxxx, two.squares.xxxx),
        Moments(two.count, two.pivot.yyyy, two.sum.yyyy, two.squares.yyyy),
    );
    for (; i < end; i += step) {
        let m = column[i];
        total = merge(total, Moments(rows, m.xxxx, m.yyyy, m.zzzz));
    }
    return total;
}
