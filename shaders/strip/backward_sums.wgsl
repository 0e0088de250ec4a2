// Formula: Σdy and Σdy·(x − mean) of one split of each channel (gradient_sums.wgsl).
// A workgroup owns: a strip. First of two dispatches.
// Reads: x, dy, saved or running statistics. Writes: one partial a column and split; frozen, dx.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, a file of channels, gradient_sums.wgsl,
// partial_sums.wgsl, strip/columns.wgsl, strip/gradients.wgsl, strip/sums.wgsl.

@compute @workgroup_size(WORKGROUP)
fn backward_sums(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let w = strip(id.y * grid.x + id.x, thread);
    if !exists(w) {
        return;
    }
    for (var q = 0u; q < 2u * PAIRS; q++) {
        push(Column(statistics(place(w, q)).affine, vec4f(), vec4f()));
    }
    sum_gradients(w);
    for (var q = 0u; q < 2u * PAIRS; q++) {
        let c = columns[0];
        set_partial(partial_place(w, q, ROWS_A_PARTIAL), Sums(c.sum, c.product));
        push(c);
    }
}
