// Formula: the mapping of a workgroup to a tile: rows of the matrix outer × (channels · inner), in
// which channel c has the columns c · channel_step + j · column_step, j < inner. Channels first they
// are neighbours; channels last, a row of the matrix is several short rows of the tensor in a row.
// A workgroup owns: one split of the rows of a group of whole channels. It sweeps them row by row,
// so that memory streams; each thread keeps what it knows of its quads in arrays of its own.
// Reads and writes: the per-channel rows of state and work, for its channels; workgroup memory.
// Needs: params.wgsl and a tensor file.
//
// For adapters that are cores with caches: jumping from row to row costs them far more than
// indexing an array. One thread a channel computes what there is one of per channel; formulas
// that are shared with the walks see such a channel's value in every component.

// Columns of a tile, and quads of a thread, at most.
const MAX_COLUMNS = 1024u;
const MAX_QUADS = 32u;

// Values of one channel in a quad, as the shared formulas see it.
const VALUES_A_QUAD = 1u;

// First for the columns' partial results; then for what a channel's columns need, at its first.
var<workgroup> column: array<vec4f, MAX_COLUMNS>;

struct Tile {
    channel: u32,   // first, in the piece
    channels: u32,
    first_row: u32,
    end_row: u32,
    split: u32,
}

fn tile(workgroup: u32) -> Tile {
    let groups = (params.channels + params.group - 1u) / params.group;
    let channel = (workgroup % groups) * params.group;
    let split = workgroup / groups;
    let first_row = min(split_start(split) * BLOCK, params.outer);
    let end_row = min(split_start(split + 1u) * BLOCK, params.outer);
    return Tile(channel, min(params.group, params.channels - channel), first_row, end_row, split);
}

// A grid of two dimensions may hold workgroups beyond the last.
fn exists(w: Tile) -> bool {
    return w.split < params.splits;
}

fn columns(w: Tile) -> u32 {
    return w.channels * params.inner;
}

// Quads of a thread: every WORKGROUP-th of the tile's.
fn quads(w: Tile, thread: u32) -> u32 {
    return ((columns(w) + 3u) / 4u + WORKGROUP - 1u - thread) / WORKGROUP;
}

fn first_column(k: u32, thread: u32) -> u32 {
    return 4u * (k * WORKGROUP + thread);
}

// Element of the piece at a row and column of the tile.
fn at(w: Tile, row: u32, first: u32) -> u32 {
    return row * local.outer_stride + w.channel * local.inner + first;
}

fn quad(w: Tile, first: u32, element: u32) -> Quad {
    if RAGGED {
        let valid = min(4u, columns(w) - first);
        let k = vec4u(0u, 1u, 2u, 3u);
        return Quad(element + select(vec4u(), k, k < vec4u(valid)), valid, 0u);
    }
    return Quad(vec4u(element), 4u, 0u);
}

// The channel of each of four columns, in the tile; what is not there repeats the last. The
// quotient is a float's: integer division is slow, and half a column off any integer is enough to
// round right, with at most MAX_COLUMNS columns.
fn channels_of(w: Tile, first: u32) -> vec4u {
    let all = min(vec4u(first) + vec4u(0u, 1u, 2u, 3u), vec4u(columns(w) - 1u));
    if params.channel_step == 1u {
        return all - quotient(all, w.channels) * w.channels;
    }
    return quotient(all, params.channel_step);
}

fn quotient(a: vec4u, b: u32) -> vec4u {
    return vec4u((vec4f(a) + 0.5) * (1.0 / f32(b)));
}

// Where a channel keeps what its columns need.
fn homes(w: Tile, first: u32) -> vec4u {
    return channels_of(w, first) * params.channel_step;
}

struct Place {
    channel: u32,   // in the piece
    split: u32,
    lane: u32,
}

fn is_live(p: Place) -> bool {
    return true;
}

fn across(v: vec4f) -> vec4f {
    return v;
}

// A tile's quads are whole, or what they lack is never used.
fn keep(q: Quad, v: vec4f) -> vec4f {
    return v;
}
