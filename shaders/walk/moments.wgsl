// Formula: the moments of a thread's walk, by block (../block_moments.wgsl).
// A workgroup owns: its channels' split. Reads: x, weights. Writes: nothing.
// Needs: params.wgsl, a tensor file, a mapping file of walks, weights.wgsl, moments.wgsl, block_moments.wgsl,
// walk/kept.wgsl and what it needs.

// Farther from the mean than any value whose square `f32` holds.
const FAR = 3e38;

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

// Of `blocks` blocks, one at least; on software adapters a loop that tests at its start takes a round more.
fn moments_of_group(c: ptr<function, Cursor>, pivot: vec4f, blocks: u32) -> Moments {
    var group = Moments(0.0, pivot, vec4f(), vec4f());
    var left = blocks;
    loop {
        let low = next_four(c);
        let high = next_four(c);
        if WEIGHTED {
            group = merge(group, weighted_block(low, high));
        } else {
            // In rows every component is the same, which compilers then know.
            group.pivot = in_quad(per_channel(group.pivot));
            group = with_block(group, low, high);
        }
        next_block(c);
        left--;
        if left == 0u { break; }
    }
    return group;
}

// Likewise, in groups.
fn moments_of_part(c: ptr<function, Cursor>, pivot: vec4f, blocks: u32) -> Moments {
    var part = Moments(0.0, pivot, vec4f(), vec4f());
    var left = blocks;
    loop {
        let some = min(left, BLOCKS_A_GROUP);
        part = merge(part, moments_of_group(c, part.pivot, some));
        left -= some;
        if left == 0u { break; }
    }
    return part;
}

// The moments of a thread's walk: of groups of blocks, and parts of groups, so that no chain of
// roundings is long.
fn moments_of(start: Cursor) -> Moments {
    var c = start;
    var left = c.blocks;
    var total = Moments();
    if !WEIGHTED && left > 0u {
        total = first_block(next_four(&c), next_four(&c));
        next_block(&c);
        left--;
    }
    if left > 0u {
        var pivot = total.pivot;
        loop {
            let some = min(left, GROUPS_A_PART * BLOCKS_A_GROUP);
            let part = moments_of_part(&c, pivot, some);
            total = merge(total, part);
            pivot = part.pivot;
            left -= some;
            if left == 0u { break; }
        }
    }
    // The quads after the last block.
    if !TAIL {
        return total;
    }
    if WEIGHTED {
        return merge(total, moments_of_weighted_tail(c));
    }
    if c.tail > 0u {
        total = merge(total, moments_of_kept(keep_block(&c, c.tail, first_quad(c))));
    }
    return total;
}

// About the value that is nearest to their mean, which starts from one of the heaviest: about a light one, which may be
// far away, the mean of the others would have few digits.
fn moments_of_weighted_tail(start: Cursor) -> Moments {
    var h = Heaviest();
    var c = start;
    for (var left = start.tail; left > 0u; left--) {
        let q = next(&c);
        h = heavier(h, weights_of(q), load_x(q));
    }
    let pivot = heaviest_across(h).x;
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
