// Formula: none; a quad of f32 elements as it lies in memory.
// A workgroup owns, reads, writes: nothing. Needs: nothing.

alias Words = vec4f;

fn decode(words: Words) -> vec4f {
    return words;
}

fn encode(values: vec4f) -> Words {
    return values;
}
