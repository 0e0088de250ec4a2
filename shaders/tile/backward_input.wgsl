// Formula: dx from the merged partials (gradient_input.wgsl); dγ, dβ.
// A workgroup owns: a tile. Second of two dispatches of the split path.
// Reads: x, dy, partials, saved or running statistics. Writes: dx, but for frozen statistics,
// where the first dispatch has written it; for the first split dgamma and dbeta.
// Needs: params.wgsl, a tensor file, tile/map.wgsl, gradient_sums.wgsl, partial_sums.wgsl,
// gradient_input.wgsl, affine_gradients.wgsl, tile/affine.wgsl, tile/load_affine.wgsl, tile/sums.wgsl,
// tile/input.wgsl.

@compute @workgroup_size(WORKGROUP)
fn backward_input(
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
        let s = statistics(p);
        let sums = add_partials(p);
        if records(p) {
            record_gradients(p, s, sums);
        }
        if differentiates() {
            share_input_gradient(c, input_gradient(p, s, sums));
        }
    }
    if differentiates() {
        load_affine(w, thread);
        // All channels must have left what their columns need.
        workgroupBarrier();
        differentiate(w, thread);
    }
}
