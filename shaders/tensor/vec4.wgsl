// Formula: none; loads and stores of tensors, four elements at a time.
// A workgroup owns: nothing. Reads and writes: the quads it is asked for.
// Needs: params.wgsl, a file of words for quads. Every quad starts at a multiple of four elements and is whole.
//
// All tensors are bound for writing, because a tracker of whole buffers would otherwise reject
// tensors that are ranges of one buffer.

@group(0) @binding(3) var<storage, read_write> x: array<Words>;
@group(0) @binding(4) var<storage, read_write> y: array<Words>;
@group(0) @binding(5) var<storage, read_write> dy: array<Words>;
@group(0) @binding(6) var<storage, read_write> dx: array<Words>;
@group(0) @binding(7) var<storage, read_write> residual: array<Words>;
@group(0) @binding(8) var<storage, read_write> dresidual: array<Words>;

// Whether a quad can hold fewer than four elements.
const RAGGED = false;

fn load_x(q: Quad) -> vec4f {
    return decode(x[(local.x_at + q.at.x) / 4u]);
}

fn load_dy(q: Quad) -> vec4f {
    return decode(dy[(local.dy_at + q.at.x) / 4u]);
}

fn load_residual(q: Quad) -> vec4f {
    return decode(residual[(local.residual_at + q.at.x) / 4u]);
}

fn store_y(q: Quad, value: vec4f) {
    let i = (local.y_at + q.at.x) / 4u;
    if IN_PLACE {
        x[i] = encode(value);
    } else {
        y[i] = encode(value);
    }
}

fn store_dx(q: Quad, value: vec4f) {
    let i = (local.dx_at + q.at.x) / 4u;
    if IN_PLACE {
        dy[i] = encode(value);
    } else {
        dx[i] = encode(value);
    }
}

fn store_dresidual(q: Quad, value: vec4f) {
    let i = (local.dresidual_at + q.at.x) / 4u;
    dresidual[i] = encode(value);
}
