// Formula: dx from the merged partials (gradient_input.wgsl); dγ, dβ.
// A workgroup owns: a band. Second of two dispatches.
// Reads: x, dy, partials, saved or running statistics. Writes: dx, but for frozen statistics,
// where the first dispatch has written it; for the first split dgamma and dbeta.
// Needs: params.wgsl, tensor/pairs.wgsl, line/map.wgsl, channel_rows.wgsl, partial_sums.wgsl,
// affine_gradients.wgsl, line/input.wgsl and what it needs.

@compute @workgroup_size(WORKGROUP)
fn backward_input(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let b = shared_band(id.y * grid.x + id.x);
    if !exists(b) {
        return;
    }
    // Threads record in turn, and each knows all channels. Where a band's first channel is there again, so are the
    // others.
    if records(place(b, 0u)) {
        for (var k = thread; k < channels_of(b); k += WORKGROUP) {
            let p = place(b, k);
            if !REPEATED || records(p) {
                record_gradients(p, statistics(p), whole(add_partials(p)));
            }
        }
    }
    if differentiates() {
        for (var k = 0u; k < channels_of(b); k++) {
            let p = place(b, k);
            set_input_gradient(k, input_gradient(p, statistics(p), whole(add_partials(p))));
        }
        differentiate(b, thread);
    }
}
