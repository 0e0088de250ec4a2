// Formula: none; a pair of quads of f32 elements as it lies in memory, in words of 64 bits, for
// adapters that load word by word. The lower half of a word comes first.
// A workgroup owns, reads, writes: nothing. Needs: params.wgsl, tensor/pairs.wgsl.

alias Words = vec4<u64>;

fn decode(words: Words) -> Pair {
    let even = vec4u(words);
    let odd = vec4u(words >> vec4u(32u));
    return Pair(
        bitcast<vec4f>(vec4u(even.x, odd.x, even.y, odd.y)),
        bitcast<vec4f>(vec4u(even.z, odd.z, even.w, odd.w)),
    );
}

fn encode(values: Pair) -> Words {
    let low = bitcast<vec4u>(values.low);
    let high = bitcast<vec4u>(values.high);
    let even = vec4u(low.xz, high.xz);
    let odd = vec4u(low.yw, high.yw);
    return vec4<u64>(even) | (vec4<u64>(odd) << vec4u(local.half_word));
}
