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
    sum_gradients(w);
    for (var k = 0u; k < PAIRS; k++) {
        let c = Columns(columns[0], columns[1]);
        set_partial(partial_place(w, 2u * k, ROWS_A_PARTIAL), sums_of(c.low));
        set_partial(partial_place(w, 2u * k + 1u, ROWS_A_PARTIAL), sums_of(c.high));
        push(c);
    }
}
