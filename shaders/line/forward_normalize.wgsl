// Formula: y = γ·(x − mean)·inv_std + β (normalize.wgsl), mean and inv_std from the merged partials.
// A workgroup owns: a band. Second of two dispatches.
// Reads: x, partials, gamma, beta. Writes: y; for the first split also saved and running statistics.
// Needs: params.wgsl, tensor/pairs.wgsl, line/map.wgsl, channel_rows.wgsl, moments.wgsl,
// partial_moments.wgsl, statistics.wgsl, pairs/affine.wgsl, line/normalize.wgsl and what it needs.

fn merged_normalizer(p: Place, m: Moments) -> Normalizer {
    return normalizer(learned(p), m, saved_running(p));
}

@compute @workgroup_size(WORKGROUP)
fn forward_normalize(
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
                let m = merge_partials(p);
                record(p, m, merged_normalizer(p, m), tracked(p));
            }
        }
    }
    for (var k = 0u; k < channels_of(b); k++) {
        let p = place(b, k);
        set_affine(k, folded(merged_normalizer(p, merge_partials(p)).affine));
    }
    normalize(b, thread);
}
