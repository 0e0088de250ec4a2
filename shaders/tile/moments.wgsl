// Formula: the moments of a tile's columns, by block (../moments.wgsl), and of its channels.
// A workgroup owns: a tile. Reads: x. Writes: workgroup memory.
// Needs: params.wgsl, a tensor file, tile/map.wgsl, moments.wgsl.

// Of all rows so far, but for those of the group of blocks at hand, which come next.
var<private> pivots: array<vec4f, MAX_QUADS>;
var<private> means: array<vec4f, MAX_QUADS>;
var<private> m2s: array<vec4f, MAX_QUADS>;
var<private> group_pivots: array<vec4f, MAX_QUADS>;
var<private> group_means: array<vec4f, MAX_QUADS>;
var<private> group_m2s: array<vec4f, MAX_QUADS>;

// The pivots of a group, from its first block. Apart from what follows, since a software adapter runs
// a branch whether taken or not: so one round a block, and not one a quad.
fn find_pivots(w: Tile, thread: u32, row: u32) {
    let quads = quads(w, thread);
    let stride = local.outer_stride;
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
        group_pivots[k] = middle_of_eight(x0, x1, x2, x3, x4, x5, x6, x7);
        group_means[k] = vec4f();
        group_m2s[k] = vec4f();
    }
}

// Shares pivot, mean and M2 of every column.
fn share_moments(w: Tile, thread: u32) {
    let quads = quads(w, thread);
    let stride = local.outer_stride;
    var count = 0u;
    var row = w.first_row;
    var blocks = 0u;
    for (; row + BLOCK <= w.end_row; row += BLOCK) {
        if blocks == 0u {
            find_pivots(w, thread, row);
        }
        let weight = 1.0 / f32(blocks + 1u);
        let between = f32(BLOCK * blocks) * weight;
        for (var k = 0u; k < quads; k++) {
            let first = first_column(k, thread);
            let i = at(w, row, first);
            let x0 = load_x(quad(w, first, i));
            let x1 = load_x(quad(w, first, i + stride));
            let x2 = load_x(quad(w, first, i + 2u * stride));
            let x3 = load_x(quad(w, first, i + 3u * stride));
            let pivot = group_pivots[k];
            let half = part_of(x0, x1, x2, x3, FourWeights(), pivot);
            let x4 = load_x(quad(w, first, i + 4u * stride));
            let x5 = load_x(quad(w, first, i + 5u * stride));
            let x6 = load_x(quad(w, first, i + 6u * stride));
            let x7 = load_x(quad(w, first, i + 7u * stride));
            let block = join_parts(half, part_of(x4, x5, x6, x7, FourWeights(), pivot));
            let delta = block.mean - group_means[k];
            group_means[k] += delta * weight;
            group_m2s[k] += block.m2 + delta * delta * between;
        }
        blocks += 1u;
        if blocks == BLOCKS_A_GROUP || row + 2u * BLOCK > w.end_row {
            let rows = blocks * BLOCK;
            for (var k = 0u; k < quads; k++) {
                join(k, count, Moments(f32(rows), group_pivots[k], group_means[k], group_m2s[k]));
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
            column[first + j] = vec4f(pivots[k][j], means[k][j], m2s[k][j], 0.0);
        }
    }
}

fn join(k: u32, count: u32, more: Moments) {
    let total = merge(Moments(f32(count), pivots[k], means[k], m2s[k]), more);
    pivots[k] = total.pivot;
    means[k] = total.mean;
    m2s[k] = total.m2;
}

// The mean of a column relative to a pivot.
fn relative_mean(i: u32, pivot: f32) -> f32 {
    return (column[i].x - pivot) + column[i].y;
}

fn relative_means(i: u32, pivot: f32) -> vec4f {
    let step = params.column_step;
    return vec4f(
        relative_mean(i, pivot),
        relative_mean(i + step, pivot),
        relative_mean(i + 2u * step, pivot),
        relative_mean(i + 3u * step, pivot),
    );
}

fn m2s_of(i: u32) -> vec4f {
    let step = params.column_step;
    return vec4f(column[i].z, column[i + step].z, column[i + 2u * step].z, column[i + 3u * step].z);
}

// The moments of a channel of the tile, from its columns, which have equal counts:
// mean = Σ mean_k/inner, M2 = Σ M2_k + rows·Σ(mean_k − mean)².
fn fold_moments(w: Tile, c: u32) -> Moments {
    let rows = w.end_row - w.first_row;
    let step = params.column_step;
    let first = c * params.channel_step;
    let end = first + params.inner * step;
    let pivot = column[first].x;
    var sum = vec4f();
    var i = first;
    for (; i + 3u * step < end; i += 4u * step) {
        sum += relative_means(i, pivot);
    }
    for (; i < end; i += step) {
        sum.x += relative_mean(i, pivot);
    }
    let mean = ((sum.x + sum.y) + (sum.z + sum.w)) / f32(params.inner);
    var within = vec4f();
    var between = vec4f();
    i = first;
    for (; i + 3u * step < end; i += 4u * step) {
        let delta = relative_means(i, pivot) - mean;
        between += delta * delta;
        within += m2s_of(i);
    }
    for (; i < end; i += step) {
        let delta = relative_mean(i, pivot) - mean;
        between.x += delta * delta;
        within.x += column[i].z;
    }
    let parts = within + between * f32(rows);
    let m2 = (parts.x + parts.y) + (parts.z + parts.w);
    return Moments(f32(rows * params.inner), vec4f(pivot), vec4f(mean), vec4f(m2));
}
