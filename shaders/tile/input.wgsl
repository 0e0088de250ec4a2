// Formula: dx and dresidual over a tile (../gradient_input.wgsl).
// A workgroup owns: a tile. Reads: x, dy, residual, workgroup memory. Writes: dx,
// dresidual.
// Needs: params.wgsl, a tensor file, tile/map.wgsl, gradient_sums.wgsl, gradient_input.wgsl,
// tile/affine.wgsl.

var<private> offsets: array<vec4f, MAX_QUADS>;
var<private> slopes: array<vec4f, MAX_QUADS>;

// Leaves what a channel's columns need at its first column.
fn share_input_gradient(c: u32, g: InputGradient) {
    column[c * params.channel_step] = vec4f(g.offset.x, g.slope.x, 0.0, 0.0);
}

fn differentiate(w: Tile, thread: u32) {
    let quads = quads(w, thread);
    let stride = local.outer_stride;
    for (var k = 0u; k < quads; k++) {
        let home = homes(w, first_column(k, thread));
        let all = transpose(mat4x4f(column[home.x], column[home.y], column[home.z], column[home.w]));
        offsets[k] = all[0];
        slopes[k] = all[1];
    }
    var row = w.first_row;
    for (; row + BLOCK <= w.end_row; row += BLOCK) {
        for (var k = 0u; k < quads; k++) {
            let g = InputGradient(affine_of(k), offsets[k], slopes[k]);
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
            differentiate_four(q0, q1, q2, q3, g);
            differentiate_four(q4, q5, q6, q7, g);
        }
    }
    for (; row < w.end_row; row++) {
        for (var k = 0u; k < quads; k++) {
            let g = InputGradient(affine_of(k), offsets[k], slopes[k]);
            let first = first_column(k, thread);
            differentiate_one(quad(w, first, at(w, row, first)), g);
        }
    }
}
