// Formula: none; state and work as they lie in memory, four numbers at a time in words of 64 bits, for adapters that
// load word by word. Rows start at multiples of four. The lower half of a word comes first. Halves are joined by a
// constant shift, unlike those of tensors: these are few, and the loops over tensors are better off without a word more
// to keep.
// A workgroup owns: nothing. Reads: the number it is asked for. Writes: nothing.
// Needs: params.wgsl, buffers.wgsl.

alias Numbers = vec2<u64>;

fn unpacked(numbers: Numbers) -> vec4u {
    let low = vec2u(numbers);
    let high = vec2u(numbers >> vec2u(32u));
    return vec4u(low.x, high.x, low.y, high.y);
}

fn packed(words: vec4u) -> Numbers {
    return vec2<u64>(words.xz) | (vec2<u64>(words.yw) << vec2u(32u));
}

fn state_word(row: u32, i: u32) -> u32 {
    return unpacked(state[row * params.row_stride / 4u + i / 4u])[i % 4u];
}
