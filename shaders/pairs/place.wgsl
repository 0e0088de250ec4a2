// Formula: none; where a channel's results are, of a mapping in which all quads are whole and of one channel, or of one
// and the next.
// A workgroup owns, reads, writes: nothing. Needs: params.wgsl; line/map.wgsl or run/map.wgsl needs it.

// Values of one channel in a quad.
const VALUES_A_QUAD = 4u;

struct Place {
    channel: u32,   // in the piece
    split: u32,
    lane: u32,
}

// Of a channel that is walked. Where channels repeat, each time is a split of its own.
fn place_of(channel: u32, split: u32) -> Place {
    if REPEATED {
        let times = params.channels / params.period;
        return Place(channel % params.period, split * times + channel / params.period, 0u);
    }
    return Place(channel, split, 0u);
}

// The sums over two of the values of a channel in a quad, and over the others.
fn halves_of(v: vec4f) -> vec2f {
    return v.xz + v.yw;
}

// The sum over all of them, in every component.
fn across(v: vec4f) -> vec4f {
    let halves = halves_of(v);
    return vec4f(halves.x + halves.y);
}

// All quads are whole.
fn keep(q: Quad, v: vec4f) -> vec4f {
    return v;
}
