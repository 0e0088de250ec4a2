// Formula: dx from the merged partials (gradient_input.wgsl); dγ, dβ.
// A workgroup owns: a strip. Second of two dispatches.
// Reads: x, dy, partials, saved or running statistics. Writes: dx, but for frozen statistics,
// where the first dispatch has written it; for the first split dgamma and dbeta.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, a file of channels, gradient_sums.wgsl,
// partial_sums.wgsl, gradient_input.wgsl, affine_gradients.wgsl, strip/corrections.wgsl, strip/columns.wgsl,
// strip/gradients.wgsl, strip/input.wgsl.

// Merges a quad's partials, and records what follows.
fn corrected_by(w: Strip, q: u32) -> Column {
    let p = place(w, q);
    let s = statistics(p);
    let sums = add_partials(p);
    if records(p) {
        record_gradients(p, s, sums);
    }
    return input_gradient(p, s, sums);
}

@compute @workgroup_size(WORKGROUP)
fn backward_input(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let w = strip(id.y * grid.x + id.x, thread);
    if !exists(w) {
        return;
    }
    let own = own_pairs();
    for (var k = 0u; k < own; k++) {
        push(Columns(corrected_by(w, 2u * k), corrected_by(w, 2u * k + 1u)));
    }
    if differentiates() {
        for (var k = own; k < PAIRS; k++) {
            push(pushed(own));
        }
        differentiate(w);
    }
}
