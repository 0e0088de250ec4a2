// Formula: none; the per-channel rows of state and work where a place is a quad of channels.
// A workgroup owns, reads, writes: the rows of its channels.
// Needs: params.wgsl, numbers/one.wgsl, walk/map_columns.wgsl.

fn state_words(row: u32, p: Place) -> vec4u {
    let i = row * params.row_stride + channels_of(p);
    return vec4u(state[i.x], state[i.y], state[i.z], state[i.w]);
}

fn set_state_words(row: u32, p: Place, words: vec4u) {
    let i = row * params.row_stride + first_channel_of(p);
    let there = params.channels - p.channel;
    state[i] = words.x;
    if there > 1u { state[i + 1u] = words.y; }
    if there > 2u { state[i + 2u] = words.z; }
    if there > 3u { state[i + 3u] = words.w; }
}

fn work_words(row: u32, p: Place) -> vec4u {
    let i = row * params.row_stride + channels_of(p);
    return vec4u(work[i.x], work[i.y], work[i.z], work[i.w]);
}

fn set_work_words(row: u32, p: Place, words: vec4u) {
    let i = row * params.row_stride + first_channel_of(p);
    let there = params.channels - p.channel;
    work[i] = words.x;
    if there > 1u { work[i + 1u] = words.y; }
    if there > 2u { work[i + 2u] = words.z; }
    if there > 3u { work[i + 3u] = words.w; }
}
