// Formula: y = γ·(x − mean)·inv_std + β (normalize.wgsl), mean and inv_std from the merged partials.
// A workgroup owns: a strip. Second of two dispatches.
// Reads: x, partials, gamma, beta. Writes: y; for the first split also saved and running statistics.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, a file of channels, moments.wgsl,
// partial_moments.wgsl, statistics.wgsl, normalize.wgsl, strip/affine.wgsl, strip/columns.wgsl,
// strip/normalize.wgsl.

// Merges a quad's partials, and records what follows.
fn normalized_by(w: Strip, q: u32) -> Column {
    let p = place(w, q);
    let m = merge_partials(p);
    let n = normalizer(learned(p), m, saved_running(p));
    if records(p) {
        record(p, m, n, tracked(p));
    }
    return folded(n.affine);
}

@compute @workgroup_size(WORKGROUP)
fn forward_normalize(
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
        push(Columns(normalized_by(w, 2u * k), normalized_by(w, 2u * k + 1u)));
    }
    for (var k = own; k < PAIRS; k++) {
        push(pushed(own));
    }
    normalize(w);
}
