// Formula: none; how the threads of a band share its pairs, side by side. Of each line they have rounds, in each of
// which all have a pair; and of each two lines, or of a band's last, a seam: the pairs that no round has. One after
// the other, those of all seams of a sample make rounds again, which lack few pairs.
// A workgroup owns, reads, writes: nothing.
// Needs: params.wgsl, tensor/pairs.wgsl, line/map.wgsl.

// Elements of a line's rounds, whichever element of a pair it starts with.
fn elements_of_rounds() -> u32 {
    return (local.inner - select(0u, 7u, CUT)) / pair_step() * pair_step();
}

// Where the rounds of the band's channel `k` start: those of the first of two lines with its first pair, those of the
// second so that they end with its last; so that what they lack lies between.
fn first_of_rounds(b: Band, sample: u32, k: u32) -> u32 {
    let start = line(sample, b.channel + k);
    let last = pair_of(start + local.inner) - elements_of_rounds();
    return select(pair_from(start), last, k % 2u == 1u);
}

// Pairs of a seam, at most.
fn pairs_a_seam() -> u32 {
    return (2u * local.inner + 7u) / 8u - 2u * elements_of_rounds() / 8u;
}

// In a sample of the band.
fn pairs_of_seams(b: Band) -> u32 {
    return (channels_of(b) + 1u) / 2u * pairs_a_seam();
}

// A pair of a seam. What of it is not in the line that it starts in is in the next.
struct SeamPair {
    at: u32,
    k: u32,         // channel of the band that it starts in
    start: u32,     // of that channel's line
    exists: bool,
}

// The `i`-th of the seams of a sample. What the second of two lines ends in, if that is another line's as well,
// comes last, beyond the rounds.
fn seam_pair(b: Band, sample: u32, i: u32) -> SeamPair {
    // Half a pair off any integer is enough to round right.
    let seam = u32((f32(i) + 0.5) / f32(max(pairs_a_seam(), 1u)));
    let k = 2u * seam;
    let has_second = k + 1u < channels_of(b);
    let first = line(sample, b.channel + k);
    let second = first + local.inner;
    let end = select(second, second + local.inner, has_second);
    let between = pair_from(first) + elements_of_rounds() + 8u * (i - seam * pairs_a_seam());
    let is_beyond = has_second && between >= pair_of(end) - elements_of_rounds();
    let at = between + select(0u, elements_of_rounds(), is_beyond);
    let is_second = at >= second;
    return SeamPair(
        at,
        k + select(0u, 1u, is_second),
        select(first, second, is_second),
        i < pairs_of_seams(b) && at < end,
    );
}
