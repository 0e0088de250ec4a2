// Formula: Σdz and Σdz·(x − mean) of a strip's columns (../gradient_sums.wgsl), row by row, in groups
// of rows, and parts of groups, so that no chain of roundings is long. Through frozen statistics, which
// are constants, also dx and dresidual on the way.
// A workgroup owns: a strip. Reads: x, dy, residual. Writes: frozen, dx and dresidual.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, quads/affine.wgsl, strip/gradients.wgsl and
// what it needs.

const ROWS_A_GROUP = 32u;
const ROWS_A_PART = 512u;

// Of every quad of the thread.
var<private> sums: array<vec4f, MAX_QUADS>;
var<private> product_sums: array<vec4f, MAX_QUADS>;

// Of a row of the thread in a chunk.
struct Row {
    values: Pairs,
    factors: Pairs,
}

// Of rows of the thread in a chunk.
struct ChunkSums {
    values: Pairs,
    products: Pairs,
}

fn plus_pair(s: Pair, t: Pair) -> Pair {
    return Pair(s.low + t.low, s.high + t.high);
}

fn plus_pairs(s: Pairs, t: Pairs) -> Pairs {
    return Pairs(
        plus_pair(s.a, t.a),
        plus_pair(s.b, t.b),
        plus_pair(s.c, t.c),
        plus_pair(s.d, t.d),
    );
}

fn plus_product(s: Pair, v: Pair, f: Pair) -> Pair {
    return Pair(s.low + v.low * f.low, s.high + v.high * f.high);
}

fn plus_products(s: Pairs, v: Pairs, f: Pairs) -> Pairs {
    return Pairs(
        plus_product(s.a, v.a, f.a),
        plus_product(s.b, v.b, f.b),
        plus_product(s.c, v.c, f.c),
        plus_product(s.d, v.d, f.d),
    );
}

fn with_row(s: ChunkSums, row: Row) -> ChunkSums {
    return ChunkSums(
        plus_pairs(s.values, row.values),
        plus_products(s.products, row.values, row.factors),
    );
}

fn plus(s: ChunkSums, t: ChunkSums) -> ChunkSums {
    return ChunkSums(plus_pairs(s.values, t.values), plus_pairs(s.products, t.products));
}

fn add_pair(k: u32, values: Pair, products: Pair) {
    sums[k] += values.low;
    sums[k + 1u] += values.high;
    product_sums[k] += products.low;
    product_sums[k + 1u] += products.high;
}

// Of the chunk whose first quad is `k`.
fn add_part(k: u32, part: ChunkSums) {
    add_pair(k, part.values.a, part.products.a);
    add_pair(k + 2u, part.values.b, part.products.b);
    add_pair(k + 4u, part.values.c, part.products.c);
    add_pair(k + 6u, part.values.d, part.products.d);
}

fn store_frozen_of(i: u32, k: u32, g: PairGradient) {
    store_frozen(i, g, affine_of(k), affine_of(k + 1u));
}

// Of the chunk whose first quad is `k`.
fn row_of(i: u32, k: u32) -> Row {
    let step = pair_step();
    let a = gradient_of(i, k);
    let b = gradient_of(i + step, k + 2u);
    let c = gradient_of(i + 2u * step, k + 4u);
    let d = gradient_of(i + 3u * step, k + 6u);
    store_frozen_of(i, k, a);
    store_frozen_of(i + step, k + 2u, b);
    store_frozen_of(i + 2u * step, k + 4u, c);
    store_frozen_of(i + 3u * step, k + 6u, d);
    return Row(
        Pairs(a.dz, b.dz, c.dz, d.dz),
        Pairs(a.centered, b.centered, c.centered, d.centered),
    );
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
                group0 = with_row(group0, row_of(i, 0u));
                if CHUNKS > 1u {
                    group1 = with_row(group1, row_of(i + step, 8u));
                }
                if CHUNKS > 2u {
                    group2 = with_row(group2, row_of(i + 2u * step, 16u));
                }
                if CHUNKS > 3u {
                    group3 = with_row(group3, row_of(i + 3u * step, 24u));
                }
                i += local.outer_stride;
            }
            part0 = plus(part0, group0);
            part1 = plus(part1, group1);
            part2 = plus(part2, group2);
            part3 = plus(part3, group3);
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
    return Sums(sums[k], product_sums[k]);
}
