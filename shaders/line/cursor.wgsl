// Formula: none; the walk of a thread along the lines of its channel in a band, in rounds, and groups of
// rounds.
// A workgroup owns, reads, writes: nothing.
// Needs: params.wgsl, tensor/pairs.wgsl, line/map.wgsl.

// Rounds whose sum is finished before it joins others.
const ROUNDS_A_GROUP = 16u;

// Elements that a thread sums in a round: two pairs, or one that may be of two lines.
fn round_step() -> u32 {
    return select(16u, 8u, HALVES);
}

fn rounds_a_line() -> u32 {
    return (local.inner + round_step() - 1u) / round_step();
}

fn groups_a_line() -> u32 {
    return (rounds_a_line() + ROUNDS_A_GROUP - 1u) / ROUNDS_A_GROUP;
}

// The pair that an element is in.
fn pair_of(i: u32) -> u32 {
    return i / 8u * 8u;
}

// A thread's walk along the lines of a channel, in groups of rounds, of like number in each line.
struct Cursor {
    line: u32,      // its first element
    at: u32,        // first of the next pair
    left: u32,      // rounds of this line
    groups: u32,    // of all lines
}

fn cursor(b: Band, p: Place) -> Cursor {
    let samples = b.end_sample - b.first_sample;
    let first = line(b.first_sample, p.channel);
    return Cursor(first, pair_of(first), rounds_a_line(), samples * groups_a_line());
}

// Rounds of the next group.
fn rounds_of(c: Cursor) -> u32 {
    return min(c.left, (rounds_a_line() + groups_a_line() - 1u) / groups_a_line());
}

// Past that group.
fn next_group(c: ptr<function, Cursor>) {
    let rounds = rounds_of(*c);
    (*c).groups--;
    (*c).left -= rounds;
    let ends = (*c).left == 0u;
    (*c).line += select(0u, local.outer_stride, ends);
    (*c).at = select((*c).at + rounds * round_step(), pair_of((*c).line), ends);
    (*c).left += select(0u, rounds_a_line(), ends);
}

// What of a pair is in a line.
fn within(c: Cursor, i: u32, v: Pair) -> Pair {
    if !HALVES {
        return v;
    }
    return Pair(
        select(vec4f(), v.low, i >= c.line),
        select(vec4f(), v.high, i + 4u < c.line + local.inner),
    );
}
