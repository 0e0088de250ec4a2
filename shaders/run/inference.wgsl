// Formula: y = γ·(x − running mean)/√(running variance + ε) + β (normalize.wgsl)
// A workgroup owns: a run for each thread. Reads: x, gamma, beta, running statistics. Writes: y.
// Needs: params.wgsl, tensor/pairs.wgsl, run/map.wgsl, channel_rows.wgsl, pairs/affine.wgsl,
// run/normalize.wgsl and what it needs.

@compute @workgroup_size(WORKGROUP)
fn inference(
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
        set_affine(k, running_affine(place(r, k)));
    }
    normalize(r);
}
