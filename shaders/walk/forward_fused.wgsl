// Formula: training forward, whole: moments (moments.wgsl), statistics (statistics.wgsl) and
// y = γ·(x − mean)·inv_std + β (normalize.wgsl).
// A workgroup owns: all values of its channels, so one dispatch is enough; the second read of x
// finds it in the caches.
// Reads: x, gamma, beta, running statistics. Writes: y, saved and running statistics.
// Needs: params.wgsl, a tensor file, a mapping file, moments.wgsl, block_moments.wgsl,
// statistics.wgsl, normalize.wgsl, walk/merge_lanes.wgsl, walk/moments.wgsl, walk/normalize.wgsl.

@compute @workgroup_size(WORKGROUP)
fn forward_fused(
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
    let m = merge_lanes(thread, p.lane, moments_of(cursor(p)));
    if !is_live(p) {
        return;
    }
    let n = normalizer(l, m, before.running);
    if p.lane == 0u {
        record(p, m, n, before);
    }
    normalize(cursor(p), folded(n.affine));
}
