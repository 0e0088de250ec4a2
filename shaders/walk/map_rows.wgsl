// Formula: the mapping of threads to a channels-first tensor, outer × channels × inner.
// A workgroup owns: one split of WORKGROUP / lanes channels. `lanes` threads share a channel and
// walk its values, taken as one line of `outer · inner`, in quads, side by side.
// Reads and writes: the per-channel rows of state and work, for its channels.
// Needs: params.wgsl and a tensor file.

// Values of one channel in a quad.
const VALUES_A_QUAD = 4u;

// A number for each channel that a quad is of: there is one.
alias PerChannel = f32;

// Of what is the same in every component, as of a sum across a quad; and back.
fn per_channel(v: vec4f) -> PerChannel {
    return v.x;
}

fn in_quad(number: PerChannel) -> vec4f {
    return vec4f(number);
}

// From a lane to the next in workgroup memory.
fn lane_step() -> u32 {
    return 1u;
}

struct Place {
    channel: u32,   // in the piece; beyond its channels for threads without work
    split: u32,
    lane: u32,
}

fn place(workgroup: u32, thread: u32) -> Place {
    let owned = WORKGROUP / params.lanes;
    let groups = (params.channels + owned - 1u) / owned;
    let channel = (workgroup % groups) * owned + thread / params.lanes;
    return Place(channel, workgroup / groups, thread % params.lanes);
}

fn is_live(p: Place) -> bool {
    return p.channel < params.channels && p.split < params.splits;
}

// A thread's walk: `blocks` blocks of BLOCK whole quads, then `tail` quads, the last of which
// may be partly beyond the channel's end.
struct Cursor {
    at: u32,        // element of the piece
    inner: u32,     // its index along inner
    line: u32,      // its index in the channel's line
    blocks: u32,
    tail: u32,
}

fn cursor(p: Place) -> Cursor {
    let length = params.outer * params.inner;
    let unit = params.lanes * BLOCK;
    let first = split_start(p.split) * unit + p.lane;
    let end = min(split_start(p.split + 1u) * unit, (length + 3u) / 4u);
    if !is_live(p) || first >= end {
        return Cursor(0u, 0u, 0u, 0u, 0u);
    }
    let line = first * 4u;
    let inner = line % params.inner;
    let quads = (end - first + params.lanes - 1u) / params.lanes;
    let last_line = line + (quads - 1u) * params.lanes * 4u;
    let whole = quads - select(0u, 1u, RAGGED && last_line + 4u > length);
    let blocks = whole / BLOCK;
    let at = (line / params.inner) * params.outer_stride + p.channel * params.inner + inner;
    return Cursor(at, inner, line, blocks, quads - blocks * BLOCK);
}

// The element after one of the channel's line, and its index along inner. By `select`, here and
// below: branches for each of a block's quads, one after the other, take SwiftShader minutes to
// compile.
fn along(at: vec2u) -> vec2u {
    let next_row = vec2u(at.x + 1u + (local.outer_stride - local.inner), 0u);
    return select(at + 1u, next_row, at.y + 1u == local.inner);
}

// The quad under the cursor, which moves on to the thread's next.
fn next(c: ptr<function, Cursor>) -> Quad {
    var q = Quad(vec4u((*c).at), 4u, (*c).line);
    if RAGGED {
        q.valid = min(4u, local.outer * local.inner - (*c).line);
        // Where each of the next three is: along the row, or at the start of the next sample's.
        let y = along(vec2u((*c).at, (*c).inner));
        let z = along(y);
        let w = along(z);
        let k = vec4u(0u, 1u, 2u, 3u);
        q.at = select(q.at, vec4u((*c).at, y.x, z.x, w.x), k < vec4u(q.valid));
    }
    if RAGGED || WEIGHTED {
        (*c).line += 4u * local.lanes;
    }
    (*c).at += local.step_at;
    (*c).inner += local.step_inner;
    let wraps = (*c).inner >= local.inner;
    (*c).inner -= select(0u, local.inner, wraps);
    (*c).at += select(0u, local.outer_stride - local.inner, wraps);
    return q;
}

// Between blocks there is nothing to skip: the lanes' quads interleave.
fn next_block(c: ptr<function, Cursor>) {}

// Elements that are not there count as nothing.
fn keep(q: Quad, v: vec4f) -> vec4f {
    if RAGGED {
        return select(vec4f(), v, vec4u(0u, 1u, 2u, 3u) < vec4u(q.valid));
    }
    return v;
}

// The sum over the values of a channel in a quad, in every component.
fn across(v: vec4f) -> vec4f {
    return vec4f((v.x + v.y) + (v.z + v.w));
}
