// Formula: y = γ·(x − running mean)/√(running variance + ε) + β (normalize.wgsl)
// A workgroup owns: one split of its channels.
// Reads: x, gamma, beta, running statistics. Writes: y.
// Needs: params.wgsl, a tensor file, a mapping file, normalize.wgsl,
// walk/normalize.wgsl.

@compute @workgroup_size(WORKGROUP)
fn inference(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let p = place(id.y * grid.x + id.x, thread);
    if !is_live(p) {
        return;
    }
    normalize(cursor(p), running_affine(p));
}
