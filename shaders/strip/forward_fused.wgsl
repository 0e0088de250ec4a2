// Formula: training forward, whole: moments (moments.wgsl), statistics (statistics.wgsl) and
// y = γ·(x − mean)·inv_std + β (normalize.wgsl).
// A workgroup owns: a strip, whose columns are a channel each, so one dispatch is enough; the second read of x
// finds it in the caches, if rows are few.
// Reads: x, gamma, beta, running statistics. Writes: y, saved and running statistics.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, a file of channels, moments.wgsl, statistics.wgsl,
// normalize.wgsl, strip/moments.wgsl and strip/normalize.wgsl and what they need.

// Once sums are known, scale and shift are in their places.
fn affine_of(c: Column) -> Affine {
    return Affine(c.pivot, vec4f(), c.sum, c.product);
}

// What follows of a quad's moments, which it records.
fn normalized_by(w: Strip, q: u32, c: Column) -> Column {
    let p = place(w, q);
    let m = moments_of(c, w.end_row - w.first_row);
    let before = tracked(p);
    let n = normalizer(learned(p), m, before.running);
    if records(p) {
        record(p, m, n, before);
    }
    let a = folded(n.affine);
    return Column(a.pivot, a.scale, a.shift);
}

@compute @workgroup_size(WORKGROUP)
fn forward_fused(
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
        push(Columns(normalized_by(w, 2u * k, columns[0]), normalized_by(w, 2u * k + 1u, columns[1])));
    }
    normalize(w);
}
