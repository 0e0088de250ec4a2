// Formula: y = γ·(x − mean)·inv_std + β (normalize.wgsl), mean and inv_std from the merged partials.
// A workgroup owns: a strip. Second of two dispatches.
// Reads: x, partials, gamma, beta. Writes: y; for the first split also saved and running statistics.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, a file of channels, moments.wgsl,
// partial_moments.wgsl, statistics.wgsl, normalize.wgsl, strip/columns.wgsl,
// strip/normalize.wgsl.

@compute @workgroup_size(WORKGROUP)
fn forward_normalize(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let w = strip(id.y * grid.x + id.x, thread);
    if !exists(w) {
        return;
    }
    let own = own_pairs();
    for (var q = 0u; q < 2u * own; q++) {
        let p = place(w, q);
        let m = merge_partials(p);
        let n = normalizer(learned(p), m, saved_running(p));
        if records(p) {
            record(p, m, n, tracked(p));
        }
        push(folded(n.affine));
    }
    for (var q = 2u * own; q < 2u * PAIRS; q++) {
        push(pushed(own));
    }
    normalize(w);
}
