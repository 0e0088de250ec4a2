// Formula: the moments of a strip's columns (../moments.wgsl), in parts of rows. The pivot starts as the
// median of medians of eight rows from all over the strip, or halfway between two kinds of them, and may move after
// each part.
// A workgroup owns: a strip. Reads: x. Writes: nothing.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, strip/columns.wgsl, moments.wgsl,
// block_moments.wgsl, strip/rows.wgsl.

// Rows of the first part.
const ROWS_OF_FIRST_PART = 32u;
// Rows from which on their mean tells more than what the pivot started from, which is from all over the strip.
const ROWS_TO_TRUST = 256u;
// Rows of a part whose values may become its pivot.
const CANDIDATES = 6u;

struct Column {
    pivot: vec4f,
    // Of deviations from the pivot, and of their squares.
    sum: vec4f,
    product: vec4f,
}

// A row of each eighth, at another place in each: what repeats along the rows meets few of them.
fn sample(w: Strip, j: u32) -> u32 {
    let eighth = (w.end_row - w.first_row) / 8u;
    return at(w, w.first_row + j * eighth + ((158u * j) % 256u) * eighth / 256u);
}

fn four(x0: vec4f, x1: vec4f, x2: vec4f, x3: vec4f) -> Four {
    return Four(x0, x1, x2, x3, vec4f(), vec4f(), vec4f(), vec4f(), 4.0);
}

// In the middle of eight values; or, where they are two, as far from each.
fn start_pivot(a: Four, b: Four) -> vec4f {
    let pivot = middle_of(a, b);
    let m = add(moments_of_four(a, pivot), moments_of_four(b, pivot));
    let least = min(min(min(a.x0, a.x1), min(a.x2, a.x3)), min(min(b.x0, b.x1), min(b.x2, b.x3)));
    let most = max(max(max(a.x0, a.x1), max(a.x2, a.x3)), max(max(b.x0, b.x1), max(b.x2, b.x3)));
    return toward(m, halfway(least, most), is_far_off(m)).pivot;
}

fn start_pivots(w: Strip) {
    for (var k = 0u; k < PAIRS; k++) {
        let column = k * pair_step();
        let x0 = load_x(sample(w, 0u) + column);
        let x1 = load_x(sample(w, 1u) + column);
        let x2 = load_x(sample(w, 2u) + column);
        let x3 = load_x(sample(w, 3u) + column);
        let x4 = load_x(sample(w, 4u) + column);
        let x5 = load_x(sample(w, 5u) + column);
        let x6 = load_x(sample(w, 6u) + column);
        let x7 = load_x(sample(w, 7u) + column);
        let low = start_pivot(four(x0.low, x1.low, x2.low, x3.low), four(x4.low, x5.low, x6.low, x7.low));
        let high = start_pivot(
            four(x0.high, x1.high, x2.high, x3.high),
            four(x4.high, x5.high, x6.high, x7.high),
        );
        push(Column(low, vec4f(), vec4f()));
        push(Column(high, vec4f(), vec4f()));
    }
}

// Deviations from the pair `k`'s pivots, and their squares.
fn terms(i: u32, k: u32) -> PairSums {
    let x = load_x(i);
    let d = Pair(x.low - columns[2u * k].pivot, x.high - columns[2u * k + 1u].pivot);
    return PairSums(d, times(d, d));
}

fn moments_of(c: Column, rows: u32) -> Moments {
    return Moments(f32(rows), c.pivot, c.sum, c.product);
}

fn known(m: Moments) -> Column {
    return Column(m.pivot, m.sum, m.squares);
}

// Whether the pivot may be looked at again. As long as values are few, not where it is good enough; nor where they are
// far away from it and near to each other, as at the start of values that drift.
fn may_move(m: Moments, is_known: bool) -> vec4<bool> {
    let is_other = m.sum * (m.sum / m.count) > 0.9 * m.squares;
    return vec4<bool>(is_known) | (is_far_off(m) & !is_other);
}

// After a part, to one of its values; or, where the values are two, or drift, to none of them.
fn move_pivots(w: Strip, first: u32, end: u32) {
    let rows = end - w.first_row;
    let is_known = rows >= ROWS_TO_TRUST || end == w.end_row;
    for (var k = 0u; k < PAIRS; k++) {
        var low = moments_of(columns[0], rows);
        var high = moments_of(columns[1], rows);
        let low_may = may_move(low, is_known);
        let high_may = may_move(high, is_known);
        for (var j = 1u; j <= CANDIDATES; j++) {
            let row = first + max(j * (end - first) / CANDIDATES, 1u) - 1u;
            let v = load_x(at(w, row) + k * pair_step());
            low = toward(low, v.low, low_may);
            high = toward(high, v.high, high_may);
        }
        low = toward(low, step_toward_mean(low), is_far_off(low) & vec4<bool>(is_known));
        high = toward(high, step_toward_mean(high), is_far_off(high) & vec4<bool>(is_known));
        push(known(low));
        push(known(high));
    }
}

// Leaves pivot, sum and squares of every column of the thread. A part has no more rows than those before it, or than
// the eight that the pivot started from are trusted for: as many as are about a pivot that is not theirs are no more
// than those that it is right for.
fn sum_moments(w: Strip) {
    if w.first_row == w.end_row {
        return;
    }
    start_pivots(w);
    for (var row = w.first_row; row < w.end_row; ) {
        let end = min(row + clamp(row - w.first_row, ROWS_OF_FIRST_PART, ROWS_A_PART), w.end_row);
        sum_part(w, row, end);
        move_pivots(w, row, end);
        row = end;
    }
}
