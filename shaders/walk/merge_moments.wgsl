// Formula: the moments of a part of a batch, from the partials of its splits (moments.wgsl).
// A workgroup owns: a channel a thread. Last of the dispatches for a part's moments.
// Reads: partials. Writes: the part, one partial a channel.
// Needs: params.wgsl, walk/map_rows.wgsl, channel_rows.wgsl, moments.wgsl, partial_moments.wgsl.

@compute @workgroup_size(WORKGROUP)
fn merge_moments(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let p = place(id.y * grid.x + id.x, thread);
    if !is_live(p) {
        return;
    }
    var total = Moments();
    if has(FLAG_ACCUMULATE) {
        total = partial(params.part, p);
    }
    for (var k = 0u; k < params.slots; k++) {
        total = merge(total, partial(params.first_slot + k, p));
    }
    store_partial(params.part, p, total);
}
