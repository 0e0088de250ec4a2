// Formula: none; two sums of each of a strip's columns, of what `terms` says: row by row, in groups of rows, and
// parts of groups, so that no chain of roundings is long.
// A workgroup owns: a strip. Reads and writes: what `terms` does.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, and `terms` of strip/moments.wgsl or strip/sums.wgsl.

const ROWS_A_GROUP = 32u;
const ROWS_A_PART = 512u;

// Of what is summed: deviations, or gradients.
var<private> sums: array<vec4f, MAX_QUADS>;
// Of its products with deviations.
var<private> products: array<vec4f, MAX_QUADS>;

// Of a pair of columns.
struct PairSums {
    sum: Pair,
    product: Pair,
}

// Of a thread's columns in a chunk.
struct ChunkSums {
    a: PairSums,
    b: PairSums,
    c: PairSums,
    d: PairSums,
}

fn plus(s: Pair, t: Pair) -> Pair {
    return Pair(s.low + t.low, s.high + t.high);
}

fn times(s: Pair, t: Pair) -> Pair {
    return Pair(s.low * t.low, s.high * t.high);
}

fn add_pairs(s: PairSums, t: PairSums) -> PairSums {
    return PairSums(plus(s.sum, t.sum), plus(s.product, t.product));
}

fn add_chunks(s: ChunkSums, t: ChunkSums) -> ChunkSums {
    return ChunkSums(
        add_pairs(s.a, t.a),
        add_pairs(s.b, t.b),
        add_pairs(s.c, t.c),
        add_pairs(s.d, t.d),
    );
}

// Adds the row at `i`, of the chunk whose first quad is `k`. A pair is added before the next is loaded, so that
// less has to be kept.
fn with_row(s: ChunkSums, i: u32, k: u32) -> ChunkSums {
    let step = pair_step();
    return ChunkSums(
        add_pairs(s.a, terms(i, k)),
        add_pairs(s.b, terms(i + step, k + 2u)),
        add_pairs(s.c, terms(i + 2u * step, k + 4u)),
        add_pairs(s.d, terms(i + 3u * step, k + 6u)),
    );
}

fn keep_pair(k: u32, s: PairSums) {
    sums[k] += s.sum.low;
    sums[k + 1u] += s.sum.high;
    products[k] += s.product.low;
    products[k + 1u] += s.product.high;
}

// Adds to both sums of every column of the chunk whose first quad is `k`.
fn keep_chunk(k: u32, part: ChunkSums) {
    keep_pair(k, part.a);
    keep_pair(k + 2u, part.b);
    keep_pair(k + 4u, part.c);
    keep_pair(k + 6u, part.d);
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
        part0 = add_chunks(part0, group0);
        part1 = add_chunks(part1, group1);
        part2 = add_chunks(part2, group2);
        part3 = add_chunks(part3, group3);
    }
    keep_chunk(0u, part0);
    if CHUNKS > 1u {
        keep_chunk(8u, part1);
    }
    if CHUNKS > 2u {
        keep_chunk(16u, part2);
    }
    if CHUNKS > 3u {
        keep_chunk(24u, part3);
    }
}
