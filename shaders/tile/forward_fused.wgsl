// Formula: training forward, whole: moments (moments.wgsl), statistics (statistics.wgsl) and
// y = γ·(x − mean)·inv_std + β (normalize.wgsl).
// A workgroup owns: a tile of all rows, so one dispatch is enough; the second read of x finds much
// of it in the caches.
// Reads: x, gamma, beta, running statistics. Writes: y, saved and running statistics.
// Needs: params.wgsl, a tensor file, tile/map.wgsl, moments.wgsl, block_moments.wgsl,
// statistics.wgsl, normalize.wgsl, tile/moments.wgsl, tile/affine.wgsl, tile/share_affine.wgsl,
// tile/normalize.wgsl.

@compute @workgroup_size(WORKGROUP)
fn forward_fused(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let w = tile(id.y * grid.x + id.x);
    if !exists(w) {
        return;
    }
    share_moments(w, thread);
    // All columns must have been shared.
    workgroupBarrier();
    for (var c = thread; c < w.channels; c += WORKGROUP) {
        let p = Place(w.channel + c, w.split, 0u);
        let m = fold_moments(w, c);
        let before = tracked(p);
        let n = normalizer(learned(p), m, before.running);
        record(p, m, n, before);
        share_affine(c, folded(n.affine));
    }
    // All channels must have left what their columns need.
    workgroupBarrier();
    take_affine(w, thread);
    normalize(w, thread);
}
