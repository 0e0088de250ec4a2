// Formula: none; what a thread knows of its columns where all that it does is normalize.
// A workgroup owns: a strip. Reads and writes: nothing.
// Needs: normalize.wgsl.

alias Column = Affine;

fn affine_of(c: Column) -> Affine {
    return c;
}
