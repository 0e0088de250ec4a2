// Formula: none; a quad of 16-bit elements as it lies in memory.
// A workgroup owns, reads, writes: nothing. Needs: an element file.

alias Words = vec2u;

fn decode(words: Words) -> vec4f {
    return decode_halves(vec4u(words.x, words.x >> 16u, words.y, words.y >> 16u));
}

fn encode(values: vec4f) -> Words {
    let halves = encode_halves(values);
    return vec2u(halves.x | (halves.y << 16u), halves.z | (halves.w << 16u));
}
