// Formula: none; loads and stores of f32 tensors, one element at a time.
// A workgroup owns: nothing. Reads and writes: the quads it is asked for.
// Needs: params.wgsl. Serves every offset and extent; elements beyond `valid` repeat the first.

@group(0) @binding(3) var<storage, read_write> x: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> dy: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;

// Whether a quad can hold fewer than four elements.
const RAGGED = true;

fn load_x(q: Quad) -> vec4f {
    let i = q.at + local.x_at;
    return vec4f(x[i.x], x[i.y], x[i.z], x[i.w]);
}

fn load_dy(q: Quad) -> vec4f {
    let i = q.at + local.dy_at;
    return vec4f(dy[i.x], dy[i.y], dy[i.z], dy[i.w]);
}

fn store_y(q: Quad, value: vec4f) {
    let i = q.at + local.y_at;
    y[i.x] = value.x;
    if q.valid > 1u { y[i.y] = value.y; }
    if q.valid > 2u { y[i.z] = value.z; }
    if q.valid > 3u { y[i.w] = value.w; }
}

fn store_dx(q: Quad, value: vec4f) {
    let i = q.at + local.dx_at;
    dx[i.x] = value.x;
    if q.valid > 1u { dx[i.y] = value.y; }
    if q.valid > 2u { dx[i.z] = value.z; }
    if q.valid > 3u { dx[i.w] = value.w; }
}
