// Formula: Σdz and Σdz·(x − mean) of a strip's columns (../gradient_sums.wgsl), row by row, in groups
// of rows, and parts of groups, so that no chain of roundings is long. Through frozen statistics, which
// are constants, also dx and dresidual on the way.
// A workgroup owns: a strip. Reads: x, dy, residual. Writes: frozen, dx and dresidual.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, quads/affine.wgsl, strip/gradients.wgsl and
// what it needs.

const ROWS_A_GROUP = 32u;
const ROWS_A_PART = 512u;

// Of every quad of the thread.
var<private> dz: array<vec4f, MAX_QUADS>;
var<private> dz_x: array<vec4f, MAX_QUADS>;

// Of rows of the thread in a chunk.
struct ChunkSums {
    dz: Pairs,
    dz_x: Pairs,
}

fn plus(s: Pair, t: Pair) -> Pair {
    return Pair(s.low + t.low, s.high + t.high);
}

fn plus_pairs(s: Pairs, t: Pairs) -> Pairs {
    return Pairs(plus(s.a, t.a), plus(s.b, t.b), plus(s.c, t.c), plus(s.d, t.d));
}

fn with_group(s: ChunkSums, t: ChunkSums) -> ChunkSums {
    return ChunkSums(plus_pairs(s.dz, t.dz), plus_pairs(s.dz_x, t.dz_x));
}

fn with_product(s: Pair, g: PairGradient) -> Pair {
    return Pair(s.low + g.dz.low * g.centered.low, s.high + g.dz.high * g.centered.high);
}

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
        plus_pairs(s.dz, Pairs(a.dz, b.dz, c.dz, d.dz)),
        Pairs(
            with_product(s.dz_x.a, a),
            with_product(s.dz_x.b, b),
            with_product(s.dz_x.c, c),
            with_product(s.dz_x.d, d),
        ),
    );
}

fn add_pair(k: u32, of_dz: Pair, of_dz_x: Pair) {
    dz[k] += of_dz.low;
    dz[k + 1u] += of_dz.high;
    dz_x[k] += of_dz_x.low;
    dz_x[k + 1u] += of_dz_x.high;
}

// Of the chunk whose first quad is `k`.
fn add_part(k: u32, part: ChunkSums) {
    add_pair(k, part.dz.a, part.dz_x.a);
    add_pair(k + 2u, part.dz.b, part.dz_x.b);
    add_pair(k + 4u, part.dz.c, part.dz_x.c);
    add_pair(k + 6u, part.dz.d, part.dz_x.d);
}

// Leaves both sums of every column of the thread.
fn sum_gradients(w: Strip) {
    let step = PAIRS * pair_step();
    var i = at(w, w.first_row);
    for (var first = w.first_row; first < w.end_row; first += ROWS_A_PART) {
        let part_end = min(first + ROWS_A_PART, w.end_row);
        var part0 = ChunkSums();
        var part1 = ChunkSums();
        var part2 = ChunkSums();
        var part3 = ChunkSums();
        for (var row = first; row < part_end; row += ROWS_A_GROUP) {
            let end = min(row + ROWS_A_GROUP, part_end);
            var group0 = ChunkSums();
            var group1 = ChunkSums();
            var group2 = ChunkSums();
            var group3 = ChunkSums();
            for (var r = row; r < end; r++) {
                group0 = with_row(group0, i, 0u);
                if CHUNKS > 1u {
                    group1 = with_row(group1, i + step, 8u);
                }
                if CHUNKS > 2u {
                    group2 = with_row(group2, i + 2u * step, 16u);
                }
                if CHUNKS > 3u {
                    group3 = with_row(group3, i + 3u * step, 24u);
                }
                i += local.outer_stride;
            }
            part0 = with_group(part0, group0);
            part1 = with_group(part1, group1);
            part2 = with_group(part2, group2);
            part3 = with_group(part3, group3);
        }
        add_part(0u, part0);
        if CHUNKS > 1u {
            add_part(8u, part1);
        }
        if CHUNKS > 2u {
            add_part(16u, part2);
        }
        if CHUNKS > 3u {
            add_part(24u, part3);
        }
    }
}

fn sums_of(k: u32) -> Sums {
    return Sums(dz[k], dz_x[k]);
}
