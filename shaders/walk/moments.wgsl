// Formula: the moments of a thread's walk, by block (../moments.wgsl).
// A workgroup owns: its channels' split. Reads: x, weights. Writes: nothing.
// Needs: params.wgsl, a tensor file, a mapping file, weights.wgsl, moments.wgsl.

// A value near the middle of the block under the cursor. Positions without weight say nothing: they
// count as another that has some.
fn pivot_of(start: Cursor) -> vec4f {
    var fill = vec4f();
    if WEIGHTED {
        var c = start;
        var found = false;
        for (var k = 0u; k < BLOCK; k++) {
            let q = next(&c);
            let w = weights_of(q);
            if !found && any(w > vec4f()) {
                fill = any_of(w, load_x(q));
                found = true;
            }
        }
    }
    var c = start;
    let x0 = filled(next(&c), fill);
    let x1 = filled(next(&c), fill);
    let x2 = filled(next(&c), fill);
    let x3 = filled(next(&c), fill);
    let x4 = filled(next(&c), fill);
    let x5 = filled(next(&c), fill);
    let x6 = filled(next(&c), fill);
    let x7 = filled(next(&c), fill);
    return middle(middle_of_eight(x0, x1, x2, x3, x4, x5, x6, x7));
}

fn filled(q: Quad, fill: vec4f) -> vec4f {
    let x_value = load_x(q);
    if WEIGHTED {
        return present(weights_of(q), x_value, fill);
    }
    return x_value;
}

fn next_part(c: ptr<function, Cursor>, pivot: vec4f) -> Part {
    let q0 = next(c);
    let q1 = next(c);
    let q2 = next(c);
    let q3 = next(c);
    var w = FourWeights();
    if WEIGHTED {
        w = FourWeights(weights_of(q0), weights_of(q1), weights_of(q2), weights_of(q3));
    }
    return part_of(load_x(q0), load_x(q1), load_x(q2), load_x(q3), w, pivot);
}

// The moments of a thread's walk.
fn moments_of(start: Cursor) -> Moments {
    var c = start;
    var total = Moments();
    for (var left = c.blocks; left > 0u;) {
        // A group of blocks is summed before it joins the total. Each has a pivot of its own, so
        // that what the data begins with does not matter for all of it.
        let blocks = min(left, BLOCKS_A_GROUP);
        var pivot = vec4f();
        // Outside the loop where that can be: a software adapter runs a branch whether taken or not.
        if !WEIGHTED {
            pivot = pivot_of(c);
        }
        var group = Part();
        for (var k = 0u; k < blocks; k++) {
            if WEIGHTED && group.count == 0.0 {
                pivot = pivot_of(c);
            }
            let half = next_part(&c, pivot);
            group = join_parts(group, join_parts(half, next_part(&c, pivot)));
            next_block(&c);
        }
        total = merge(total, Moments(group.count, pivot, group.mean, group.m2));
        left -= blocks;
    }
    if c.tail > 0u {
        total = merge(total, moments_of_tail(c));
    }
    return total;
}

// The moments of the quads after the last block, as one block of its own: read twice, so that its
// mean is known before it is subtracted.
fn moments_of_tail(start: Cursor) -> Moments {
    var c = start;
    var pivot = vec4f();
    if WEIGHTED {
        var found = false;
        for (var left = start.tail; left > 0u; left--) {
            let q = next(&c);
            let w = weights_of(q);
            if !found && any(w > vec4f()) {
                pivot = any_of(w, load_x(q));
                found = true;
            }
        }
    } else {
        let first = next(&c);
        pivot = middle_of_one(first, load_x(first));
    }
    c = start;
    var count = 0.0;
    var sum = vec4f();
    for (var left = start.tail; left > 0u; left--) {
        let q = next(&c);
        let w = weights_of(q);
        sum += weighed(w, keep(q, present(w, load_x(q) - pivot, vec4f())));
        count += across(w).x;
    }
    let mean = across(sum) * share_of(1.0, count);
    var m2 = vec4f();
    c = start;
    for (var left = start.tail; left > 0u; left--) {
        let q = next(&c);
        let w = weights_of(q);
        let e = keep(q, present(w, (load_x(q) - pivot) - mean, vec4f()));
        m2 += weighed(w, e * e);
    }
    return Moments(count, pivot, mean, m2);
}
