// Formula: Σdy and Σdy·(x − mean) of one split of each channel (gradient_sums.wgsl).
// A workgroup owns: one split of its channels. First of two dispatches of the split path.
// Reads: x, dy, saved or running statistics. Writes: one partial a channel and split; frozen, dx.
// Needs: params.wgsl, a tensor file, a mapping file, gradient_sums.wgsl, partial_sums.wgsl,
// walk/add_lanes.wgsl, walk/sums.wgsl.

@compute @workgroup_size(WORKGROUP)
fn backward_sums(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let p = place(id.y * grid.x + id.x, thread);
    var a = Affine();
    if is_live(p) {
        a = statistics(p).affine;
    }
    let sums = add_lanes(thread, p.lane, sums_of(cursor(p), a));
    if p.lane == 0u && is_live(p) {
        set_partial(p, sums);
    }
}
