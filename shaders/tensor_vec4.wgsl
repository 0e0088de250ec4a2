// Formula: none; loads and stores of f32 tensors, four elements at a time.
// A workgroup owns: nothing. Reads and writes: the quads it is asked for.
// Needs: params.wgsl. Every quad starts at a multiple of four elements and is whole.
//
// All tensors are bound for writing, because a tracker of whole buffers would otherwise reject
// tensors that are ranges of one buffer.

@group(0) @binding(3) var<storage, read_write> x: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> dy: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> dx: array<vec4f>;

// Whether a quad can hold fewer than four elements.
const RAGGED = false;

fn load_x(q: Quad) -> vec4f {
    return x[(local.x_at + q.at.x) / 4u];
}

fn load_dy(q: Quad) -> vec4f {
    return dy[(local.dy_at + q.at.x) / 4u];
}

fn store_y(q: Quad, value: vec4f) {
    y[(local.y_at + q.at.x) / 4u] = value;
}

fn store_dx(q: Quad, value: vec4f) {
    dx[(local.dx_at + q.at.x) / 4u] = value;
}
