// Formula: Σdz and Σdz·(x − mean) of a strip's columns (../gradient_sums.wgsl), row by row, in groups
// of rows, and parts of groups, so that no chain of roundings is long. Through frozen statistics, which
// are constants, also dx and dresidual on the way.
// A workgroup owns: a strip. Reads: x, dy, residual. Writes: frozen, dx and dresidual.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, quads/affine.wgsl, strip/gradients.wgsl and
// what it needs.

const ROWS_A_GROUP = 32u;
const ROWS_A_PART = 512u;

// What is left of every quad of the thread.
var<private> dz_sums: array<vec4f, MAX_QUADS>;
var<private> dz_x_sums: array<vec4f, MAX_QUADS>;

fn plus_pair(s: Pair, t: Pair) -> Pair {
    return Pair(s.low + t.low, s.high + t.high);
}

fn times_pair(s: Pair, t: Pair) -> Pair {
    return Pair(s.low * t.low, s.high * t.high);
}

fn plus(s: Pairs, t: Pairs) -> Pairs {
    return Pairs(
        plus_pair(s.a, t.a),
        plus_pair(s.b, t.b),
        plus_pair(s.c, t.c),
        plus_pair(s.d, t.d),
    );
}

fn times(s: Pairs, t: Pairs) -> Pairs {
    return Pairs(
        times_pair(s.a, t.a),
        times_pair(s.b, t.b),
        times_pair(s.c, t.c),
        times_pair(s.d, t.d),
    );
}

// Of the thread's columns in a chunk.
struct PairsSums {
    dz: Pairs,
    dz_x: Pairs,
}

fn plus_sums(s: PairsSums, t: PairsSums) -> PairsSums {
    return PairsSums(plus(s.dz, t.dz), plus(s.dz_x, t.dz_x));
}

fn store_frozen_of(i: u32, k: u32, g: PairGradient) {
    store_frozen(i, g, affine_of(k), affine_of(k + 1u));
}

// Of a row of the chunk whose first quad is `k`.
fn sums_of_row(i: u32, k: u32) -> PairsSums {
    let step = pair_step();
    let a = gradient_of(i, k);
    let b = gradient_of(i + step, k + 2u);
    let c = gradient_of(i + 2u * step, k + 4u);
    let d = gradient_of(i + 3u * step, k + 6u);
    store_frozen_of(i, k, a);
    store_frozen_of(i + step, k + 2u, b);
    store_frozen_of(i + 2u * step, k + 4u, c);
    store_frozen_of(i + 3u * step, k + 6u, d);
    let dz = Pairs(a.dz, b.dz, c.dz, d.dz);
    return PairsSums(dz, times(dz, Pairs(a.centered, b.centered, c.centered, d.centered)));
}

fn leave_pair(k: u32, dz: Pair, dz_x: Pair) {
    dz_sums[k] = dz.low;
    dz_sums[k + 1u] = dz.high;
    dz_x_sums[k] = dz_x.low;
    dz_x_sums[k + 1u] = dz_x.high;
}

fn leave(k: u32, s: PairsSums) {
    leave_pair(k, s.dz.a, s.dz_x.a);
    leave_pair(k + 2u, s.dz.b, s.dz_x.b);
    leave_pair(k + 4u, s.dz.c, s.dz_x.c);
    leave_pair(k + 6u, s.dz.d, s.dz_x.d);
}

// Leaves both sums of every column of the thread.
fn sum_gradients(w: Strip) {
    let step = PAIRS * pair_step();
    var total0 = PairsSums();
    var total1 = PairsSums();
    var i = at(w, w.first_row);
    for (var first = w.first_row; first < w.end_row; first += ROWS_A_PART) {
        let part_end = min(first + ROWS_A_PART, w.end_row);
        var part0 = PairsSums();
        var part1 = PairsSums();
        for (var row = first; row < part_end; row += ROWS_A_GROUP) {
            let end = min(row + ROWS_A_GROUP, part_end);
            var group0 = PairsSums();
            var group1 = PairsSums();
            for (var r = row; r < end; r++) {
                group0 = plus_sums(group0, sums_of_row(i, 0u));
                if CHUNKS > 1u {
                    group1 = plus_sums(group1, sums_of_row(i + step, 8u));
                }
                i += local.outer_stride;
            }
            part0 = plus_sums(part0, group0);
            part1 = plus_sums(part1, group1);
        }
        total0 = plus_sums(total0, part0);
        total1 = plus_sums(total1, part1);
    }
    leave(0u, total0);
    if CHUNKS > 1u {
        leave(8u, total1);
    }
}

fn sums_of(k: u32) -> Sums {
    return Sums(dz_sums[k], dz_x_sums[k]);
}
