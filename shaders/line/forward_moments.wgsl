// Formula: the moments of one split of each channel (moments.wgsl).
// A workgroup owns: a band. First of two dispatches.
// Reads: x. Writes: one partial a channel and split.
// Needs: params.wgsl, tensor/pairs.wgsl, line/map.wgsl, channel_rows.wgsl, partial_moments.wgsl,
// line/moments.wgsl and what it needs.

@compute @workgroup_size(WORKGROUP)
fn forward_moments(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let b = own_band(id.y * grid.x + id.x);
    if !exists(b) {
        return;
    }
    let channel = channel_to_sum(b, thread);
    if channel >= params.channels {
        return;
    }
    let p = place_of(channel, b.split);
    set_partial(p, moments_of(b, channel));
    if records(p) {
        save_running(p);
    }
}
