// Formula: none; the quads of a block of a thread's walk, of which fewer may be there than it has room for.
// A workgroup owns, reads, writes: nothing. Needs: params.wgsl.
//
// For GPUs, whose threads go on until they need what they have loaded: all loads of a block are to be on their way at a
// time. One in a branch may be waited for where the branch ends, since what is there otherwise goes into the same
// registers.

// What is loaded for a quad that may be missing: that, or another, which is known to be there.
fn or_other(q: Quad, is_there: bool, other: Quad) -> Quad {
    return Quad(select(other.at, q.at, is_there), q.valid, q.position);
}
