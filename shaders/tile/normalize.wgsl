// Formula: y over a tile (../normalize.wgsl).
// A workgroup owns: a tile. Reads: x, residual, workgroup memory. Writes: y.
// Needs: params.wgsl, a tensor file, tile/map.wgsl, normalize.wgsl.

var<private> affine_pivots: array<vec4f, MAX_QUADS>;
var<private> affine_remainders: array<vec4f, MAX_QUADS>;
var<private> affine_scales: array<vec4f, MAX_QUADS>;
var<private> affine_shifts: array<vec4f, MAX_QUADS>;

// Leaves what a channel's columns need at its first column.
fn share_affine(c: u32, a: Affine) {
    column[c * params.channel_step] = vec4f(a.pivot.x, a.remainder.x, a.scale.x, a.shift.x);
}

fn normalize(w: Tile, thread: u32) {
    let quads = quads(w, thread);
    let stride = local.outer_stride;
    for (var k = 0u; k < quads; k++) {
        let home = homes(w, first_column(k, thread));
        let all = transpose(mat4x4f(column[home.x], column[home.y], column[home.z], column[home.w]));
        affine_pivots[k] = all[0];
        affine_remainders[k] = all[1];
        affine_scales[k] = all[2];
        affine_shifts[k] = all[3];
    }
    var row = w.first_row;
    for (; row + BLOCK <= w.end_row; row += BLOCK) {
        for (var k = 0u; k < quads; k++) {
            let a = Affine(
                affine_pivots[k], affine_remainders[k], affine_scales[k], affine_shifts[k]);
            let first = first_column(k, thread);
            let i = at(w, row, first);
            let q0 = quad(w, first, i);
            let q1 = quad(w, first, i + stride);
            let q2 = quad(w, first, i + 2u * stride);
            let q3 = quad(w, first, i + 3u * stride);
            let q4 = quad(w, first, i + 4u * stride);
            let q5 = quad(w, first, i + 5u * stride);
            let q6 = quad(w, first, i + 6u * stride);
            let q7 = quad(w, first, i + 7u * stride);
            normalize_four(q0, q1, q2, q3, a);
            normalize_four(q4, q5, q6, q7, a);
        }
    }
    for (; row < w.end_row; row++) {
        for (var k = 0u; k < quads; k++) {
            let a = Affine(
                affine_pivots[k], affine_remainders[k], affine_scales[k], affine_shifts[k]);
            let first = first_column(k, thread);
            let q = quad(w, first, at(w, row, first));
            store_y(q, y_of(q, load_x(q), a));
        }
    }
}
