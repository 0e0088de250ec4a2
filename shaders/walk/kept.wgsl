// Formula: a block of a thread's walk in registers: its moments (../moments.wgsl) and
// y = γ·(x − mean)·inv_std + β (../normalize.wgsl) of the same values.
// A workgroup owns: all values of its channels. Reads: x, once; residual. Writes: y.
// Needs: params.wgsl, a tensor file, a mapping file, moments.wgsl, block_moments.wgsl, normalize.wgsl.
//
// Written out, since an array that is indexed by a loop may end up in memory.

// A block of quads of a thread's walk, or what is left of the walk. What is not there repeats the
// first, so that the pivot is a value that is there.
struct Kept {
    start: Cursor,
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

// The block under the cursor, which moves on to the next.
fn keep_block(c: ptr<function, Cursor>, quads: u32) -> Kept {
    let start = *c;
    let q0 = next(c);
    let q1 = next(c);
    let q2 = next(c);
    let q3 = next(c);
    let q4 = next(c);
    let q5 = next(c);
    let q6 = next(c);
    let q7 = next(c);
    next_block(c);
    var x0 = vec4f();
    if quads > 0u { x0 = load_x(q0); }
    var k = Kept(start, quads, x0, x0, x0, x0, x0, x0, x0, x0);
    if quads > 1u { k.x1 = load_x(q1); }
    if quads > 2u { k.x2 = load_x(q2); }
    if quads > 3u { k.x3 = load_x(q3); }
    if quads > 4u { k.x4 = load_x(q4); }
    if quads > 5u { k.x5 = load_x(q5); }
    if quads > 6u { k.x6 = load_x(q6); }
    if quads > 7u { k.x7 = load_x(q7); }
    return k;
}

// A value of the walk's quad `i`, or 0 for what is not there.
fn there(k: Kept, i: u32, q: Quad, v: vec4f) -> vec4f {
    return select(vec4f(), keep(q, v), i < k.quads);
}

fn moments_about(k: Kept, pivot: vec4f) -> Moments {
    var c = k.start;
    let q0 = next(&c);
    let q1 = next(&c);
    let q2 = next(&c);
    let q3 = next(&c);
    let q4 = next(&c);
    let q5 = next(&c);
    let q6 = next(&c);
    let q7 = next(&c);
    let one = vec4f(1.0);
    let low_counts = (there(k, 0u, q0, one) + there(k, 1u, q1, one))
        + (there(k, 2u, q2, one) + there(k, 3u, q3, one));
    let high_counts = (there(k, 4u, q4, one) + there(k, 5u, q5, one))
        + (there(k, 6u, q6, one) + there(k, 7u, q7, one));
    let d0 = there(k, 0u, q0, k.x0 - pivot);
    let d1 = there(k, 1u, q1, k.x1 - pivot);
    let d2 = there(k, 2u, q2, k.x2 - pivot);
    let d3 = there(k, 3u, q3, k.x3 - pivot);
    let d4 = there(k, 4u, q4, k.x4 - pivot);
    let d5 = there(k, 5u, q5, k.x5 - pivot);
    let d6 = there(k, 6u, q6, k.x6 - pivot);
    let d7 = there(k, 7u, q7, k.x7 - pivot);
    let low = (d0 + d1) + (d2 + d3);
    let high = (d4 + d5) + (d6 + d7);
    let low_squares = (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
    let high_squares = (d4 * d4 + d5 * d5) + (d6 * d6 + d7 * d7);
    let count = across(low_counts + high_counts).x;
    return Moments(count, pivot, low + high, low_squares + high_squares);
}

// About the value that is nearest to the mean.
fn moments_of_kept(k: Kept) -> Moments {
    if k.quads == 0u {
        return Moments();
    }
    let rough = moments_about(k, middle(k.x0));
    let mean = rough.pivot + across(rough.sum) / rough.count;
    let low = nearer(mean, nearer(mean, k.x0, k.x1), nearer(mean, k.x2, k.x3));
    let high = nearer(mean, nearer(mean, k.x4, k.x5), nearer(mean, k.x6, k.x7));
    return moments_about(k, nearest_across(mean, nearer(mean, low, high)));
}

fn normalize_kept(k: Kept, a: Affine) {
    var c = k.start;
    store_kept(next(&c), 0u < k.quads, k.x0, a);
    store_kept(next(&c), 1u < k.quads, k.x1, a);
    store_kept(next(&c), 2u < k.quads, k.x2, a);
    store_kept(next(&c), 3u < k.quads, k.x3, a);
    store_kept(next(&c), 4u < k.quads, k.x4, a);
    store_kept(next(&c), 5u < k.quads, k.x5, a);
    store_kept(next(&c), 6u < k.quads, k.x6, a);
    store_kept(next(&c), 7u < k.quads, k.x7, a);
}

fn store_kept(q: Quad, is_there: bool, x_value: vec4f, a: Affine) {
    if is_there {
        store_y(q, y_of(q, x_value, a));
    }
}
