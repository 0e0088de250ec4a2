// Formula: the mapping of threads to a matrix of outer rows × columns, where neighbours in memory
// belong to different channels: channels last, or channels first with inner = 1. An elementwise
// kernel may also see channels first with a larger inner so: column k is channel k / inner.
// A workgroup owns: one split of the rows of WORKGROUP / lanes quads of columns. Neighbouring
// threads take neighbouring quads; `lanes` threads share a quad and take blocks of rows in turn.
// Reads and writes: the per-channel rows of state and work, for its channels.
// Needs: params.wgsl and a tensor file.

// Values of one channel in a quad.
const VALUES_A_QUAD = 1u;

// A number for each channel that a quad is of: each column is of another.
alias PerChannel = vec4f;

fn per_channel(v: vec4f) -> PerChannel {
    return v;
}

fn in_quad(numbers: PerChannel) -> vec4f {
    return numbers;
}

// From a lane to the next in workgroup memory.
fn lane_step() -> u32 {
    return WORKGROUP / params.lanes;
}

struct Place {
    channel: u32,   // first column of the quad, in the piece
    split: u32,
    lane: u32,
}

fn columns() -> u32 {
    return params.channels * params.inner;
}

fn place(workgroup: u32, thread: u32) -> Place {
    let quads = WORKGROUP / params.lanes;
    let groups = ((columns() + 3u) / 4u + quads - 1u) / quads;
    let quad = (workgroup % groups) * quads + thread % quads;
    return Place(quad * 4u, workgroup / groups, thread / quads);
}

fn is_live(p: Place) -> bool {
    return p.channel < columns() && p.split < params.splits;
}

// A thread's walk: `blocks` blocks of BLOCK neighbouring rows, then `tail` rows.
struct Cursor {
    at: u32,        // element of the piece
    blocks: u32,
    tail: u32,
    valid: u32,     // columns of the quad that are there
    row: u32,       // of the piece; kept for weights only
}

fn cursor(p: Place) -> Cursor {
    let unit = params.lanes * BLOCK;
    let first = split_start(p.split) * unit;
    let end = min(split_start(p.split + 1u) * unit, params.outer);
    if !is_live(p) || first >= end {
        return Cursor(0u, 0u, 0u, 0u, 0u);
    }
    let all_blocks = (end - first) / BLOCK;
    let blocks = (all_blocks + params.lanes - 1u - p.lane) / params.lanes;
    let tail = select(0u, (end - first) % BLOCK, p.lane == all_blocks % params.lanes);
    let row = first + p.lane * BLOCK;
    let at = row * params.outer_stride + p.channel;
    return Cursor(at, blocks, tail, min(4u, columns() - p.channel), row);
}

// The quad under the cursor, which moves on to the next row.
fn next(c: ptr<function, Cursor>) -> Quad {
    let at = (*c).at;
    let row = (*c).row;
    (*c).at += local.outer_stride;
    if WEIGHTED {
        (*c).row += 1u;
    }
    if RAGGED {
        let k = vec4u(0u, 1u, 2u, 3u);
        return Quad(at + select(vec4u(), k, k < vec4u((*c).valid)), (*c).valid, row);
    }
    return Quad(vec4u(at), 4u, row);
}

// Over the blocks of the other lanes.
fn next_block(c: ptr<function, Cursor>) {
    (*c).at += (local.lanes - 1u) * BLOCK * local.outer_stride;
    if WEIGHTED {
        (*c).row += (local.lanes - 1u) * BLOCK;
    }
}

// Columns that are not there repeat one that is; nothing of them is ever stored.
fn keep(q: Quad, v: vec4f) -> vec4f {
    return v;
}

// The sum over the values of a channel in a quad: there is one.
fn across(v: vec4f) -> vec4f {
    return v;
}

// Of a quad whose columns are of neighbouring channels, the first.
fn first_channel_of(p: Place) -> u32 {
    return params.first_channel + p.channel;
}

// Whether it writes what is the channel's: in strips some do not.
fn writes_first(p: Place) -> bool {
    return true;
}

// The channels of a quad's columns; those that are not there repeat the first.
fn channels_of(p: Place) -> vec4u {
    let k = vec4u(0u, 1u, 2u, 3u);
    let column = p.channel + select(vec4u(), k, vec4u(p.channel) + k < vec4u(columns()));
    return params.first_channel + column / params.inner;
}
