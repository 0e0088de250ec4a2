// Formula: none; a quad of f32 elements as it lies in memory, in words of 64 bits, for adapters that
// load word by word. The lower half of a word comes first.
// A workgroup owns, reads, writes: nothing. Needs: params.wgsl.

alias Words = vec2<u64>;

fn decode(words: Words) -> vec4f {
    let low = vec2u(words);
    let high = vec2u(words >> vec2u(32u));
    return bitcast<vec4f>(vec4u(low.x, high.x, low.y, high.y));
}

fn encode(values: vec4f) -> Words {
    let bits = bitcast<vec4u>(values);
    return vec2<u64>(bits.xz) | (vec2<u64>(bits.yw) << vec2u(local.half_word));
}
