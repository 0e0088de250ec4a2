// Formula: the moments of a strip's columns (../moments.wgsl): row by row about a pivot, in groups of
// rows, and parts of groups, so that no chain of roundings is long. A pivot starts as the median of
// medians of rows from all over the strip; after each group it may move.
// A workgroup owns: a strip. Reads: x. Writes: nothing.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, moments.wgsl,
// block_moments.wgsl.

const ROWS_A_GROUP = 16u;
const ROWS_A_PART = 256u;

// What is left of every quad of the thread; the pivots first where they start.
var<private> pivots: array<vec4f, MAX_QUADS>;
var<private> sums: array<vec4f, MAX_QUADS>;
var<private> squares: array<vec4f, MAX_QUADS>;

// Of the quads of a chunk.
struct Eight {
    q0: Moments,
    q1: Moments,
    q2: Moments,
    q3: Moments,
    q4: Moments,
    q5: Moments,
    q6: Moments,
    q7: Moments,
}

// The first element of one of eight rows, from the first to the last.
fn sample(w: Strip, j: u32) -> u32 {
    return at(w, w.first_row + j * (w.end_row - 1u - w.first_row) / 7u);
}

fn start_pivots(w: Strip) {
    for (var k = 0u; k < MAX_QUADS; k += 2u) {
        let column = k / 2u * pair_step();
        let x0 = load_x(sample(w, 0u) + column);
        let x1 = load_x(sample(w, 1u) + column);
        let x2 = load_x(sample(w, 2u) + column);
        let x3 = load_x(sample(w, 3u) + column);
        let x4 = load_x(sample(w, 4u) + column);
        let x5 = load_x(sample(w, 5u) + column);
        let x6 = load_x(sample(w, 6u) + column);
        let x7 = load_x(sample(w, 7u) + column);
        pivots[k] = middle_of_eight(x0.low, x1.low, x2.low, x3.low, x4.low, x5.low, x6.low, x7.low);
        pivots[k + 1u] = middle_of_eight(
            x0.high, x1.high, x2.high, x3.high, x4.high, x5.high, x6.high, x7.high,
        );
    }
}

// Of no rows yet.
fn about(pivot: vec4f) -> Moments {
    return Moments(0.0, pivot, vec4f(), vec4f());
}

// Where the chunk starts whose first quad is `k`.
fn start(k: u32) -> Eight {
    return Eight(
        about(pivots[k]),
        about(pivots[k + 1u]),
        about(pivots[k + 2u]),
        about(pivots[k + 3u]),
        about(pivots[k + 4u]),
        about(pivots[k + 5u]),
        about(pivots[k + 6u]),
        about(pivots[k + 7u]),
    );
}

// A group or part that follows `m`.
fn after(m: Eight) -> Eight {
    return Eight(
        about(m.q0.pivot),
        about(m.q1.pivot),
        about(m.q2.pivot),
        about(m.q3.pivot),
        about(m.q4.pivot),
        about(m.q5.pivot),
        about(m.q6.pivot),
        about(m.q7.pivot),
    );
}

fn with_value(m: Moments, value: vec4f) -> Moments {
    let d = value - m.pivot;
    return Moments(m.count + 1.0, m.pivot, m.sum + d, m.squares + d * d);
}

fn with_row(m: Eight, row: Pairs) -> Eight {
    return Eight(
        with_value(m.q0, row.a.low),
        with_value(m.q1, row.a.high),
        with_value(m.q2, row.b.low),
        with_value(m.q3, row.b.high),
        with_value(m.q4, row.c.low),
        with_value(m.q5, row.c.high),
        with_value(m.q6, row.d.low),
        with_value(m.q7, row.d.high),
    );
}

// Group and part are about the same pivot. With both the part may be about the group's last value; or, where
// the values are two, or drift, about none of them.
fn with_sums(part: Moments, group: Moments, last: vec4f) -> Moments {
    let m = toward(add(part, group), last, vec4<bool>(true));
    return toward(m, step_toward_mean(m), is_far_off(m));
}

