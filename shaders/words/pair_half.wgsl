// Formula: none; a pair of quads of 16-bit elements as it lies in memory.
// A workgroup owns, reads, writes: nothing. Needs: an element file, tensor/pairs.wgsl.

alias Words = vec4u;

fn decode(words: Words) -> Pair {
    let upper = words >> vec4u(16u);
    return Pair(
        decode_halves(vec4u(words.x, upper.x, words.y, upper.y)),
        decode_halves(vec4u(words.z, upper.z, words.w, upper.w)),
    );
}

fn encode(values: Pair) -> Words {
    let low = encode_halves(values.low);
    let high = encode_halves(values.high);
    return vec4u(low.xz, high.xz) | (vec4u(low.yw, high.yw) << vec4u(16u));
}
