// Formula: the mapping of a workgroup to a band of a channels-first tensor, outer × channels × inner.
// A workgroup owns: one split of the samples of some channels side by side. Each thread takes the moments of a
// channel of its own. Gradients are summed, and all is written, side by side, line after line, as memory has them,
// of up to MAX_CHANNELS channels; of gradients each thread has sums of its own of every channel: none waits for
// another.
// Reads and writes: the per-channel rows of state and work, for its channels.
// Needs: params.wgsl, tensor/pairs.wgsl and pairs/place.wgsl. A line, the values of a channel in a sample, has two
// pairs for each thread; samples are multiples of a pair. With HALVES a line is a multiple of a quad, and may start or
// end in the middle of a pair: that of an odd channel starts there. With CUT it may start and end anywhere. Bands that
// threads share start and end with a pair: of HALVES they are multiples of two channels, and of eight with CUT, but for
// the last.
//
// For adapters that are cores with caches. Eight threads that read a line each are as many streams as a core
// follows; that read one of x and one of dy each, or write one, are more. Loops end at their end, which here
// is in time: one that tests at its start runs once more than it has work, with all threads off. And they step
// there: in a `continuing` block each round would ask whether it is the first.

// Channels of a band that threads go over side by side at most: the more, the longer memory is in order.
const MAX_CHANNELS = 32u;

struct Band {
    channel: u32,       // first, in the piece
    first_sample: u32,
    end_sample: u32,
    split: u32,
}

fn band_of(workgroup: u32, owned: u32) -> Band {
    let bands = (params.channels + owned - 1u) / owned;
    let split = workgroup / bands;
    let first_sample = split_start(split);
    let end_sample = split_start(split + 1u);
    return Band((workgroup % bands) * owned, first_sample, end_sample, split);
}

// Of which each thread has a channel.
fn own_band(workgroup: u32) -> Band {
    return band_of(workgroup, WORKGROUP);
}

// Of which all threads have all.
fn shared_band(workgroup: u32) -> Band {
    return band_of(workgroup, params.group);
}

// A grid of two dimensions may hold workgroups beyond the last.
fn exists(b: Band) -> bool {
    return b.split < params.splits;
}

// Of a band that threads share.
fn channels_of(b: Band) -> u32 {
    return min(params.group, params.channels - b.channel);
}

// From a pair of a thread to its next, in elements, where all threads go side by side.
fn pair_step() -> u32 {
    return 8u * WORKGROUP;
}

// The pair that an element is in, and the first that is not before it.
fn pair_of(i: u32) -> u32 {
    return i / 8u * 8u;
}

fn pair_from(i: u32) -> u32 {
    return pair_of(i + 7u);
}

// Of the band's channel `k`.
fn place(b: Band, k: u32) -> Place {
    return place_of(b.channel + k, b.split);
}

// The channel that a thread sums: the `k`-th of its band. Where every second line starts in the middle of
// a pair, two bands side by side share their channels, one the even, one the odd ones: so the pairs that
// threads load are equally far apart, which a core's prefetcher follows, and else does not.
fn channel_to_sum(b: Band, k: u32) -> u32 {
    let pair = b.channel - b.channel % (2u * WORKGROUP);
    let is_shared = HALVES && local.inner % 8u != 0u && pair + WORKGROUP < params.channels;
    let channel = pair + 2u * k + select(0u, 1u, pair < b.channel);
    return select(b.channel + k, channel, is_shared);
}

fn is_live(p: Place) -> bool {
    return p.channel < params.channels;
}

// Element of the piece at the start of a line.
fn line(sample: u32, channel: u32) -> u32 {
    return sample * local.outer_stride + channel * local.inner;
}

// Which elements from `i` on are in the line that starts at `start`.
fn is_within(start: u32, i: u32) -> vec4<bool> {
    return are_in(start, start + local.inner, i);
}

// What of a pair is in the line that starts at `start`, and 0 for the rest.
fn within(start: u32, i: u32, v: Pair) -> Pair {
    if CUT {
        return part_in(start, start + local.inner, i, v);
    }
    if !HALVES {
        return v;
    }
    return Pair(
        select(vec4f(), v.low, i >= start),
        select(vec4f(), v.high, i + 4u < start + local.inner),
    );
}
