// Formula: dx from the merged partials (gradient_input.wgsl); dγ, dβ.
// A workgroup owns: one split of its channels. Second of two dispatches of the split path.
// Reads: x, dy, partials, saved or running statistics. Writes: dx, but for frozen statistics,
// where the first dispatch has written it; for the first split dgamma and dbeta.
// Needs: params.wgsl, a tensor file, a mapping file, gradient_sums.wgsl, partial_sums.wgsl,
// gradient_input.wgsl, walk/add_lanes.wgsl, walk/input.wgsl.

@compute @workgroup_size(WORKGROUP)
fn backward_input(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let p = place(id.y * grid.x + id.x, thread);
    let sums = add_lanes(thread, p.lane, add_partials(p));
    if !is_live(p) {
        return;
    }
    let s = statistics(p);
    if p.lane == 0u && records(p) {
        record_gradients(p, s, sums);
    }
    if differentiates() {
        differentiate(cursor(p), input_gradient(p, s, sums));
    }
}
