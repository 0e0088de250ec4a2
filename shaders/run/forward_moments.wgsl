// Formula: the moments of one split of each channel (moments.wgsl).
// A workgroup owns: a run for each thread. First of two dispatches.
// Reads: x. Writes: one partial a channel and split.
// Needs: params.wgsl, tensor/pairs.wgsl, run/map.wgsl, channel_rows.wgsl, partial_moments.wgsl,
// run/moments.wgsl and what it needs.

@compute @workgroup_size(WORKGROUP)
fn forward_moments(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let r = own_run(id.y * grid.x + id.x, thread);
    if !exists(r) {
        return;
    }
    sum_moments(r);
    for (var k = 0u; k < r.channels; k++) {
        let p = place(r, k);
        set_partial(p, unpacked(all_moments[k]));
        if records(p) {
            save_running(p);
        }
    }
}