fn with_group(part: Eight, group: Eight, last: Pairs) -> Eight {
    return Eight(
        with_sums(part.q0, group.q0, last.a.low),
        with_sums(part.q1, group.q1, last.a.high),
        with_sums(part.q2, group.q2, last.b.low),
        with_sums(part.q3, group.q3, last.b.high),
        with_sums(part.q4, group.q4, last.c.low),
        with_sums(part.q5, group.q5, last.c.high),
        with_sums(part.q6, group.q6, last.d.low),
        with_sums(part.q7, group.q7, last.d.high),
    );
}

fn with_part(total: Eight, part: Eight) -> Eight {
    return Eight(
        merge(total.q0, part.q0),
        merge(total.q1, part.q1),
        merge(total.q2, part.q2),
        merge(total.q3, part.q3),
        merge(total.q4, part.q4),
        merge(total.q5, part.q5),
        merge(total.q6, part.q6),
        merge(total.q7, part.q7),
    );
}

fn leave_quad(k: u32, m: Moments) {
    pivots[k] = m.pivot;
    sums[k] = m.sum;
    squares[k] = m.squares;
}

fn leave(k: u32, m: Eight) {
    leave_quad(k, m.q0);
    leave_quad(k + 1u, m.q1);
    leave_quad(k + 2u, m.q2);
    leave_quad(k + 3u, m.q3);
    leave_quad(k + 4u, m.q4);
    leave_quad(k + 5u, m.q5);
    leave_quad(k + 6u, m.q6);
    leave_quad(k + 7u, m.q7);
}

// Leaves pivot, sum and squares of every column of the thread.
fn sum_moments(w: Strip) {
    if w.first_row == w.end_row {
        return;
    }
    start_pivots(w);
    let step = PAIRS * pair_step();
    var total0 = start(0u);
    var total1 = Eight();
    var total2 = Eight();
    var total3 = Eight();
    if CHUNKS > 1u {
        total1 = start(8u);
    }
    if CHUNKS > 2u {
        total2 = start(16u);
    }
    if CHUNKS > 3u {
        total3 = start(24u);
    }
    var i = at(w, w.first_row);
    for (var part_row = w.first_row; part_row < w.end_row; part_row += ROWS_A_PART) {
        let part_end = min(part_row + ROWS_A_PART, w.end_row);
        var part0 = after(total0);
        var part1 = after(total1);
        var part2 = after(total2);
        var part3 = after(total3);
        for (var row = part_row; row < part_end; row += ROWS_A_GROUP) {
            let end = min(row + ROWS_A_GROUP, part_end);
            var group0 = after(part0);
            var group1 = after(part1);
            var group2 = after(part2);
            var group3 = after(part3);
            var last0 = Pairs();
            var last1 = Pairs();
            var last2 = Pairs();
            var last3 = Pairs();
            for (var r = row; r < end; r++) {
                last0 = load_row_of_x(i);
                group0 = with_row(group0, last0);
                if CHUNKS > 1u {
                    last1 = load_row_of_x(i + step);
                    group1 = with_row(group1, last1);
                }
                if CHUNKS > 2u {
                    last2 = load_row_of_x(i + 2u * step);
                    group2 = with_row(group2, last2);
                }
                if CHUNKS > 3u {
                    last3 = load_row_of_x(i + 3u * step);
                    group3 = with_row(group3, last3);
                }
                i += local.outer_stride;
            }
            part0 = with_group(part0, group0, last0);
            if CHUNKS > 1u {
                part1 = with_group(part1, group1, last1);
            }
            if CHUNKS > 2u {
                part2 = with_group(part2, group2, last2);
            }
            if CHUNKS > 3u {
                part3 = with_group(part3, group3, last3);
            }
        }
        total0 = with_part(total0, part0);
        if CHUNKS > 1u {
            total1 = with_part(total1, part1);
        }
        if CHUNKS > 2u {
            total2 = with_part(total2, part2);
        }
        if CHUNKS > 3u {
            total3 = with_part(total3, part3);
        }
    }
    leave(0u, total0);
    if CHUNKS > 1u {
        leave(8u, total1);
    }
    if CHUNKS > 2u {
        leave(16u, total2);
    }
    if CHUNKS > 3u {
        leave(24u, total3);
    }
}

fn moments_of(w: Strip, k: u32) -> Moments {
    return Moments(f32(w.end_row - w.first_row), pivots[k], sums[k], squares[k]);
}
