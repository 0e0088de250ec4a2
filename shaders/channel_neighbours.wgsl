// Formula: none; the per-channel rows of state and work where a place is four channels in a row, all there, the first a
// multiple of four.
// A workgroup owns, reads, writes: the rows of its channels.
// Needs: params.wgsl, a file of numbers for four, walk/map_columns.wgsl or strip/map.wgsl.

const NEIGHBOURS = true;

fn quad_at(row: u32, p: Place) -> u32 {
    return (row * params.row_stride + first_channel_of(p)) / 4u;
}

fn state_words(row: u32, p: Place) -> vec4u {
    return unpacked(state[quad_at(row, p)]);
}

fn set_state_words(row: u32, p: Place, words: vec4u) {
    if writes_first(p) {
        state[quad_at(row, p)] = packed(words);
    }
}

fn work_words(row: u32, p: Place) -> vec4u {
    return unpacked(work[quad_at(row, p)]);
}

fn set_work_words(row: u32, p: Place, words: vec4u) {
    if writes_first(p) {
        work[quad_at(row, p)] = packed(words);
    }
}
