// Formula: Σdz and Σdz·(x − mean) of a part of a batch, from the sums of its splits.
// A workgroup owns: a channel a thread. Last of the dispatches for a part's sums.
// Reads: partials. Writes: the part, one partial a channel.
// Needs: params.wgsl, walk/map_rows.wgsl, channel_rows.wgsl, gradient_sums.wgsl, partial_sums.wgsl.

@compute @workgroup_size(WORKGROUP)
fn merge_sums(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let p = place(id.y * grid.x + id.x, thread);
    if !is_live(p) {
        return;
    }
    var total = Sums();
    if has(FLAG_ACCUMULATE) {
        total = partial(params.part, p);
    }
    for (var k = 0u; k < params.slots; k++) {
        total = add(total, partial(params.first_slot + k, p));
    }
    store_partial(params.part, p, Sums(across(total.dz), across(total.dz_x)));
}
