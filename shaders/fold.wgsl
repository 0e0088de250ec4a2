// Formula: s = γ/√(running variance + ε); w' = w·s; b' = (b − running mean)·s + β
// A workgroup owns: WORKGROUP neighbouring channels (`fold_channels`) or weights (`fold_weights`).
// Reads: the state; b or w, and s, which the first of the two dispatches writes.
// Writes: s and b' (`fold_channels`), w' (`fold_weights`).
// Needs: nothing. It stands alone, since it binds weights and not a tensor of the layer.

// Mirrored by `Params` in src/shader/fold.rs, field by field.
struct Params {
    // Output channels.
    channels: u32,
    // Words from one row of the state to the next.
    row_stride: u32,
    // Weights of this piece.
    length: u32,
    // Weights that stand behind one another for one channel.
    inner: u32,
    // The channel of the first weight of this piece, and its place among those `inner`.
    first_channel: u32,
    first_inner: u32,
    // Element where source and target start in their windows.
    source_at: u32,
    target_at: u32,
    // FLAG_* below.
    flags: u32,
    epsilon: f32,
    // Make the size a multiple of 16 bytes, as uniform blocks want it.
    pad0: u32,
    pad1: u32,
}

const FLAG_GAMMA = 1u;    // multiply by gamma, else by 1
const FLAG_BETA = 2u;     // add beta, else 0
const FLAG_SOURCE = 4u;   // there is a source, else it is 0
const FLAG_IN_PLACE = 8u; // the target is the source, and alone bound

// Rows of the state, as in params.wgsl.
const ROW_GAMMA = 0u;
const ROW_BETA = 1u;
const ROW_RUNNING_MEAN = 2u;
const ROW_RUNNING_VAR = 3u;

const WORKGROUP = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> state: array<u32>;
@group(0) @binding(2) var<storage, read_write> scales: array<f32>;
@group(0) @binding(3) var<storage, read_write> source: array<f32>;
@group(0) @binding(4) var<storage, read_write> folded: array<f32>;

fn has(flag: u32) -> bool {
    return (params.flags & flag) != 0u;
}

fn row(row: u32, channel: u32) -> f32 {
    return bitcast<f32>(state[row * params.row_stride + channel]);
}

fn unfolded(i: u32) -> f32 {
    if has(FLAG_IN_PLACE) {
        return folded[params.target_at + i];
    }
    if has(FLAG_SOURCE) {
        return source[params.source_at + i];
    }
    return 0.0;
}

fn index(workgroup: vec3u, grid: vec3u, thread: u32) -> u32 {
    return (workgroup.y * grid.x + workgroup.x) * WORKGROUP + thread;
}

@compute @workgroup_size(WORKGROUP)
fn fold_channels(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let c = index(workgroup, grid, thread);
    if c >= params.channels {
        return;
    }
    var scale = 1.0 / sqrt(row(ROW_RUNNING_VAR, c) + params.epsilon);
    if has(FLAG_GAMMA) {
        scale = scale * row(ROW_GAMMA, c);
    }
    scales[c] = scale;
    var bias = (unfolded(c) - row(ROW_RUNNING_MEAN, c)) * scale;
    if has(FLAG_BETA) {
        bias = bias + row(ROW_BETA, c);
    }
    folded[params.target_at + c] = bias;
}

@compute @workgroup_size(WORKGROUP)
fn fold_weights(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = index(workgroup, grid, thread);
    if i >= params.length {
        return;
    }
    let lines = (params.first_inner + i) / params.inner;
    let c = (params.first_channel + lines) % params.channels;
    folded[params.target_at + i] = unfolded(i) * scales[c];
}
