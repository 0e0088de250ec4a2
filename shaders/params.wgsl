// Formula: none; what every kernel shares: the parameter block, and what a variant is.
// A workgroup owns: nothing. Reads: nothing. Writes: nothing.
// Needs: a mapping file, for its `Place`.

// One dispatch works on a piece of the tensor: all of it, or as much as one binding may hold.
// Mirrored by `Params` in src/plan.rs, field by field.
struct Params {
    // Extent of the piece: outer × channels × inner (channels first), or outer rows × channels.
    outer: u32,
    channels: u32,
    // After how many of these the channels of the tensor repeat, where several samples are taken as one (line and run
    // mapping).
    period: u32,
    inner: u32,
    // Elements from one outer index to the next.
    outer_stride: u32,
    // First channel of the piece.
    first_channel: u32,
    // Words from one row of the state or work buffer to the next.
    row_stride: u32,
    // Element where the piece starts in each bound window.
    x_at: u32,
    y_at: u32,
    dy_at: u32,
    dx_at: u32,
    residual_at: u32,
    dresidual_at: u32,
    weights_at: u32,
    // Where the piece starts in the line of a channel's values, and how many of them share a weight.
    first_position: u32,
    weight_span: u32,
    // Threads of a workgroup that share a channel (rows mapping) or a quad of channels (columns
    // mapping); a power of two.
    lanes: u32,
    // What the splits of a channel share: blocks of quads for all lanes (rows mapping), or of rows; single rows; or
    // samples.
    units: u32,
    // Splits of a channel in this piece, its first partial, and the partials of a channel in all.
    splits: u32,
    first_slot: u32,
    slots: u32,
    // Channels of a tile, of a thread's run, or of a band of lines that threads share; and from one channel to the
    // next, and from one column of a channel to its next, in a tile or strip.
    group: u32,
    channel_step: u32,
    column_step: u32,
    // What a thread adds to its position for its next quad (rows mapping).
    step_at: u32,
    step_inner: u32,
    // FLAG_* below.
    flags: u32,
    epsilon: f32,
    // Weight of the new batch in the running statistics; ignored with FLAG_CUMULATIVE.
    momentum: f32,
    // Values of a channel, m; 0 where only the moments know: weights, parts of a batch.
    count: f32,
    // Slope of leaky ReLU below 0.
    slope: f32,
    // Batches in parts: where merged partials go, or the first of those that are merged.
    part: u32,
    // 32, by which half a word of 64 bits is shifted to join the other. With a constant LLVM joins halves not as
    // vectors, but lane by lane when they are stored: more instructions than the store itself.
    half_word: u32,
}

const FLAG_GAMMA = 1u;      // multiply by gamma, else by 1
const FLAG_BETA = 2u;       // add beta, else 0
const FLAG_TRACK = 4u;      // update the running statistics
const FLAG_CUMULATIVE = 8u; // weigh the new batch by 1 / batches seen, itself included
const FLAG_UNBIASED = 16u;  // the running variance takes M2/(m − 1), else M2/m
const FLAG_RECORD = 32u;    // this dispatch writes what there is one of per channel
const FLAG_ACCUMULATE = 64u; // add to what is there: gradients, merged partials

@group(0) @binding(0) var<uniform> params: Params;
// A copy for the inner loops. Compilers reload a uniform after every store, since they cannot know
// that no store changes it; this they keep in registers, which on lavapipe saves 6 to 10 %.
var<private> local: Params;

// Threads of a workgroup, a power of two.
override WORKGROUP: u32 = 64u;
// Whether each has its channels for itself: `lanes` is 1 (walks).
override ALONE: bool = false;
// Whether any has quads after its last whole block (walks).
override TAIL: bool = true;
// Quads that a thread keeps in registers: none, a block, or two.
override KEPT: u32 = 0u;
// Whether the quads of a pair may be of two channels, and whether elements of a quad may (line mapping).
override HALVES: bool = false;
override CUT: bool = false;
// Whether channels repeat in a sample, which then is several (line and run mapping).
override REPEATED: bool = false;
// Of a thread's pairs, how many of the last may be beyond the last column (strip mapping).
override MISSING: u32 = 0u;
// What is fused; compilers drop what is off. A tensor that is not there is bound to a dummy.
override RESIDUAL: bool = false;   // add a residual before the activation
override WEIGHTED: bool = false;   // positions have weights
override IN_PLACE: bool = false;   // y over x; dx over dy
override FROZEN: bool = false;     // differentiate through the running statistics, not the batch's
override AFFINE: bool = true;      // write dgamma and dbeta
override DX: bool = true;          // write dx
override DRESIDUAL: bool = false;  // write dresidual
override RENORMALIZE: bool = false; // batch renormalization
override OPTIMIZE: bool = false;   // step γ and β by their gradients

// Quads of a block: what is summed before it joins others.
const BLOCK = 8u;
// Blocks whose sum is finished before it joins others, and groups likewise: keeps long sums short.
const BLOCKS_A_GROUP = 8u;
const GROUPS_A_PART = 16u;
// Partials that are merged before they join the total, likewise: at least.
const PARTIALS_A_GROUP = 8u;

// Four elements of a tensor: where they are in the piece, how many of them (from the first) are
// there at all, and the first's position in its channel's line, which only weights ask for.
struct Quad {
    at: vec4u,
    valid: u32,
    position: u32,
}

// Of a lane: about as many as there are groups of them.
fn partials_a_group() -> u32 {
    return max(PARTIALS_A_GROUP, u32(sqrt(f32(params.slots / params.lanes))));
}

fn has(flag: u32) -> bool {
    return (params.flags & flag) != 0u;
}

// The first unit of a split. Each has as many as any other, or one more, and none is empty. Those with more are spread
// evenly: so do neighbours have as much work as other neighbours, whose workgroups a software adapter gives to another
// core.
fn split_start(split: u32) -> u32 {
    return split * (params.units / params.splits) + split * (params.units % params.splits) / params.splits;
}

// Whether a thread's split writes what there is one of per channel.
fn records(p: Place) -> bool {
    return p.split == 0u && has(FLAG_RECORD);
}
