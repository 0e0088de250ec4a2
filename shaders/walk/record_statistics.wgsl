// Formula: saved and running statistics of a batch, from the moments of its parts (statistics.wgsl).
// A workgroup owns: a channel a thread.
// Reads: parts, running statistics, gamma, beta. Writes: saved and running statistics, batch counts.
// Needs: params.wgsl, walk/map_rows.wgsl, channel_rows.wgsl, moments.wgsl, partial_moments.wgsl,
// normalize.wgsl, settings.wgsl, statistics.wgsl.

@compute @workgroup_size(WORKGROUP)
fn record_statistics(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let p = place(id.y * grid.x + id.x, thread);
    if !is_live(p) {
        return;
    }
    let m = merge_partials(p);
    let before = tracked(p);
    record(p, m, normalizer(learned(p), m, before.running), before);
}
