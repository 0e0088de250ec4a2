// Formula: Σdy and Σdy·(x − mean) of one split of each channel (gradient_sums.wgsl).
// A workgroup owns: a tile. First of two dispatches of the split path.
// Reads: x, dy, saved or running statistics. Writes: one partial a channel and split; frozen, dx.
// Needs: params.wgsl, a tensor file, tile/map.wgsl, gradient_sums.wgsl, partial_sums.wgsl,
// tile/affine.wgsl, tile/load_affine.wgsl, tile/sums.wgsl.

@compute @workgroup_size(WORKGROUP)
fn backward_sums(
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
        set_partial(p, fold_sums(c));
    }
}
