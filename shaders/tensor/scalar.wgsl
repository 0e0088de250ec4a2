// Formula: none; loads and stores of tensors, one element at a time.
// A workgroup owns: nothing. Reads and writes: the quads it is asked for.
// Needs: params.wgsl, words/one_f32.wgsl or words/one_f16.wgsl. Serves every offset and extent; elements beyond
// `valid` repeat the first.
//
// Stores are written out for each tensor, since WGSL passes no pointer to storage.

@group(0) @binding(3) var<storage, read_write> x: array<One>;
@group(0) @binding(4) var<storage, read_write> y: array<One>;
@group(0) @binding(5) var<storage, read_write> dy: array<One>;
@group(0) @binding(6) var<storage, read_write> dx: array<One>;
@group(0) @binding(7) var<storage, read_write> residual: array<One>;
@group(0) @binding(8) var<storage, read_write> dresidual: array<One>;

// Whether a quad can hold fewer than four elements.
const RAGGED = true;

fn load_x(q: Quad) -> vec4f {
    let i = q.at + local.x_at;
    return vec4f(vec4<One>(x[i.x], x[i.y], x[i.z], x[i.w]));
}

fn load_dy(q: Quad) -> vec4f {
    let i = q.at + local.dy_at;
    return vec4f(vec4<One>(dy[i.x], dy[i.y], dy[i.z], dy[i.w]));
}

fn load_residual(q: Quad) -> vec4f {
    let i = q.at + local.residual_at;
    return vec4f(vec4<One>(residual[i.x], residual[i.y], residual[i.z], residual[i.w]));
}

fn set_y(i: u32, value: f32) {
    if IN_PLACE {
        x[i] = One(value);
    } else {
        y[i] = One(value);
    }
}

fn store_y(q: Quad, value: vec4f) {
    let i = q.at + local.y_at;
    set_y(i.x, value.x);
    if q.valid > 1u { set_y(i.y, value.y); }
    if q.valid > 2u { set_y(i.z, value.z); }
    if q.valid > 3u { set_y(i.w, value.w); }
}

fn set_dx(i: u32, value: f32) {
    if IN_PLACE {
        dy[i] = One(value);
    } else {
        dx[i] = One(value);
    }
}

fn store_dx(q: Quad, value: vec4f) {
    let i = q.at + local.dx_at;
    set_dx(i.x, value.x);
    if q.valid > 1u { set_dx(i.y, value.y); }
    if q.valid > 2u { set_dx(i.z, value.z); }
    if q.valid > 3u { set_dx(i.w, value.w); }
}

fn set_dresidual(i: u32, value: f32) {
    dresidual[i] = One(value);
}

fn store_dresidual(q: Quad, value: vec4f) {
    let i = q.at + local.dresidual_at;
    set_dresidual(i.x, value.x);
    if q.valid > 1u { set_dresidual(i.y, value.y); }
    if q.valid > 2u { set_dresidual(i.z, value.z); }
    if q.valid > 3u { set_dresidual(i.w, value.w); }
}
