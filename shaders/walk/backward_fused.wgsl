// Formula: backward, whole: Σdy and Σdy·(x − mean) (gradient_sums.wgsl), dγ, dβ and dx
// (gradient_input.wgsl).
// A workgroup owns: all values of its channels, so one dispatch is enough; the second read of x
// and dy finds them in the caches.
// Reads: x, dy, gamma, saved or running statistics. Writes: dx, dgamma, dbeta.
// Needs: params.wgsl, a tensor file, a mapping file, gradient_sums.wgsl, gradient_input.wgsl,
// walk/add_lanes.wgsl, walk/sums.wgsl, walk/input.wgsl.

@compute @workgroup_size(WORKGROUP)
fn backward_fused(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let p = place(id.y * grid.x + id.x, thread);
    // Read before the barriers in `add_lanes`: after them lane 0 may step γ and β.
    var s = Statistics();
    if is_live(p) {
        s = statistics(p);
    }
    let sums = add_lanes(thread, p.lane, sums_of(cursor(p), s.affine));
    if !is_live(p) {
        return;
    }
    if p.lane == 0u {
        record_gradients(p, s, sums);
    }
    if differentiates() {
        differentiate(cursor(p), input_gradient(p, s, sums));
    }
}
