// Formula: none; two sums of each of a strip's columns, which `with_row` adds a row to: row by row, in groups of
// rows, and parts of groups, so that no chain of roundings is long.
// A workgroup owns: a strip. Reads and writes: what `with_row` does.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, and `with_row` of strip/moments.wgsl or strip/sums.wgsl.

const ROWS_A_GROUP = 32u;
const ROWS_A_PART = 512u;

// Of what is summed: deviations, or gradients.
var<private> sums: array<vec4f, MAX_QUADS>;
// Of its products with deviations.
var<private> products: array<vec4f, MAX_QUADS>;

// Of a thread's columns in a chunk.
struct ChunkSums {
    sum: Pairs,
    product: Pairs,
}

fn plus(s: Pair, t: Pair) -> Pair {
    return Pair(s.low + t.low, s.high + t.high);
}

fn plus_pairs(s: Pairs, t: Pairs) -> Pairs {
    return Pairs(plus(s.a, t.a), plus(s.b, t.b), plus(s.c, t.c), plus(s.d, t.d));
}

fn with_product(s: Pair, a: Pair, b: Pair) -> Pair {
    return Pair(s.low + a.low * b.low, s.high + a.high * b.high);
}

fn with_group(s: ChunkSums, t: ChunkSums) -> ChunkSums {
    return ChunkSums(plus_pairs(s.sum, t.sum), plus_pairs(s.product, t.product));
}

fn add_pair(k: u32, sum: Pair, product: Pair) {
    sums[k] += sum.low;
    sums[k + 1u] += sum.high;
    products[k] += product.low;
    products[k + 1u] += product.high;
}

// To the chunk whose first quad is `k`.
fn add_part(k: u32, part: ChunkSums) {
    add_pair(k, part.sum.a, part.product.a);
    add_pair(k + 2u, part.sum.b, part.product.b);
    add_pair(k + 4u, part.sum.c, part.product.c);
    add_pair(k + 6u, part.sum.d, part.product.d);
}

// Adds a part of ROWS_A_PART rows at most to both sums of every column of the thread.
fn sum_part(w: Strip, first: u32, part_end: u32) {
    let step = PAIRS * pair_step();
    var i = at(w, first);
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
