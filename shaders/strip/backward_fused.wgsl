// Formula: backward, whole: Σdy and Σdy·(x − mean) (gradient_sums.wgsl), dγ, dβ and dx
// (gradient_input.wgsl).
// A workgroup owns: a strip, whose columns are a channel each, so one dispatch is enough; the second read of x
// and dy finds them in the caches, if rows are few.
// Reads: x, dy, gamma, saved or running statistics. Writes: dx, dgamma, dbeta.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, a file of channels, gradient_sums.wgsl,
// gradient_input.wgsl, affine_gradients.wgsl, strip/sums.wgsl and strip/input.wgsl and what they need.

// Once sums are known, offset and slope are in their places.
fn correction_of(c: Column) -> InputGradient {
    return InputGradient(c.affine, c.sum, c.product);
}

// What follows of a quad's sums, which it records.
fn corrected_by(w: Strip, q: u32, c: Column) -> Column {
    let p = place(w, q);
    let s = statistics(p);
    let sums = sums_of(c);
    if records(p) {
        record_gradients(p, s, sums);
    }
    let i = input_gradient(p, s, sums);
    return Column(i.affine, i.offset, i.slope);
}

@compute @workgroup_size(WORKGROUP)
fn backward_fused(
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
        push(Columns(corrected_by(w, 2u * k, columns[0]), corrected_by(w, 2u * k + 1u, columns[1])));
    }
    if differentiates() {
        differentiate(w);
    }
}
