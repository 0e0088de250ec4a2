// Formula: backward, whole: Σdy and Σdy·(x − mean) (gradient_sums.wgsl), dγ, dβ and dx
// (gradient_input.wgsl).
// A workgroup owns: a tile of all rows, so one dispatch is enough; the second read of x and dy
// finds much of them in the caches.
// Reads: x, dy, gamma, saved or running statistics. Writes: dx, dgamma, dbeta.
// Needs: params.wgsl, a tensor file, tile/map.wgsl, gradient_sums.wgsl, gradient_input.wgsl,
// tile/affine.wgsl, tile/load_affine.wgsl, tile/sums.wgsl, tile/input.wgsl.

@compute @workgroup_size(WORKGROUP)
fn backward_fused(
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
    share_sums(w, thread);
    // All columns must have been shared.
    workgroupBarrier();
    for (var c = thread; c < w.channels; c += WORKGROUP) {
        let p = Place(w.channel + c, w.split, 0u);
        let s = statistics(p);
        let sums = fold_sums(c);
        record_gradients(p, s, sums);
        if differentiates() {
            share_input_gradient(c, input_gradient(p, s, sums));
        }
    }
    if differentiates() {
        // All channels must have left what their columns need.
        workgroupBarrier();
        differentiate(w, thread);
    }
}
