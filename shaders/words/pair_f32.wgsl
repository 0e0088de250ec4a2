// Formula: none; a pair of quads of f32 elements as it lies in memory.
// A workgroup owns, reads, writes: nothing. Needs: tensor/pairs.wgsl.

alias Words = Pair;

fn decode(words: Words) -> Pair {
    return words;
}

fn encode(values: Pair) -> Words {
    return values;
}
