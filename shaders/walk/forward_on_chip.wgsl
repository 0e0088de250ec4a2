// Formula: training forward, whole: moments (moments.wgsl), statistics (statistics.wgsl) and
// y = γ·(x − mean)·inv_std + β (normalize.wgsl).
// A workgroup owns: all values of its channels, and its threads keep them in registers, KEPT quads
// each at most. So x is read once.
// Reads: x, residual, gamma, beta, running statistics. Writes: y, saved and running statistics.
// Needs: params.wgsl, a tensor file, a mapping file, moments.wgsl, block_moments.wgsl,
// statistics.wgsl, normalize.wgsl, walk/merge_lanes.wgsl, walk/kept.wgsl.

@compute @workgroup_size(WORKGROUP)
fn forward_on_chip(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let p = place(id.y * grid.x + id.x, thread);
    // Read before the barriers in `merge_lanes`: after them lane 0 writes.
    var before = Running();
    if is_live(p) {
        before = running_statistics(p);
    }
    var c = cursor(p);
    let quads = c.blocks * BLOCK + c.tail;
    let first = keep_block(&c, min(quads, BLOCK));
    var own = moments_of_kept(first);
    var second = Kept();
    if KEPT > BLOCK {
        second = keep_block(&c, quads - first.quads);
        own = merge(own, moments_of_kept(second));
    }
    let m = merge_lanes(thread, p.lane, own);
    if !is_live(p) {
        return;
    }
    let n = normalizer(p, m, before);
    if p.lane == 0u {
        record(p, m, n);
    }
    let a = folded(n.affine);
    normalize_kept(first, a);
    if KEPT > BLOCK {
        normalize_kept(second, a);
    }
}
