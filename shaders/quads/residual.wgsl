// Formula: none; what is added to a quad before its activation.
// A workgroup owns: its channels. Reads: residual. Writes: nothing.
// Needs: params.wgsl, a tensor file.

fn residual_of(q: Quad) -> vec4f {
    if RESIDUAL {
        return load_residual(q);
    }
    return vec4f();
}
