// Formula: dx from the merged partials (gradient_input.wgsl); dγ, dβ.
// A workgroup owns: a run, which its threads share. Second of two dispatches.
// Reads: x, dy, partials, saved or running statistics. Writes: dx, but for frozen statistics, where the
// first dispatch has written it; for the first split dgamma and dbeta.
// Needs: params.wgsl, tensor/pairs.wgsl, run/map.wgsl, channel_rows.wgsl, partial_sums.wgsl,
// affine_gradients.wgsl, run/input.wgsl and what it needs.

@compute @workgroup_size(WORKGROUP)
fn backward_input(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let r = shared_run(id.y * grid.x + id.x);
    if !exists(r) {
        return;
    }
    for (var k = 0u; k < r.channels; k++) {
        let p = place(r, k);
        let sums = whole(add_partials(p));
        // One thread records a channel, and all know it.
        if records(p) && k % WORKGROUP == thread {
            record_gradients(p, statistics(p), sums);
        }
        if differentiates() {
            set_input_gradient(k, input_gradient(p, statistics(p), sums));
        }
    }
    if differentiates() {
        differentiate(r, thread);
    }
}
