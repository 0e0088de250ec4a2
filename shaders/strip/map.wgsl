// Formula: the mapping of a workgroup to a strip of the matrix rows × (channels · inner), of which channel c has
// the columns c · channel_step + j · column_step, j < inner. Channels last a row is `inner` short rows of the
// tensor, one after the other, and channel_step is 1; channels first column_step is.
// A workgroup owns: one split of the rows of PAIRS · WORKGROUP pairs of quads side by side. A thread owns
// PAIRS of these, and sums them for itself: no thread waits for another. The last MISSING of a thread's pairs may not
// be there: for each it sums the last of the row once more, which it neither writes nor leaves.
// Reads and writes: the per-channel rows of state and work, for its channels.
// Needs: params.wgsl, tensor/pairs.wgsl, a file of channels: strip/channels.wgsl or channel_neighbours.wgsl. PAIRS, up
// to 32, is a constant of the text and no override, since it is the length of arrays; the host writes it.
//
// For adapters that are cores with caches: a row of the strip is memory in order, and what a thread knows of its
// columns is at known places of its stack.

// Values of one channel in a quad, as the shared formulas see it.
const VALUES_A_QUAD = 1u;

struct Strip {
    column: u32,    // the thread's first
    first_row: u32,
    end_row: u32,
    split: u32,
}

// From a pair of a thread to its next, in elements.
fn pair_step() -> u32 {
    return 8u * WORKGROUP;
}

fn all_columns() -> u32 {
    return params.channels * params.inner;
}

fn strip(workgroup: u32, thread: u32) -> Strip {
    let width = PAIRS * pair_step();
    let strips = (all_columns() + width - 1u) / width;
    let split = workgroup / strips;
    let first_row = split_start(split);
    let end_row = split_start(split + 1u);
    return Strip((workgroup % strips) * width + 8u * thread, first_row, end_row, split);
}

// A grid of two dimensions may hold workgroups beyond the last.
fn exists(w: Strip) -> bool {
    return w.split < params.splits;
}

// Element of the piece at the start of the thread's part of a row.
fn at(w: Strip, row: u32) -> u32 {
    return row * local.outer_stride + w.column;
}

// From the thread's first pair to its pair `k`, or to the last of the row.
fn offset(w: Strip, k: u32) -> u32 {
    if k + MISSING < PAIRS {
        return k * pair_step();
    }
    return min(k * pair_step(), local.channels * local.inner - 8u - w.column);
}

// Whether the thread's pair `k` is.
fn is_there(w: Strip, k: u32) -> bool {
    return k + MISSING < PAIRS || w.column + k * pair_step() < local.channels * local.inner;
}

// Of four columns, each of which may be of another channel: where the rows of state and work have what is the
// channel's, or the column's own, and which of the columns write it.
struct Place {
    at: vec4u,
    writes: vec4<bool>,
    split: u32,
    lane: u32,
}

// The columns of a thread's quad `q`.
fn columns_of(w: Strip, q: u32) -> vec4u {
    return w.column + (q / 2u) * pair_step() + (q % 2u) * 4u + vec4u(0u, 1u, 2u, 3u);
}

// The channel of each, and which of the channel's columns it is.
fn channels_of(column: vec4u) -> vec4u {
    return column / params.channel_step % params.channels;
}

fn ordinals_of(column: vec4u) -> vec4u {
    return column / params.column_step % params.inner;
}

// What there is one of per channel: its first column writes it.
fn place(w: Strip, q: u32) -> Place {
    let column = columns_of(w, q);
    // Of neighbours the first tells all: divisions go lane by lane on software adapters.
    if NEIGHBOURS {
        let at = column.x % params.channels + vec4u(0u, 1u, 2u, 3u);
        return Place(at, vec4<bool>(column.x < params.channels && is_there(w, q / 2u)), w.split, 0u);
    }
    let writes = (ordinals_of(column) == vec4u()) & vec4<bool>(is_there(w, q / 2u));
    return Place(channels_of(column), writes, w.split, 0u);
}

// Where each column leaves a partial result of its own, of `rows` rows.
fn partial_place(w: Strip, q: u32, rows: u32) -> Place {
    let column = columns_of(w, q);
    if NEIGHBOURS {
        let ordinal = column.x / params.channels;
        let at = column.x - ordinal * params.channels + ordinal * (rows * params.row_stride);
        let writes = vec4<bool>(is_there(w, q / 2u));
        return Place(at + vec4u(0u, 1u, 2u, 3u), writes, w.split * params.inner, 0u);
    }
    let at = channels_of(column) + ordinals_of(column) * (rows * params.row_stride);
    return Place(at, vec4<bool>(is_there(w, q / 2u)), w.split * params.inner, 0u);
}

// Of four columns of neighbouring channels, the first; and whether its column writes what there is one of, or leaves a
// partial result.
fn first_channel_of(p: Place) -> u32 {
    return params.first_channel + p.at.x;
}

fn writes_first(p: Place) -> bool {
    return p.writes.x;
}

// Pairs of a thread until its channels repeat: what is known of a channel is found once.
fn own_pairs() -> u32 {
    var own = 1u;
    let repeats = params.channel_step == 1u;
    while own < PAIRS && !(repeats && (own * pair_step()) % params.channels == 0u) {
        own++;
    }
    return own;
}

fn is_live(p: Place) -> bool {
    return true;
}

fn across(v: vec4f) -> vec4f {
    return v;
}

// All quads are whole.
fn keep(q: Quad, v: vec4f) -> vec4f {
    return v;
}
