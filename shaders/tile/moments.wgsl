// Formula: the moments of a tile's columns, by block (../moments.wgsl), and of its channels.
// A workgroup owns: a tile. Reads: x. Writes: workgroup memory.
// Needs: params.wgsl, a tensor file, tile/map.wgsl, moments.wgsl.

// Lines: of all rows so far, but for those of the group of blocks at hand, which come next.
const PIVOT = 0u;
const MEAN = 1u;
const M2 = 2u;
const GROUP_MEAN = 3u;
const GROUP_M2 = 4u;

// Shares pivot, mean and M2 of every column.
fn share_moments(w: Tile, thread: u32) {
    let quads = quads(w, thread);
    let stride = params.outer_stride;
    var count = 0u;
    var row = w.first_row;
    var blocks = 0u;
    for (; row + BLOCK <= w.end_row; row += BLOCK) {
        let weight = 1.0 / f32(blocks + 1u);
        let between = f32(BLOCK * blocks) * weight;
        for (var k = 0u; k < quads; k++) {
            let first = first_column(k, thread);
            let i = at(w, row, first);
            let x0 = load_x(quad(w, first, i));
            let x1 = load_x(quad(w, first, i + stride));
            let x2 = load_x(quad(w, first, i + 2u * stride));
            let x3 = load_x(quad(w, first, i + 3u * stride));
            let x4 = load_x(quad(w, first, i + 4u * stride));
            let x5 = load_x(quad(w, first, i + 5u * stride));
            let x6 = load_x(quad(w, first, i + 6u * stride));
            let x7 = load_x(quad(w, first, i + 7u * stride));
            var pivot: vec4f;
            if count + blocks == 0u {
                pivot = (median(x0, x1, x2) + median(x5, x6, x7)) * 0.5;
                set_line_quad(PIVOT, first, pivot);
            } else {
                pivot = line_quad(PIVOT, first);
            }
            let d0 = x0 - pivot;
            let d1 = x1 - pivot;
            let d2 = x2 - pivot;
            let d3 = x3 - pivot;
            let d4 = x4 - pivot;
            let d5 = x5 - pivot;
            let d6 = x6 - pivot;
            let d7 = x7 - pivot;
            let sum = ((d0 + d1) + (d2 + d3)) + ((d4 + d5) + (d6 + d7));
            let block_mean = sum * (1.0 / f32(BLOCK));
            let e0 = d0 - block_mean;
            let e1 = d1 - block_mean;
            let e2 = d2 - block_mean;
            let e3 = d3 - block_mean;
            let e4 = d4 - block_mean;
            let e5 = d5 - block_mean;
            let e6 = d6 - block_mean;
            let e7 = d7 - block_mean;
            let squares = ((e0 * e0 + e1 * e1) + (e2 * e2 + e3 * e3))
                + ((e4 * e4 + e5 * e5) + (e6 * e6 + e7 * e7));
            var mean = block_mean;
            var m2 = squares;
            if blocks > 0u {
                let group_mean = line_quad(GROUP_MEAN, first);
                let delta = block_mean - group_mean;
                mean = group_mean + delta * weight;
                m2 = line_quad(GROUP_M2, first) + (squares + delta * delta * between);
            }
            set_line_quad(GROUP_MEAN, first, mean);
            set_line_quad(GROUP_M2, first, m2);
        }
        blocks += 1u;
        if blocks == BLOCKS_A_GROUP || row + 2u * BLOCK > w.end_row {
            let rows = blocks * BLOCK;
            for (var k = 0u; k < quads; k++) {
                let first = first_column(k, thread);
                let pivot = line_quad(PIVOT, first);
                let group = line_quad(GROUP_MEAN, first);
                join(first, count, Moments(rows, pivot, group, line_quad(GROUP_M2, first)));
            }
            count += rows;
            blocks = 0u;
        }
    }
    for (; row < w.end_row; row++) {
        for (var k = 0u; k < quads; k++) {
            let first = first_column(k, thread);
            let x0 = load_x(quad(w, first, at(w, row, first)));
            if count == 0u {
                set_line_quad(PIVOT, first, x0);
            }
            let pivot = line_quad(PIVOT, first);
            join(first, count, Moments(1u, pivot, x0 - pivot, vec4f()));
        }
        count += 1u;
    }
}

// Adds to the moments of a quad, which are those of `count` rows.
fn join(first: u32, count: u32, more: Moments) {
    var total = more;
    if count > 0u {
        let mean = line_quad(MEAN, first);
        total = merge(Moments(count, more.pivot, mean, line_quad(M2, first)), more);
    }
    set_line_quad(MEAN, first, total.mean);
    set_line_quad(M2, first, total.m2);
}

// The means of four columns relative to a pivot.
fn relative_means(i: vec4u, pivot: f32) -> vec4f {
    return (line_four(PIVOT, i) - pivot) + line_four(MEAN, i);
}

fn relative_mean(i: u32, pivot: f32) -> f32 {
    return (line_at(PIVOT, i) - pivot) + line_at(MEAN, i);
}

// The moments of a channel of the tile, from its columns, which have equal counts:
// mean = Σ mean_k/inner, M2 = Σ M2_k + rows·Σ(mean_k − mean)².
fn fold_moments(w: Tile, c: u32) -> Moments {
    let rows = w.end_row - w.first_row;
    let step = params.column_step;
    let first = home(c);
    let end = first + params.inner * step;
    let four = vec4u(0u, step, 2u * step, 3u * step);
    let pivot = line_at(PIVOT, first);
    var sum = vec4f();
    var i = first;
    for (; i + 3u * step < end; i += 4u * step) {
        sum += relative_means(i + four, pivot);
    }
    for (; i < end; i += step) {
        sum.x += relative_mean(i, pivot);
    }
    let mean = ((sum.x + sum.y) + (sum.z + sum.w)) / f32(params.inner);
    var within = vec4f();
    var between = vec4f();
    i = first;
    for (; i + 3u * step < end; i += 4u * step) {
        let delta = relative_means(i + four, pivot) - mean;
        between += delta * delta;
        within += line_four(M2, i + four);
    }
    for (; i < end; i += step) {
        let delta = relative_mean(i, pivot) - mean;
        between.x += delta * delta;
        within.x += line_at(M2, i);
    }
    let parts = within + between * f32(rows);
    let m2 = (parts.x + parts.y) + (parts.z + parts.w);
    return Moments(rows * params.inner, vec4f(pivot), vec4f(mean), vec4f(m2));
}
