// Formula: none; a pair of quads of 16-bit elements as it lies in memory, in words of 64 bits, for
// adapters that load word by word. The lower half of a word comes first.
// A workgroup owns, reads, writes: nothing. Needs: params.wgsl, an element file, tensor/pairs.wgsl.

alias Words = vec2<u64>;

fn decode(words: Words) -> Pair {
    let even = vec2u(words);
    let odd = vec2u(words >> vec2u(32u));
    return Pair(
        decode_halves(vec4u(even.x, even.x >> 16u, odd.x, odd.x >> 16u)),
        decode_halves(vec4u(even.y, even.y >> 16u, odd.y, odd.y >> 16u)),
    );
}

fn encode(values: Pair) -> Words {
    let low = encode_halves(values.low);
    let high = encode_halves(values.high);
    let even = vec2u(low.x, high.x) | (vec2u(low.y, high.y) << vec2u(16u));
    let odd = vec2u(low.z, high.z) | (vec2u(low.w, high.w) << vec2u(16u));
    return vec2<u64>(even) | (vec2<u64>(odd) << vec2u(local.half_word));
}
