// Formula: none; state and work as they lie in memory, number by number.
// A workgroup owns: nothing. Reads: the number it is asked for. Writes: nothing.
// Needs: params.wgsl, buffers.wgsl.

alias Numbers = u32;

fn state_word(row: u32, i: u32) -> u32 {
    return state[row * params.row_stride + i];
}
