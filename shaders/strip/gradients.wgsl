// Formula: dz and x − pivot of a pair of a thread's columns (../gradient_sums.wgsl).
// A workgroup owns: a strip. Reads: x, dy, residual. Writes: nothing.
// Needs: params.wgsl, tensor/pairs.wgsl, strip/map.wgsl, strip/columns.wgsl,
// pairs/gradient_sums.wgsl and what it needs.

// Of the pair `k`.
fn gradient_of(i: u32, k: u32) -> PairGradient {
    return gradient_of_pair(load_input(i), columns[2u * k].affine, columns[2u * k + 1u].affine);
}
