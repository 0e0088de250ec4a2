// Formula: none; the per-channel rows of state and work where a place is four columns, each with a channel of its own.
// A workgroup owns, reads, writes: the rows of its channels.
// Needs: params.wgsl, numbers/one.wgsl, strip/map.wgsl.

const NEIGHBOURS = false;

fn index(row: u32, p: Place) -> vec4u {
    return row * params.row_stride + params.first_channel + p.at;
}

fn state_words(row: u32, p: Place) -> vec4u {
    let i = index(row, p);
    return vec4u(state[i.x], state[i.y], state[i.z], state[i.w]);
}

fn set_state_words(row: u32, p: Place, words: vec4u) {
    let i = index(row, p);
    for (var k = 0u; k < 4u; k++) {
        if p.writes[k] {
            state[i[k]] = words[k];
        }
    }
}

fn work_words(row: u32, p: Place) -> vec4u {
    let i = index(row, p);
    return vec4u(work[i.x], work[i.y], work[i.z], work[i.w]);
}

fn set_work_words(row: u32, p: Place, words: vec4u) {
    let i = index(row, p);
    for (var k = 0u; k < 4u; k++) {
        if p.writes[k] {
            work[i[k]] = words[k];
        }
    }
}
