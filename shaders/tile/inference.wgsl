// Formula: y = γ·(x − running mean)/√(running variance + ε) + β (normalize.wgsl)
// A workgroup owns: a tile. Reads: x, gamma, beta, running statistics. Writes: y.
// Needs: params.wgsl, a tensor file, tile/map.wgsl, normalize.wgsl, tile/normalize.wgsl.

@compute @workgroup_size(WORKGROUP)
fn inference(
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
        share_affine(c, running_affine(p));
    }
    // All channels must have left what their columns need.
    workgroupBarrier();
    normalize(w, thread);
}
