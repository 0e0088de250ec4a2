// Formula: none; state and work as they lie in memory, four numbers at a time. Rows start at multiples of four.
// A workgroup owns: nothing. Reads: the number it is asked for. Writes: nothing.
// Needs: params.wgsl, buffers.wgsl.

alias Numbers = vec4u;

fn unpacked(numbers: Numbers) -> vec4u {
    return numbers;
}

fn packed(words: vec4u) -> Numbers {
    return words;
}

fn state_word(row: u32, i: u32) -> u32 {
    return state[row * params.row_stride / 4u + i / 4u][i % 4u];
}
