// Formula: Σdy and Σdy·(x − mean) of one split of each channel (gradient_sums.wgsl).
// A workgroup owns: a run for each thread. First of two dispatches.
// Reads: x, dy, saved or running statistics. Writes: one partial a channel and split; frozen, dx.
// Needs: params.wgsl, tensor/pairs.wgsl, run/map.wgsl, channel_rows.wgsl, partial_sums.wgsl,
// run/sums.wgsl and what it needs.

@compute @workgroup_size(WORKGROUP)
fn backward_sums(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let r = own_run(id.y * grid.x + id.x, thread);
    if !exists(r) {
        return;
    }
    for (var k = 0u; k < r.channels; k++) {
        set_affine(k, statistics(place(r, k)).affine);
    }
    sum_gradients(r);
    for (var k = 0u; k < r.channels; k++) {
        set_partial(place(r, k), sums_of(k));
    }
}
