// Formula: the moments of a thread's walk, by block (../moments.wgsl).
// A workgroup owns: its channels' split. Reads: x, weights. Writes: nothing.
// Needs: params.wgsl, a tensor file, a mapping file, weights.wgsl, moments.wgsl.

// The next four quads of a walk.
fn next_four(c: ptr<function, Cursor>) -> Four {
    let q0 = next(c);
    let q1 = next(c);
    let q2 = next(c);
    let q3 = next(c);
    var f = Four();
    f.x0 = load_x(q0);
    f.x1 = load_x(q1);
    f.x2 = load_x(q2);
    f.x3 = load_x(q3);
    f.count = f32(4u * VALUES_A_QUAD);
    if WEIGHTED {
        f.w0 = weights_of(q0);
        f.w1 = weights_of(q1);
        f.w2 = weights_of(q2);
        f.w3 = weights_of(q3);
        f.count = across((f.w0 + f.w1) + (f.w2 + f.w3)).x;
    }
    return f;
}

// A value of four quads that has weight, or else another.
fn any_of_four(f: Four, other: vec4f) -> vec4f {
    return any_of(f.w0, f.x0, any_of(f.w1, f.x1, any_of(f.w2, f.x2, any_of(f.w3, f.x3, other))));
}

// The block under the cursor, which moves behind it, with a pivot of its own.
fn first_block(c: ptr<function, Cursor>) -> Moments {
    var low = next_four(c);
    var high = next_four(c);
    if WEIGHTED {
        let other = any_of_four(low, any_of_four(high, vec4f()));
        low = filled(low, other);
        high = filled(high, other);
    }
    let none = Moments(0.0, middle(middle_of(low, high)), vec4f(), vec4f());
    return with_four(with_four(none, low), high);
}

// With the block under the cursor, which moves behind it.
fn with_block(m: Moments, c: ptr<function, Cursor>) -> Moments {
    let low = filled(next_four(c), m.pivot);
    let half = with_four(m, low);
    let whole = with_four(half, filled(next_four(c), m.pivot));
    return toward(whole, middle(median_of(low)), vec4<bool>(true));
}

// The moments of a thread's walk.
fn moments_of(start: Cursor) -> Moments {
    var c = start;
    var left = c.blocks;
    var total = Moments();
    // Until there is a pivot: without weights once.
    for (; left > 0u && total.count == 0.0; left--) {
        total = merge(total, first_block(&c));
        next_block(&c);
    }
    while left > 0u {
        // A group of blocks is summed before it joins the total, so that no chain of roundings is long.
        let blocks = min(left, BLOCKS_A_GROUP);
        var group = Moments(0.0, total.pivot, vec4f(), vec4f());
        for (var k = 0u; k < blocks; k++) {
            group = with_block(group, &c);
            next_block(&c);
        }
        total = merge(total, group);
        left -= blocks;
    }
    return merge(total, moments_of_tail(c));
}

// The moments of the quads after the last block, about the value that is nearest to their mean.
fn moments_of_tail(start: Cursor) -> Moments {
    var pivot = vec4f();
    var c = start;
    if WEIGHTED {
        for (var left = start.tail; left > 0u; left--) {
            let q = next(&c);
            pivot = any_of(weights_of(q), load_x(q), pivot);
        }
    } else if start.tail > 0u {
        pivot = middle(load_x(next(&c)));
    }
    let rough = tail_about(start, pivot);
    if rough.count == 0.0 {
        return rough;
    }
    let mean = across(rough.sum) / rough.count;
    var nearest = vec4f(FAR);
    c = start;
    for (var left = start.tail; left > 0u; left--) {
        let q = next(&c);
        let d = present(weights_of(q), load_x(q) - pivot, vec4f(FAR));
        nearest = nearer(mean, nearest, d);
    }
    return tail_about(start, pivot + nearest_across(mean, nearest));
}

fn tail_about(start: Cursor, pivot: vec4f) -> Moments {
    var m = Moments(0.0, pivot, vec4f(), vec4f());
    var c = start;
    for (var left = start.tail; left > 0u; left--) {
        let q = next(&c);
        let w = weights_of(q);
        let d = keep(q, present(w, load_x(q) - pivot, vec4f()));
        let weighed_d = weighed(w, d);
        m.count += across(w).x;
        m.sum += weighed_d;
        m.squares += weighed_d * d;
    }
    return m;
}
