// Formula: a block of a thread's walk in registers, and its moments (../moments.wgsl).
// A workgroup owns: its channels' split. Reads: x, once. Writes: nothing.
// Needs: params.wgsl, a tensor file, a mapping file of walks, walk/block.wgsl, walk/missing.wgsl,
// moments.wgsl, block_moments.wgsl.

// A block of quads, or what is left of the walk. Those that are missing repeat another quad of the channel, so that the
// pivot is a value that is there.
struct Kept {
    start: Cursor,
    other: Quad,
    quads: u32,
    x0: vec4f,
    x1: vec4f,
    x2: vec4f,
    x3: vec4f,
    x4: vec4f,
    x5: vec4f,
    x6: vec4f,
    x7: vec4f,
}

// The first quad of a walk; of a thread without any, the tensor's first, of which nobody uses anything.
fn first_quad(start: Cursor) -> Quad {
    var c = start;
    return next(&c);
}

// The block under the cursor, which moves on to the next.
fn keep_block(c: ptr<function, Cursor>, quads: u32, other: Quad) -> Kept {
    let start = *c;
    let b = quads_of_block(c);
    return Kept(
        start,
        other,
        quads,
        load_x(or_other(b.q0, 0u < quads, other)),
        load_x(or_other(b.q1, 1u < quads, other)),
        load_x(or_other(b.q2, 2u < quads, other)),
        load_x(or_other(b.q3, 3u < quads, other)),
        load_x(or_other(b.q4, 4u < quads, other)),
        load_x(or_other(b.q5, 5u < quads, other)),
        load_x(or_other(b.q6, 6u < quads, other)),
        load_x(or_other(b.q7, 7u < quads, other)),
    );
}

// A value of the walk's quad `i`, or 0 for what is not there.
fn there(k: Kept, i: u32, q: Quad, v: vec4f) -> vec4f {
    return select(vec4f(), keep(q, v), i < k.quads);
}

fn moments_about(k: Kept, pivot: vec4f) -> Moments {
    var c = k.start;
    let b = quads_of_block(&c);
    let one = vec4f(1.0);
    let low_counts = (there(k, 0u, b.q0, one) + there(k, 1u, b.q1, one))
        + (there(k, 2u, b.q2, one) + there(k, 3u, b.q3, one));
    let high_counts = (there(k, 4u, b.q4, one) + there(k, 5u, b.q5, one))
        + (there(k, 6u, b.q6, one) + there(k, 7u, b.q7, one));
    let d0 = there(k, 0u, b.q0, k.x0 - pivot);
    let d1 = there(k, 1u, b.q1, k.x1 - pivot);
    let d2 = there(k, 2u, b.q2, k.x2 - pivot);
    let d3 = there(k, 3u, b.q3, k.x3 - pivot);
    let d4 = there(k, 4u, b.q4, k.x4 - pivot);
    let d5 = there(k, 5u, b.q5, k.x5 - pivot);
    let d6 = there(k, 6u, b.q6, k.x6 - pivot);
    let d7 = there(k, 7u, b.q7, k.x7 - pivot);
    let low = (d0 + d1) + (d2 + d3);
    let high = (d4 + d5) + (d6 + d7);
    let low_squares = (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
    let high_squares = (d4 * d4 + d5 * d5) + (d6 * d6 + d7 * d7);
    let count = across(low_counts + high_counts).x;
    return Moments(count, pivot, low + high, low_squares + high_squares);
}

// About the value that is nearest to the mean; of nothing, about anything.
fn moments_of_kept(k: Kept) -> Moments {
    let rough = moments_about(k, middle(k.x0));
    let mean = rough.pivot + across(rough.sum) / max(rough.count, 1.0);
    let low = nearer(mean, nearer(mean, k.x0, k.x1), nearer(mean, k.x2, k.x3));
    let high = nearer(mean, nearer(mean, k.x4, k.x5), nearer(mean, k.x6, k.x7));
    return moments_about(k, nearest_across(mean, nearer(mean, low, high)));
}
