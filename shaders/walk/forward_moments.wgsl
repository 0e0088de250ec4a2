// Formula: the moments of one split of each channel (moments.wgsl).
// A workgroup owns: one split of its channels. First of two dispatches of the split path.
// Reads: x. Writes: one partial a channel and split.
// Needs: params.wgsl, a tensor file, a mapping file, moments.wgsl, block_moments.wgsl,
// partial_moments.wgsl, walk/merge_lanes.wgsl, walk/moments.wgsl.

@compute @workgroup_size(WORKGROUP)
fn forward_moments(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let p = place(id.y * grid.x + id.x, thread);
    let m = merge_lanes(thread, p.lane, moments_of(cursor(p)));
    if p.lane == 0u && is_live(p) {
        set_partial(p, m);
        if records(p) {
            save_running(p);
        }
    }
}
