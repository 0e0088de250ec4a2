// Formula: y over a tile (../normalize.wgsl).
// A workgroup owns: a tile. Reads: x, workgroup memory. Writes: y.
// Needs: params.wgsl, a tensor file, tile/map.wgsl, normalize.wgsl.

// Lines: what a channel leaves at its home, and what that makes for each column.
const HOME_PIVOT = 0u;
const HOME_REMAINDER = 1u;
const HOME_SCALE = 2u;
const HOME_SHIFT = 3u;
const COLUMN_PIVOT = 4u;
const COLUMN_REMAINDER = 5u;
const COLUMN_SCALE = 6u;
const COLUMN_SHIFT = 7u;

fn share_affine(c: u32, a: Affine) {
    set_line(HOME_PIVOT, home(c), a.pivot.x);
    set_line(HOME_REMAINDER, home(c), a.remainder.x);
    set_line(HOME_SCALE, home(c), a.scale.x);
    set_line(HOME_SHIFT, home(c), a.shift.x);
}

fn affine_of(first: u32) -> Affine {
    return Affine(
        line_quad(COLUMN_PIVOT, first),
        line_quad(COLUMN_REMAINDER, first),
        line_quad(COLUMN_SCALE, first),
        line_quad(COLUMN_SHIFT, first),
    );
}

fn normalize(w: Tile, thread: u32) {
    let quads = quads(w, thread);
    let stride = params.outer_stride;
    for (var k = 0u; k < quads; k++) {
        let first = first_column(k, thread);
        let homes = homes(w, first);
        set_line_quad(COLUMN_PIVOT, first, line_four(HOME_PIVOT, homes));
        set_line_quad(COLUMN_REMAINDER, first, line_four(HOME_REMAINDER, homes));
        set_line_quad(COLUMN_SCALE, first, line_four(HOME_SCALE, homes));
        set_line_quad(COLUMN_SHIFT, first, line_four(HOME_SHIFT, homes));
    }
    var row = w.first_row;
    for (; row + BLOCK <= w.end_row; row += BLOCK) {
        for (var k = 0u; k < quads; k++) {
            let first = first_column(k, thread);
            let a = affine_of(first);
            let i = at(w, row, first);
            let q0 = quad(w, first, i);
            let q1 = quad(w, first, i + stride);
            let q2 = quad(w, first, i + 2u * stride);
            let q3 = quad(w, first, i + 3u * stride);
            let q4 = quad(w, first, i + 4u * stride);
            let q5 = quad(w, first, i + 5u * stride);
            let q6 = quad(w, first, i + 6u * stride);
            let q7 = quad(w, first, i + 7u * stride);
            let x0 = load_x(q0);
            let x1 = load_x(q1);
            let x2 = load_x(q2);
            let x3 = load_x(q3);
            let x4 = load_x(q4);
            let x5 = load_x(q5);
            let x6 = load_x(q6);
            let x7 = load_x(q7);
            store_y(q0, normalize_one(x0, a));
            store_y(q1, normalize_one(x1, a));
            store_y(q2, normalize_one(x2, a));
            store_y(q3, normalize_one(x3, a));
            store_y(q4, normalize_one(x4, a));
            store_y(q5, normalize_one(x5, a));
            store_y(q6, normalize_one(x6, a));
            store_y(q7, normalize_one(x7, a));
        }
    }
    for (; row < w.end_row; row++) {
        for (var k = 0u; k < quads; k++) {
            let first = first_column(k, thread);
            let a = affine_of(first);
            let q = quad(w, first, at(w, row, first));
            store_y(q, normalize_one(load_x(q), a));
        }
    }
}
