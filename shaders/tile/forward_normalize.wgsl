// Formula: y = γ·(x − mean)·inv_std + β (normalize.wgsl), mean and inv_std from the merged partials.
// A workgroup owns: a tile. Second of two dispatches of the split path.
// Reads: x, partials, gamma, beta. Writes: y; for the first split also saved and running statistics.
// Needs: params.wgsl, a tensor file, tile/map.wgsl, moments.wgsl, partial_moments.wgsl,
// statistics.wgsl, normalize.wgsl, tile/affine.wgsl, tile/share_affine.wgsl, tile/normalize.wgsl.

@compute @workgroup_size(WORKGROUP)
fn forward_normalize(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let w = tile(id.y * grid.x + id.x);
    if !exists(w) {
        return;
    }
    for (var c = thread; c < w.channels; c += WORKGROUP) {
        let p = Place(w.channel + c, w.split, 0u);
        let m = merge_partials(p);
        let n = normalizer(learned(p), m, saved_running(p));
        if records(p) {
            record(p, m, n, tracked(p));
        }
        share_affine(c, folded(n.affine));
    }
    // All channels must have left what their columns need.
    workgroupBarrier();
    take_affine(w, thread);
    normalize(w, thread);
}
