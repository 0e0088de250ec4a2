// Formula: none; the quads of a block of a thread's walk, of which fewer may be there than it has room for.
// A workgroup owns, reads, writes: nothing. Needs: params.wgsl.
//
// For GPUs, whose threads go on until they need what they have loaded: all loads of a block are to be on their way at a
// time. One in a branch may be waited for where the branch ends, since what is there otherwise goes into the same
// registers.

// What is loaded for a quad that may not be there: that one or the first.
fn or_first(q: Quad, is_there: bool, first: Quad) -> Quad {
    return Quad(
        select(first.at, q.at, is_there),
        select(first.valid, q.valid, is_there),
        select(first.position, q.position, is_there),
    );
}
