// Formula: y = γ·(x − mean)·inv_std + β (normalize.wgsl), mean and inv_std from the merged partials.
// A workgroup owns: one split of its channels. Second of two dispatches of the split path.
// Reads: x, partials, gamma, beta. Writes: y; for the first split also saved and running statistics.
// Needs: params.wgsl, a tensor file, a mapping file, moments.wgsl, partial_moments.wgsl,
// statistics.wgsl, normalize.wgsl, walk/merge_lanes.wgsl, walk/normalize.wgsl.

@compute @workgroup_size(WORKGROUP)
fn forward_normalize(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let p = place(id.y * grid.x + id.x, thread);
    let m = merge_lanes(thread, p.lane, merge_partials(p));
    if !is_live(p) {
        return;
    }
    let n = normalizer(learned(p), m, saved_running(p));
    if p.lane == 0u && records(p) {
        record(p, m, n, tracked(p));
    }
    normalize(cursor(p), folded(n.affine));
}
