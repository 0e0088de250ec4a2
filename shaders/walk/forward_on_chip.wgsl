// Formula: training forward, whole: moments (moments.wgsl), statistics (statistics.wgsl) and
// y = γ·(x − mean)·inv_std + β (normalize.wgsl).
// A workgroup owns: all values of its channels, and its threads keep them in registers, KEPT quads
// each at most. So x is read once.
// Reads: x, residual, gamma, beta, running statistics. Writes: y, saved and running statistics.
// Needs: params.wgsl, a tensor file, a mapping file of walks, moments.wgsl, statistics.wgsl, quads/normalize.wgsl,
// walk/merge_lanes.wgsl, walk/kept.wgsl, and what these need.

fn normalize_kept(k: Kept, a: Affine) {
    var c = k.start;
    let b = quads_of_block(&c);
    let y0 = y_of(or_other(b.q0, 0u < k.quads, k.other), k.x0, a);
    let y1 = y_of(or_other(b.q1, 1u < k.quads, k.other), k.x1, a);
    let y2 = y_of(or_other(b.q2, 2u < k.quads, k.other), k.x2, a);
    let y3 = y_of(or_other(b.q3, 3u < k.quads, k.other), k.x3, a);
    let y4 = y_of(or_other(b.q4, 4u < k.quads, k.other), k.x4, a);
    let y5 = y_of(or_other(b.q5, 5u < k.quads, k.other), k.x5, a);
    let y6 = y_of(or_other(b.q6, 6u < k.quads, k.other), k.x6, a);
    let y7 = y_of(or_other(b.q7, 7u < k.quads, k.other), k.x7, a);
    store_if(b.q0, 0u < k.quads, y0);
    store_if(b.q1, 1u < k.quads, y1);
    store_if(b.q2, 2u < k.quads, y2);
    store_if(b.q3, 3u < k.quads, y3);
    store_if(b.q4, 4u < k.quads, y4);
    store_if(b.q5, 5u < k.quads, y5);
    store_if(b.q6, 6u < k.quads, y6);
    store_if(b.q7, 7u < k.quads, y7);
}

fn store_if(q: Quad, is_there: bool, y_value: vec4f) {
    if is_there {
        store_y(q, y_value);
    }
}

@compute @workgroup_size(WORKGROUP)
fn forward_on_chip(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let p = place(id.y * grid.x + id.x, thread);
    // Read before the barriers in `merge_lanes`: the running statistics since lane 0 writes them after these, γ and β
    // so that they are on their way while x is.
    var l = Learned();
    var before = Tracked();
    if is_live(p) {
        l = learned(p);
        before = tracked(p);
    }
    var c = cursor(p);
    let quads = c.blocks * BLOCK + c.tail;
    let other = first_quad(c);
    // All of x is on its way before any of it is needed.
    let first = keep_block(&c, min(quads, BLOCK), other);
    var second = Kept();
    if KEPT > BLOCK {
        second = keep_block(&c, quads - first.quads, other);
    }
    var own = moments_of_kept(first);
    if KEPT > BLOCK {
        own = merge(own, moments_of_kept(second));
    }
    let m = merge_lanes(thread, p.lane, own);
    if !is_live(p) {
        return;
    }
    let n = normalizer(l, m, before.running);
    if p.lane == 0u {
        record(p, m, n, before);
    }
    let a = folded(n.affine);
    normalize_kept(first, a);
    if KEPT > BLOCK {
        normalize_kept(second, a);
    }
}
