// Formula: none; the per-channel rows of state and work where a place is a quad of channels.
// A workgroup owns, reads, writes: the rows of its channels.
// Needs: params.wgsl, walk/map_columns.wgsl.

fn state_words(row: u32, p: Place) -> vec4u {
    let i = row * params.row_stride + channels_of(p);
    return vec4u(state[i.x], state[i.y], state[i.z], state[i.w]);
}

fn set_state_words(row: u32, p: Place, words: vec4u) {
    let i = row * params.row_stride + params.first_channel + p.channel;
    for (var k = 0u; k < min(4u, params.channels - p.channel); k++) {
        state[i + k] = words[k];
    }
}

fn work_words(row: u32, p: Place) -> vec4u {
    let i = row * params.row_stride + channels_of(p);
    return vec4u(work[i.x], work[i.y], work[i.z], work[i.w]);
}

fn set_work_words(row: u32, p: Place, words: vec4u) {
    let i = row * params.row_stride + params.first_channel + p.channel;
    for (var k = 0u; k < min(4u, params.channels - p.channel); k++) {
        work[i + k] = words[k];
    }
}
