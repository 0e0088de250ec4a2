// Formula: the moments of one split of each channel (moments.wgsl).
// A workgroup owns: a strip. First of two dispatches.
// Reads: x. Writes: one partial a column and split.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, a file of channels, moments.wgsl,
// block_moments.wgsl, partial_moments.wgsl, strip/moments.wgsl and what it needs.

// Leaves a quad's partial result.
fn leave(w: Strip, q: u32, c: Column) {
    set_partial(partial_place(w, q, ROWS_A_PARTIAL), moments_of(c, w.end_row - w.first_row));
    let p = place(w, q);
    if records(p) {
        save_running(p);
    }
}

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
    for (var k = 0u; k < PAIRS; k++) {
        let c = Columns(columns[0], columns[1]);
        leave(w, 2u * k, c.low);
        leave(w, 2u * k + 1u, c.high);
        push(c);
    }
}
