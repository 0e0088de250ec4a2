// Formula: none; the two buffers of the layer itself, and the rows that they consist of.
// A workgroup owns: nothing. Reads and writes: the rows it is asked for.
// Needs: a file of numbers, a mapping file, and one of channel_rows.wgsl, channel_quads.wgsl, channel_neighbours.wgsl
// and strip/channels.wgsl.

// Rows of the state buffer, `row_stride` words each. Words, because one row counts.
const ROW_GAMMA = 0u;
const ROW_BETA = 1u;
const ROW_RUNNING_MEAN = 2u;
const ROW_RUNNING_VAR = 3u;
const ROW_BATCHES = 4u;
const ROW_DGAMMA = 5u;
const ROW_DBETA = 6u;
const ROW_SETTINGS = 7u;    // SETTING_*, the same for all channels
// There only where the layer has an optimizer.
const ROW_STEPS = 8u;
const ROW_GAMMA_FIRST = 9u;
const ROW_GAMMA_SECOND = 10u;
const ROW_BETA_FIRST = 11u;
const ROW_BETA_SECOND = 12u;

// Rows of the work buffer: what the forward pass saves, then four rows a partial.
const ROW_MEAN = 0u;
const ROW_INV_STD = 1u;
const ROW_PIVOT = 2u;
const ROW_REMAINDER = 3u;
const ROW_SCALE = 4u;
const ROW_SHIFT = 5u;
const ROW_COUNT = 6u;
// Batch renormalization: the normalized value is x̂·r + d.
const ROW_R = 7u;
const ROW_D = 8u;
// Running statistics before this batch, for batch renormalization.
const ROW_MEAN_BEFORE = 9u;
const ROW_VAR_BEFORE = 10u;
const ROW_PARTIALS = 11u;

@group(0) @binding(1) var<storage, read_write> state: array<Numbers>;
@group(0) @binding(2) var<storage, read_write> work: array<Numbers>;

fn state_row(row: u32, p: Place) -> vec4f {
    return bitcast<vec4f>(state_words(row, p));
}

fn set_state_row(row: u32, p: Place, value: vec4f) {
    set_state_words(row, p, bitcast<vec4u>(value));
}

fn work_row(row: u32, p: Place) -> vec4f {
    return bitcast<vec4f>(work_words(row, p));
}

fn set_work_row(row: u32, p: Place, value: vec4f) {
    set_work_words(row, p, bitcast<vec4u>(value));
}
