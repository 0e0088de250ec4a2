// Formula: y = γ·(x − running mean)/√(running variance + ε) + β (normalize.wgsl)
// A workgroup owns: a band. Reads: x, gamma, beta, running statistics. Writes: y.
// Needs: params.wgsl, tensor/pairs.wgsl, line/map.wgsl, channel_rows.wgsl, pairs/affine.wgsl,
// line/normalize.wgsl and what it needs.

@compute @workgroup_size(WORKGROUP)
fn inference(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let b = shared_band(id.y * grid.x + id.x);
    if !exists(b) {
        return;
    }
    for (var k = 0u; k < channels_of(b); k++) {
        set_affine(k, running_affine(place(b, k)));
    }
    normalize(b, thread);
}
