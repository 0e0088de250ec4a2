// Formula: the mapping of a workgroup to a channels-first tensor, outer × channels × inner, whose lines, the
// values of a channel in a sample, are of any length.
// A workgroup owns: runs, one for each thread, or one that all share. A run is one split of the samples of a multiple
// of eight channels in a row: in each sample their lines start and end with a pair of quads, however long they are.
// What is summed, and y, each thread goes through in a run of its own; dx all threads write side by side, over one run
// of eight channels. Reads and writes: the per-channel rows of state and work, for its channels. Needs: params.wgsl,
// tensor/pairs.wgsl and pairs/place.wgsl. Channels are a multiple of eight, and a line has a whole pair.
//
// For adapters that are cores with caches. No thread waits for another, and a pair in which a line ends is
// loaded once: it serves the next as well. The longer a run in a sample, the better a core's prefetcher follows
// that many threads.

// Channels of a run that a thread has for itself at most, and of one that all share.
const MAX_CHANNELS = 32u;
const SHARED_CHANNELS = 8u;
// Elements of a line whose sum is finished before it joins others: of 32 pairs, and of a segment of at most 32 such
// groups.
const ELEMENTS_A_GROUP = 256u;
const ELEMENTS_A_SEGMENT = 4096u;
// Lines likewise, and elements of them, but for those of longer lines.
const LINES_A_PART = 32u;
const ELEMENTS_A_PART = 8192u;

fn lines_a_part() -> u32 {
    return clamp(ELEMENTS_A_PART / local.inner, 1u, LINES_A_PART);
}

struct Run {
    channel: u32,       // first, in the piece
    channels: u32,
    first_sample: u32,
    end_sample: u32,
    split: u32,
}

// Of the runs of `most` channels, the last of which may be shorter, of all splits, one split after the other, the
// `i`-th.
fn run(i: u32, most: u32) -> Run {
    let runs = (params.channels + most - 1u) / most;
    let split = i / runs;
    let channel = i % runs * most;
    let channels = min(most, params.channels - channel);
    return Run(channel, channels, split_start(split), split_start(split + 1u), split);
}

// Each thread's own: where channels are few, those of a workgroup are of several splits.
fn own_run(workgroup: u32, thread: u32) -> Run {
    return run(workgroup * WORKGROUP + thread, params.group);
}

// One of all threads.
fn shared_run(workgroup: u32) -> Run {
    return run(workgroup, SHARED_CHANNELS);
}

// From a pair of a thread to its next, in elements, where all threads go side by side.
fn pair_step() -> u32 {
    return 8u * WORKGROUP;
}

// The last workgroup may have threads, and a grid of two dimensions workgroups, beyond the last run.
fn exists(r: Run) -> bool {
    return r.split < params.splits;
}

// Of the run's channel `k`.
fn place(r: Run, k: u32) -> Place {
    return place_of(r.channel + k, r.split);
}

fn is_live(p: Place) -> bool {
    return true;
}

// Elements of the piece.
struct Line {
    start: u32,
    end: u32,
}

// Of the run's channel `k`.
fn line(r: Run, sample: u32, k: u32) -> Line {
    let start = sample * local.outer_stride + (r.channel + k) * local.inner;
    return Line(start, start + local.inner);
}

// The first pair that starts in a line, and the one that it ends in, or that follows it: between them are
// those that are the line's alone.
fn first_pair(l: Line) -> u32 {
    return (l.start + 7u) / 8u * 8u;
}

fn end_pair(l: Line) -> u32 {
    return l.end / 8u * 8u;
}

// Before the first. What starts with a pair shares none with the line before: then nothing of this one is in
// the line, nor where the number wraps, at the first element.
fn before(l: Line) -> u32 {
    return first_pair(l) - 8u;
}

// What a line's last element is in.
fn last_pair(l: Line) -> u32 {
    return (l.end - 1u) / 8u * 8u;
}

// Whether a line ends in the middle of a pair, which is the first of the next line then.
fn is_cut(l: Line) -> bool {
    return l.end % 8u != 0u;
}

// Most lines are one segment, long ones a few; the last has all that is left.
fn segments_a_line() -> u32 {
    return max(local.inner / ELEMENTS_A_SEGMENT, 1u);
}

// Of a line: a line that ends where no pair is cut, but for the last.
fn segment(l: Line, s: u32) -> Line {
    let first = first_pair(l) + s * ELEMENTS_A_SEGMENT;
    let is_last = s + 1u == segments_a_line();
    return Line(
        select(first, l.start, s == 0u),
        select(first + ELEMENTS_A_SEGMENT, l.end, is_last),
    );
}

// Which elements from `i` on are in a line.
fn is_within(l: Line, i: u32) -> vec4<bool> {
    return are_in(l.start, l.end, i);
}

// What of a pair is in a line, and 0 for the rest.
fn within(l: Line, i: u32, v: Pair) -> Pair {
    return part_in(l.start, l.end, i, v);
}
