// Formula: Σdy and Σdy·(x − mean) of one split of each channel (gradient_sums.wgsl).
// A workgroup owns: a band. First of two dispatches.
// Reads: x, dy, saved or running statistics. Writes: partials of each channel and split; frozen, dx.
// Needs: params.wgsl, tensor/pairs.wgsl, line/map.wgsl, channel_rows.wgsl, partial_sums.wgsl,
// line/sums.wgsl and what it needs.

@compute @workgroup_size(WORKGROUP)
fn backward_sums(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let b = band(id.y * grid.x + id.x);
    if !exists(b) {
        return;
    }
    // Threads that share a line have fewer channels at a time, and leave a partial each.
    for (var turn = 0u; turn < params.sharers; turn++) {
        var p = place_to_sum(b, (turn * WORKGROUP + thread) / params.sharers);
        p.lane = thread % params.sharers;
        p.split = b.split * params.sharers + p.lane;
        if is_live(p) {
            set_partial(p, sums_of(b, p, statistics(p).affine));
        }
    }
}
