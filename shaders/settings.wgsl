// Formula: none; numbers of a layer that may change between two submissions.
// A workgroup owns: nothing. Reads: the settings row of the state. Writes: nothing.
// Needs: params.wgsl, a file of numbers.

// Mirrored by src/state.rs and by `Optimizer::settings` of src/optimizer.rs.
const SETTING_R_MAX = 0u;
const SETTING_D_MAX = 1u;
const SETTING_RULE = 2u;           // RULE_*, in optimizer.wgsl; an integer
const SETTING_LEARNING_RATE = 3u;
const SETTING_WEIGHT_DECAY = 4u;
const SETTING_FIRST_DECAY = 5u;    // momentum, β₁
const SETTING_SECOND_DECAY = 6u;   // α, β₂
const SETTING_FIRST_RATE = 7u;     // 1 − dampening, 1 − β₁
const SETTING_SECOND_RATE = 8u;    // 1 − α, 1 − β₂
const SETTING_FIRST_LOG = 9u;      // ln β₁
const SETTING_SECOND_LOG = 10u;    // ln β₂
const SETTING_EPSILON = 11u;
const SETTING_NESTEROV = 12u;      // 0 or 1

fn setting(which: u32) -> f32 {
    return bitcast<f32>(state_word(ROW_SETTINGS, which));
}
