// Formula: y = γ·(x − running mean)/√(running variance + ε) + β (normalize.wgsl)
// A workgroup owns: a tile. Reads: x, gamma, beta, running statistics. Writes: y.
// Needs: params.wgsl, a tensor file, tile/map.wgsl, normalize.wgsl, tile/affine.wgsl,
// tile/load_affine.wgsl, tile/normalize.wgsl.

fn known_affine(p: Place) -> Affine {
    return running_affine(p);
}

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
    load_affine(w, thread);
    normalize(w, thread);
}
