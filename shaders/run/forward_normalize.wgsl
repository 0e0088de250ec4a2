// Formula: y = γ·(x − mean)·inv_std + β (normalize.wgsl), mean and inv_std from the merged partials.
// A workgroup owns: a run for each thread. Second of two dispatches.
// Reads: x, partials, gamma, beta. Writes: y; for the first split also saved and running statistics.
// Needs: params.wgsl, tensor/pairs.wgsl, run/map.wgsl, channel_rows.wgsl, moments.wgsl,
// partial_moments.wgsl, statistics.wgsl, pairs/affine.wgsl, run/normalize.wgsl and what it needs.

@compute @workgroup_size(WORKGROUP)
fn forward_normalize(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let r = own_run(id.y * grid.x + id.x, thread);
    if !exists(r) {
        return;
    }
    for (var k = 0u; k < r.channels; k++) {
        let p = place(r, k);
        let m = merge_partials(p);
        let n = normalizer(learned(p), m, saved_running(p));
        set_affine(k, folded(n.affine));
        if records(p) {
            record(p, m, n, tracked(p));
        }
    }
    normalize(r);
}
