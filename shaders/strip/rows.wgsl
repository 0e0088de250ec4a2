// Formula: none; two sums of each of a strip's columns, of what `terms` says: row by row, in groups of rows, and
// parts of groups, so that no chain of roundings is long.
// A workgroup owns: a strip. Reads and writes: what `terms` does.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, strip/columns.wgsl, and `terms` of strip/moments.wgsl or
// strip/sums.wgsl.

const ROWS_A_GROUP = 16u;
const ROWS_A_GROUP_OF_FEW = 8u;
const FEW_ROWS = 64u;
const ROWS_A_PART = 512u;

// Of what is summed, deviations from the pivot or gradients, and of its products with these, or with x − mean: of a
// pair of columns.
struct PairSums {
    sum: Pair,
    product: Pair,
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

// Of few rows the roundings of one group are most of all.
fn rows_a_group(w: Strip) -> u32 {
    return select(ROWS_A_GROUP, ROWS_A_GROUP_OF_FEW, w.end_row - w.first_row < FEW_ROWS);
}

// Adds a part of ROWS_A_PART rows at most to both sums of every column of the thread. A pair is added before the
// next is loaded, so that less has to be kept.
fn sum_part(w: Strip, first: u32, part_end: u32) {
    var i = at(w, first);
    var part = array<PairSums, PAIRS>();
    let rows = rows_a_group(w);
    for (var row = first; row < part_end; row += rows) {
        let end = min(row + rows, part_end);
        var group = array<PairSums, PAIRS>();
        for (var r = row; r < end; r++) {
            for (var k = 0u; k < PAIRS; k++) { // unrolled
                group[k] = add_pairs(group[k], terms(w, i + offset(w, k), k));
            }
            i += local.outer_stride;
        }
        for (var k = 0u; k < PAIRS; k++) { // unrolled
            part[k] = add_pairs(part[k], group[k]);
        }
    }
    for (var k = 0u; k < PAIRS; k++) { // unrolled
        columns[2u * k].sum += part[k].sum.low;
        columns[2u * k].product += part[k].product.low;
        columns[2u * k + 1u].sum += part[k].sum.high;
        columns[2u * k + 1u].product += part[k].product.high;
    }
}
