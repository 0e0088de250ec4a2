// Formula: none; the walk of a thread along the lines of its channel in a band: each in rounds of two pairs, in
// groups of rounds, and a rest.
// A workgroup owns, reads, writes: nothing.
// Needs: params.wgsl, tensor/pairs.wgsl, line/map.wgsl.

// Rounds whose sum is finished before it joins others.
const ROUNDS_A_GROUP = 32u;

// Elements of a round.
const ROUND = 16u;

// That are the line's alone, wherever it starts.
fn rounds_a_line() -> u32 {
    return (local.inner - select(0u, 7u, CUT)) / ROUND;
}

fn groups_a_line() -> u32 {
    return (rounds_a_line() + ROUNDS_A_GROUP - 1u) / ROUNDS_A_GROUP;
}

// A thread's walk along the lines of a channel, in groups of rounds, of like number in each line.
struct Cursor {
    line: u32,      // its first element
    at: u32,        // first of the next round
    left: u32,      // rounds of this line
    groups: u32,    // of all lines
}

fn cursor(b: Band, channel: u32) -> Cursor {
    let samples = b.end_sample - b.first_sample;
    let first = line(b.first_sample, channel);
    return Cursor(first, pair_from(first), rounds_a_line(), samples * groups_a_line());
}

// Where the rounds of the next group end.
fn end_of_group(c: Cursor) -> u32 {
    return c.at + ROUND * rounds_of(c);
}

// Rounds of the next group.
fn rounds_of(c: Cursor) -> u32 {
    return min(c.left, (rounds_a_line() + groups_a_line() - 1u) / groups_a_line());
}

// Whether that is a line's last, which what is beyond rounds belongs to.
fn has_rest(c: Cursor) -> bool {
    return (HALVES || CUT) && c.left == rounds_of(c);
}

// Past that group.
fn next_group(c: ptr<function, Cursor>) {
    let at = end_of_group(*c);
    (*c).groups--;
    (*c).left -= rounds_of(*c);
    let ends = (*c).left == 0u;
    (*c).line += select(0u, local.outer_stride, ends);
    (*c).at = select(at, pair_from((*c).line), ends);
    (*c).left += select(0u, rounds_a_line(), ends);
}

// The pairs of a line that no round has: the one that it starts in the middle of, and those at its end. Where lines
// are of whole quads they are as many for each thread: one or two.
fn first_of_rest(c: Cursor) -> u32 {
    return select(end_of_group(c), pair_of(c.line), c.line % 8u != 0u);
}

fn next_of_rest(c: Cursor, i: u32) -> u32 {
    return max(i + 8u, end_of_group(c));
}

fn end_of_line(c: Cursor) -> u32 {
    return c.line + local.inner;
}

fn elements_of_rest() -> u32 {
    return local.inner - ROUND * rounds_a_line();
}
