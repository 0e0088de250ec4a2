// Formula: none; the eight quads of a block of a thread's walk.
// A workgroup owns, reads, writes: nothing. Needs: a mapping file of walks.
//
// Written out, since an array that is indexed by a loop may end up in memory.

struct Block {
    q0: Quad,
    q1: Quad,
    q2: Quad,
    q3: Quad,
    q4: Quad,
    q5: Quad,
    q6: Quad,
    q7: Quad,
}

// That under the cursor, which moves on to the next; with quads beyond the end of the walk, where it is no whole block.
fn quads_of_block(c: ptr<function, Cursor>) -> Block {
    let q0 = next(c);
    let q1 = next(c);
    let q2 = next(c);
    let q3 = next(c);
    let q4 = next(c);
    let q5 = next(c);
    let q6 = next(c);
    let q7 = next(c);
    next_block(c);
    return Block(q0, q1, q2, q3, q4, q5, q6, q7);
}
