// Formula: Σdy and Σdy·(x − mean) of a tile's columns, and of its channels (../gradient_sums.wgsl).
// Through frozen statistics, which are constants, also dx = γ·inv_std·dy on the way.
// A workgroup owns: a tile. Reads: x, dy, saved or running statistics. Writes: workgroup memory;
// frozen, dx.
// Needs: params.wgsl, a tensor file, tile/map.wgsl, gradient_sums.wgsl.

// Lines: the statistics and γ·inv_std of each column; its sums over all rows so far, but for those
// of the group of blocks at hand, which come next.
const PIVOT = 0u;
const REMAINDER = 1u;
const SCALE = 2u;
const SUM_DY = 3u;
const SUM_DY_X = 4u;
const GROUP_DY = 5u;
const GROUP_DY_X = 6u;

fn load_statistics(w: Tile, thread: u32) {
    let quads = quads(w, thread);
    for (var k = 0u; k < quads; k++) {
        let first = first_column(k, thread);
        let channels = channels_of(w, first);
        for (var j = 0u; j < 4u; j++) {
            let p = Place(w.channel + channels[j], 0u, 0u);
            let s = statistics(p);
            set_line(PIVOT, first + j, s.pivot.x);
            set_line(REMAINDER, first + j, s.remainder.x);
            set_line(SCALE, first + j, scale_of(p, s).x);
        }
    }
}

fn statistics_of(first: u32) -> Statistics {
    return Statistics(line_quad(PIVOT, first), line_quad(REMAINDER, first), vec4f());
}

// Shares the two sums of every column.
fn share_sums(w: Tile, thread: u32) {
    let quads = quads(w, thread);
    let stride = params.outer_stride;
    load_statistics(w, thread);
    for (var k = 0u; k < quads; k++) {
        set_line_quad(SUM_DY, first_column(k, thread), vec4f());
        set_line_quad(SUM_DY_X, first_column(k, thread), vec4f());
    }
    var row = w.first_row;
    var blocks = 0u;
    for (; row + BLOCK <= w.end_row; row += BLOCK) {
        for (var k = 0u; k < quads; k++) {
            let first = first_column(k, thread);
            let s = statistics_of(first);
            let i = at(w, row, first);
            let q0 = quad(w, first, i);
            let q1 = quad(w, first, i + stride);
            let q2 = quad(w, first, i + 2u * stride);
            let q3 = quad(w, first, i + 3u * stride);
            let q4 = quad(w, first, i + 4u * stride);
            let q5 = quad(w, first, i + 5u * stride);
            let q6 = quad(w, first, i + 6u * stride);
            let q7 = quad(w, first, i + 7u * stride);
            let g0 = load_dy(q0);
            let g1 = load_dy(q1);
            let g2 = load_dy(q2);
            let g3 = load_dy(q3);
            let g4 = load_dy(q4);
            let g5 = load_dy(q5);
            let g6 = load_dy(q6);
            let g7 = load_dy(q7);
            if FROZEN {
                let scale = line_quad(SCALE, first);
                store_dx(q0, scale * g0);
                store_dx(q1, scale * g1);
                store_dx(q2, scale * g2);
                store_dx(q3, scale * g3);
                store_dx(q4, scale * g4);
                store_dx(q5, scale * g5);
                store_dx(q6, scale * g6);
                store_dx(q7, scale * g7);
            }
            let dy_sum = ((g0 + g1) + (g2 + g3)) + ((g4 + g5) + (g6 + g7));
            let h0 = g0 * center(load_x(q0), s);
            let h1 = g1 * center(load_x(q1), s);
            let h2 = g2 * center(load_x(q2), s);
            let h3 = g3 * center(load_x(q3), s);
            let h4 = g4 * center(load_x(q4), s);
            let h5 = g5 * center(load_x(q5), s);
            let h6 = g6 * center(load_x(q6), s);
            let h7 = g7 * center(load_x(q7), s);
            let dy_x_sum = ((h0 + h1) + (h2 + h3)) + ((h4 + h5) + (h6 + h7));
            if blocks == 0u {
                set_line_quad(GROUP_DY, first, dy_sum);
                set_line_quad(GROUP_DY_X, first, dy_x_sum);
            } else {
                set_line_quad(GROUP_DY, first, line_quad(GROUP_DY, first) + dy_sum);
                set_line_quad(GROUP_DY_X, first, line_quad(GROUP_DY_X, first) + dy_x_sum);
            }
        }
        blocks += 1u;
        if blocks == BLOCKS_A_GROUP || row + 2u * BLOCK > w.end_row {
            for (var k = 0u; k < quads; k++) {
                let first = first_column(k, thread);
                join(first, line_quad(GROUP_DY, first), line_quad(GROUP_DY_X, first));
            }
            blocks = 0u;
        }
    }
    for (; row < w.end_row; row++) {
        for (var k = 0u; k < quads; k++) {
            let first = first_column(k, thread);
            let s = statistics_of(first);
            let q = quad(w, first, at(w, row, first));
            let g = load_dy(q);
            if FROZEN {
                store_dx(q, line_quad(SCALE, first) * g);
            }
            join(first, g, g * center(load_x(q), s));
        }
    }
}

// Adds to the sums of a quad.
fn join(first: u32, dy_sum: vec4f, dy_x_sum: vec4f) {
    set_line_quad(SUM_DY, first, line_quad(SUM_DY, first) + dy_sum);
    set_line_quad(SUM_DY_X, first, line_quad(SUM_DY_X, first) + dy_x_sum);
}

// The sums of a channel of the tile, from its columns.
fn fold_sums(c: u32) -> Sums {
    let step = params.column_step;
    let first = home(c);
    let end = first + params.inner * step;
    let four = vec4u(0u, step, 2u * step, 3u * step);
    var dy = vec4f();
    var dy_x = vec4f();
    var i = first;
    for (; i + 3u * step < end; i += 4u * step) {
        dy += line_four(SUM_DY, i + four);
        dy_x += line_four(SUM_DY_X, i + four);
    }
    for (; i < end; i += step) {
        dy.x += line_at(SUM_DY, i);
        dy_x.x += line_at(SUM_DY_X, i);
    }
    return Sums(vec4f((dy.x + dy.y) + (dy.z + dy.w)), vec4f((dy_x.x + dy_x.y) + (dy_x.z + dy_x.w)));
}
