// Formula: none; what is added to a pair of quads before its activation.
// A workgroup owns: its channels. Reads: residual. Writes: nothing.
// Needs: params.wgsl, tensor/pairs.wgsl.

fn residual_of(i: u32) -> Pair {
    if RESIDUAL {
        return load_residual(i);
    }
    return Pair();
}
