// Formula: none; the per-channel rows of state and work where a place is one channel. Its value is
// in every component.
// A workgroup owns, reads, writes: the rows of its channels.
// Needs: params.wgsl, a mapping file in which a place is one channel.

fn state_row(row: u32, p: Place) -> vec4f {
    return vec4f(bitcast<f32>(state[row * params.row_stride + params.first_channel + p.channel]));
}

fn set_state_row(row: u32, p: Place, value: vec4f) {
    state[row * params.row_stride + params.first_channel + p.channel] = bitcast<u32>(value.x);
}

// Adds 1 to a count, and returns it.
fn increment(row: u32, p: Place) -> vec4f {
    let i = row * params.row_stride + params.first_channel + p.channel;
    state[i] += 1u;
    return vec4f(f32(state[i]));
}

fn work_row(row: u32, p: Place) -> vec4f {
    return vec4f(bitcast<f32>(work[row * params.row_stride + params.first_channel + p.channel]));
}

fn set_work_row(row: u32, p: Place, value: vec4f) {
    work[row * params.row_stride + params.first_channel + p.channel] = bitcast<u32>(value.x);
}
