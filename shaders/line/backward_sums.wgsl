// Formula: Σdy and Σdy·(x − mean) of one split of each channel (gradient_sums.wgsl).
// A workgroup owns: a band. First of two dispatches.
// Reads: x, dy, saved or running statistics. Writes: one partial a channel, split and thread;
// frozen, dx.
// Needs: params.wgsl, tensor/pairs.wgsl, line/map.wgsl, channel_rows.wgsl, partial_sums.wgsl,
// line/sums.wgsl and what it needs.

@compute @workgroup_size(WORKGROUP)
fn backward_sums(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let b = shared_band(id.y * grid.x + id.x);
    if !exists(b) {
        return;
    }
    for (var k = 0u; k < channels_of(b); k++) {
        set_affine(k, statistics(place(b, k)).affine);
    }
    sum_gradients(b, thread);
    for (var k = 0u; k < channels_of(b); k++) {
        var p = place(b, k);
        p.split = p.split * WORKGROUP + thread;
        set_partial(p, sums_of(k));
    }
}
