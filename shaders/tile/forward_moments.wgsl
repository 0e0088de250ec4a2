// Formula: the moments of one split of each channel (moments.wgsl).
// A workgroup owns: a tile. First of two dispatches of the split path.
// Reads: x. Writes: one partial a channel and split.
// Needs: params.wgsl, a tensor file, tile/map.wgsl, moments.wgsl, block_moments.wgsl,
// partial_moments.wgsl, tile/moments.wgsl.

@compute @workgroup_size(WORKGROUP)
fn forward_moments(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let w = tile(id.y * grid.x + id.x);
    if !exists(w) {
        return;
    }
    share_moments(w, thread);
    // All columns must have been shared.
    workgroupBarrier();
    for (var c = thread; c < w.channels; c += WORKGROUP) {
        let p = Place(w.channel + c, w.split, 0u);
        set_partial(p, fold_moments(w, c));
        if records(p) {
            save_running(p);
        }
    }
}
