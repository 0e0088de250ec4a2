// Formula: the moments of one split of each channel (moments.wgsl).
// A workgroup owns: a strip. First of two dispatches.
// Reads: x. Writes: one partial a column and split.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, a file of channels, moments.wgsl,
// block_moments.wgsl, partial_moments.wgsl, strip/moments.wgsl and what it needs.

@compute @workgroup_size(WORKGROUP)
fn forward_moments(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let w = strip(id.y * grid.x + id.x, thread);
    if !exists(w) {
        return;
    }
    sum_moments(w);
    for (var q = 0u; q < 2u * PAIRS; q++) {
        let p = place(w, q);
        let c = columns[0];
        set_partial(partial_place(w, q, ROWS_A_PARTIAL), moments_of(c, w.end_row - w.first_row));
        if records(p) {
            save_running(p);
        }
        push(c);
    }
}
