// Formula: Σdy and Σdy·(x − mean) of a tile's columns, and of its channels (../gradient_sums.wgsl).
// Through frozen statistics, which are constants, also dx = γ·inv_std·dy on the way.
// A workgroup owns: a tile. Reads: x, dy, saved or running statistics. Writes: workgroup memory;
// frozen, dx.
// Needs: params.wgsl, a tensor file, tile/map.wgsl, gradient_sums.wgsl.

var<private> pivots: array<vec4f, MAX_QUADS>;
var<private> remainders: array<vec4f, MAX_QUADS>;
var<private> scales: array<vec4f, MAX_QUADS>;
// Of all rows so far, but for those of the group of blocks at hand, which come next.
var<private> dy_sums: array<vec4f, MAX_QUADS>;
var<private> dy_x_sums: array<vec4f, MAX_QUADS>;
var<private> group_dy_sums: array<vec4f, MAX_QUADS>;
var<private> group_dy_x_sums: array<vec4f, MAX_QUADS>;

// The statistics and γ·inv_std of a thread's columns, which the two sweeps use.
fn load_statistics(w: Tile, thread: u32) {
    let quads = quads(w, thread);
    for (var k = 0u; k < quads; k++) {
        let channels = channels_of(w, first_column(k, thread));
        let p0 = Place(w.channel + channels.x, 0u, 0u);
        let p1 = Place(w.channel + channels.y, 0u, 0u);
        let p2 = Place(w.channel + channels.z, 0u, 0u);
        let p3 = Place(w.channel + channels.w, 0u, 0u);
        let s0 = statistics(p0);
        let s1 = statistics(p1);
        let s2 = statistics(p2);
        let s3 = statistics(p3);
        pivots[k] = vec4f(s0.pivot.x, s1.pivot.x, s2.pivot.x, s3.pivot.x);
        remainders[k] = vec4f(s0.remainder.x, s1.remainder.x, s2.remainder.x, s3.remainder.x);
        scales[k] = vec4f(
            scale_of(p0, s0).x, scale_of(p1, s1).x, scale_of(p2, s2).x, scale_of(p3, s3).x);
    }
}

fn statistics_of(k: u32) -> Statistics {
    return Statistics(pivots[k], remainders[k], vec4f());
}

fn rows_of_sums(w: Tile, thread: u32, row: u32, count: u32) {
    let quads = quads(w, thread);
    for (var k = 0u; k < quads; k++) {
        let s = statistics_of(k);
        let first = first_column(k, thread);
        for (var i = 0u; i < count; i++) {
            let q = quad(w, first, at(w, row + i, first));
            let g = load_dy(q);
            if FROZEN {
                store_dx(q, scales[k] * g);
            }
            dy_sums[k] += g;
            dy_x_sums[k] += g * center(load_x(q), s);
        }
    }
}

// Shares the two sums of every column.
fn share_sums(w: Tile, thread: u32) {
    let quads = quads(w, thread);
    let stride = local.outer_stride;
    for (var k = 0u; k < quads; k++) {
        dy_sums[k] = vec4f();
        dy_x_sums[k] = vec4f();
    }
    var row = w.first_row;
    var blocks = 0u;
    for (; row + BLOCK <= w.end_row; row += BLOCK) {
        for (var k = 0u; k < quads; k++) {
            let s = statistics_of(k);
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
            let half = sums_of_four(q0, q1, q2, q3, s, scales[k]);
            let block = add(half, sums_of_four(q4, q5, q6, q7, s, scales[k]));
            if blocks == 0u {
                group_dy_sums[k] = block.dy;
                group_dy_x_sums[k] = block.dy_x;
            } else {
                group_dy_sums[k] += block.dy;
                group_dy_x_sums[k] += block.dy_x;
            }
        }
        blocks += 1u;
        if blocks == BLOCKS_A_GROUP || row + 2u * BLOCK > w.end_row {
            for (var k = 0u; k < quads; k++) {
                dy_sums[k] += group_dy_sums[k];
                dy_x_sums[k] += group_dy_x_sums[k];
            }
            blocks = 0u;
        }
    }
    rows_of_sums(w, thread, row, w.end_row - row);
    for (var k = 0u; k < quads; k++) {
        let first = first_column(k, thread);
        for (var j = 0u; j < 4u; j++) {
            column[first + j] = vec4f(dy_sums[k][j], dy_x_sums[k][j], 0.0, 0.0);
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
