// Formula: y = γ·(x − running mean)/√(running variance + ε) + β (normalize.wgsl)
// A workgroup owns: a strip. Reads: x, gamma, beta, running statistics. Writes: y.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, a file of channels, normalize.wgsl,
// strip/affine.wgsl, strip/columns.wgsl, strip/normalize.wgsl.

@compute @workgroup_size(WORKGROUP)
fn inference(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let w = strip(id.y * grid.x + id.x, thread);
    if !exists(w) {
        return;
    }
    for (var k = 0u; k < PAIRS; k++) {
        push(Columns(running_affine(place(w, 2u * k)), running_affine(place(w, 2u * k + 1u))));
    }
    normalize(w);
}
