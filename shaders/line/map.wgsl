// Formula: the mapping of a workgroup to a band of a channels-first tensor, outer × channels × inner.
// A workgroup owns: one split of the samples of WORKGROUP channels side by side. What is summed, each
// thread sums over a channel of its own: none waits for another. What is written, all threads write
// side by side, line after line, as memory has them.
// Reads and writes: the per-channel rows of state and work, for its channels.
// Needs: params.wgsl and tensor/pairs.wgsl. A line, the values of a channel in a sample, is a multiple of
// a quad, and has two pairs for each thread; samples are multiples of a pair. So a line may start or end
// in the middle of a pair: that of an odd channel starts there.
//
// For adapters that are cores with caches. Eight threads that read a line each are as many streams as a
// core follows; that write one each are more. Loops end at their end, which here is in time: one that
// tests at its start runs once more than it has work, with all threads off.

// Values of one channel in a quad.
const VALUES_A_QUAD = 4u;
// Channels of a band at most: threads of a workgroup.
const MAX_CHANNELS = 16u;
// Rounds whose sum is finished before it joins others.
const ROUNDS_A_GROUP = 16u;

struct Band {
    channel: u32,       // first, in the piece
    first_sample: u32,
    end_sample: u32,
    split: u32,
}

fn band(workgroup: u32) -> Band {
    let bands = (params.channels + WORKGROUP - 1u) / WORKGROUP;
    let split = workgroup / bands;
    let first_sample = min(split * params.chunk, params.outer);
    let end_sample = min(first_sample + params.chunk, params.outer);
    return Band((workgroup % bands) * WORKGROUP, first_sample, end_sample, split);
}

// A grid of two dimensions may hold workgroups beyond the last, and a split may have no samples.
fn exists(b: Band) -> bool {
    return b.split < params.splits;
}

fn is_empty(b: Band) -> bool {
    return b.first_sample >= b.end_sample;
}

// The last band may have fewer than there are threads.
fn channels_of(b: Band) -> u32 {
    return min(WORKGROUP, params.channels - b.channel);
}

struct Place {
    channel: u32,   // in the piece; beyond its channels for threads without work
    split: u32,
    lane: u32,
}

// Of the band's channel `k`.
fn place(b: Band, k: u32) -> Place {
    return Place(b.channel + k, b.split, 0u);
}

fn is_live(p: Place) -> bool {
    return p.channel < params.channels;
}

// The sum over the values of a channel in a quad, in every component.
fn across(v: vec4f) -> vec4f {
    return vec4f((v.x + v.y) + (v.z + v.w));
}

// All quads are whole.
fn keep(q: Quad, v: vec4f) -> vec4f {
    return v;
}

// Element of the piece at the start of a line.
fn line(sample: u32, channel: u32) -> u32 {
    return sample * local.outer_stride + channel * local.inner;
}

// What threads write side by side: two lines, one after the other, or a band's last. The first starts with
// a pair.
struct Lines {
    first: u32,
    second: u32,    // where that starts
    end: u32,
}

// Of a sample, from channel `k` of the band on.
fn lines(b: Band, sample: u32, k: u32) -> Lines {
    let first = line(sample, b.channel + k);
    let end = first + min(2u, channels_of(b) - k) * local.inner;
    return Lines(first, first + local.inner, end);
}

// Whether the halves of a pair are of the second line.
fn is_second(l: Lines, i: u32) -> vec2<bool> {
    let low = i >= l.second;
    return vec2<bool>(low, select(low, i + 4u >= l.second, HALVES));
}

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
