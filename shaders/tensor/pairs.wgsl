// Formula: none; loads and stores of tensors, a pair of quads at a time, by its first element.
// A workgroup owns: nothing. Reads and writes: the pairs it is asked for.
// Needs: params.wgsl, a file of words for pairs. Every pair starts at a multiple of eight elements
// and is whole.
//
// All tensors are bound for writing, because a tracker of whole buffers would otherwise reject
// tensors that are ranges of one buffer.

// Two quads side by side.
struct Pair {
    low: vec4f,
    high: vec4f,
}

// Which of four elements from `i` on are of a range.
fn are_in(start: u32, end: u32, i: u32) -> vec4<bool> {
    let at = vec4u(i) + vec4u(0u, 1u, 2u, 3u);
    return (at >= vec4u(start)) & (at < vec4u(end));
}

// What of a pair from `i` on is of a range, and 0 for the rest.
fn part_in(start: u32, end: u32, i: u32, v: Pair) -> Pair {
    return Pair(
        select(vec4f(), v.low, are_in(start, end, i)),
        select(vec4f(), v.high, are_in(start, end, i + 4u)),
    );
}

@group(0) @binding(3) var<storage, read_write> x: array<Words>;
@group(0) @binding(4) var<storage, read_write> y: array<Words>;
@group(0) @binding(5) var<storage, read_write> dy: array<Words>;
@group(0) @binding(6) var<storage, read_write> dx: array<Words>;
@group(0) @binding(7) var<storage, read_write> residual: array<Words>;
@group(0) @binding(8) var<storage, read_write> dresidual: array<Words>;

fn load_x(at: u32) -> Pair {
    return decode(x[(local.x_at + at) / 8u]);
}

fn load_dy(at: u32) -> Pair {
    return decode(dy[(local.dy_at + at) / 8u]);
}

fn load_residual(at: u32) -> Pair {
    return decode(residual[(local.residual_at + at) / 8u]);
}

fn store_y(at: u32, value: Pair) {
    let i = (local.y_at + at) / 8u;
    if IN_PLACE {
        x[i] = encode(value);
    } else {
        y[i] = encode(value);
    }
}

fn store_dx(at: u32, value: Pair) {
    let i = (local.dx_at + at) / 8u;
    if IN_PLACE {
        dy[i] = encode(value);
    } else {
        dx[i] = encode(value);
    }
}

fn store_dresidual(at: u32, value: Pair) {
    let i = (local.dresidual_at + at) / 8u;
    dresidual[i] = encode(value);
}
