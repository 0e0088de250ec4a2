// Formula: none; the per-channel rows of state and work where a place is one channel. Its value is
// in every component.
// A workgroup owns, reads, writes: the rows of its channels.
// Needs: params.wgsl, numbers/one.wgsl, a mapping file in which a place is one channel.

fn state_words(row: u32, p: Place) -> vec4u {
    return vec4u(state[row * params.row_stride + params.first_channel + p.channel]);
}

fn set_state_words(row: u32, p: Place, words: vec4u) {
    state[row * params.row_stride + params.first_channel + p.channel] = words.x;
}

fn work_words(row: u32, p: Place) -> vec4u {
    return vec4u(work[row * params.row_stride + params.first_channel + p.channel]);
}

fn set_work_words(row: u32, p: Place, words: vec4u) {
    work[row * params.row_stride + params.first_channel + p.channel] = words.x;
}
