// Formula: the moments of a strip's columns (../moments.wgsl), in parts of rows. The pivot starts as the
// median of medians of rows from all over the strip, and may move after each part.
// A workgroup owns: a strip. Reads: x. Writes: nothing.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, strip/columns.wgsl, moments.wgsl,
// block_moments.wgsl, strip/rows.wgsl.

// Rows after which the first pivot is looked at again.
const ROWS_OF_FIRST_PART = 32u;
// Rows from which on a pivot may be none of the values: the mean of fewer tells less than those that it started
// from.
const ROWS_TO_STEP = 256u;
// Rows of a part whose values may become its pivot.
const CANDIDATES = 4u;

struct Column {
    pivot: vec4f,
    // Of deviations from the pivot, and of their squares.
    sum: vec4f,
    product: vec4f,
}

// One of eight rows, from the first to the last.
fn sample(w: Strip, j: u32) -> u32 {
    return at(w, w.first_row + j * (w.end_row - 1u - w.first_row) / 7u);
}

fn start_pivots(w: Strip) {
    for (var k = 0u; k < PAIRS; k++) {
        let column = offset(w, k);
        let x0 = load_x(sample(w, 0u) + column);
        let x1 = load_x(sample(w, 1u) + column);
        let x2 = load_x(sample(w, 2u) + column);
        let x3 = load_x(sample(w, 3u) + column);
        let x4 = load_x(sample(w, 4u) + column);
        let x5 = load_x(sample(w, 5u) + column);
        let x6 = load_x(sample(w, 6u) + column);
        let x7 = load_x(sample(w, 7u) + column);
        let low = middle_of_eight(x0.low, x1.low, x2.low, x3.low, x4.low, x5.low, x6.low, x7.low);
        let high = middle_of_eight(
            x0.high, x1.high, x2.high, x3.high, x4.high, x5.high, x6.high, x7.high,
        );
        push(Columns(Column(low, vec4f(), vec4f()), Column(high, vec4f(), vec4f())));
    }
}

// Deviations from the pair `k`'s pivots, and their squares.
fn terms(w: Strip, i: u32, k: u32) -> PairSums {
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

// After a part, to one of its values; or, where the values are two, or drift, to none of them.
fn move_pivots(w: Strip, first: u32, end: u32) {
    let rows = end - w.first_row;
    let may_step = rows >= ROWS_TO_STEP || end == w.end_row;
    for (var k = 0u; k < PAIRS; k++) {
        var low = moments_of(columns[0], rows);
        var high = moments_of(columns[1], rows);
        for (var j = 1u; j <= CANDIDATES; j++) {
            let row = first + max(j * (end - first) / CANDIDATES, 1u) - 1u;
            let v = load_x(at(w, row) + offset(w, k));
            low = toward(low, v.low, vec4<bool>(true));
            high = toward(high, v.high, vec4<bool>(true));
        }
        low = toward(low, step_toward_mean(low), is_far_off(low) & vec4<bool>(may_step));
        high = toward(high, step_toward_mean(high), is_far_off(high) & vec4<bool>(may_step));
        push(Columns(known(low), known(high)));
    }
}

// Leaves pivot, sum and squares of every column of the thread. A part has no more rows than those before it: as
// many as are about a pivot that is not theirs are no more than those that it is right for.
fn sum_moments(w: Strip) {
    start_pivots(w);
    for (var row = w.first_row; row < w.end_row; ) {
        let end = min(row + clamp(row - w.first_row, ROWS_OF_FIRST_PART, ROWS_A_PART), w.end_row);
        sum_part(w, row, end);
        move_pivots(w, row, end);
        row = end;
    }
}
