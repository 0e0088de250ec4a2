// Formula: none; a quad of 16-bit elements as it lies in memory, in a word of 64 bits, for adapters
// that load word by word. The lower half of a word comes first.
// A workgroup owns, reads, writes: nothing. Needs: params.wgsl, an element file.

alias Words = u64;

fn decode(words: Words) -> vec4f {
    let low = u32(words);
    let high = u32(words >> 32u);
    return decode_halves(vec4u(low, low >> 16u, high, high >> 16u));
}

fn encode(values: vec4f) -> Words {
    let halves = encode_halves(values);
    let low = halves.x | (halves.y << 16u);
    let high = halves.z | (halves.w << 16u);
    return u64(low) | (u64(high) << local.half_word);
}
