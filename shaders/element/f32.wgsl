// Formula: none; four f32 elements in memory.
// A workgroup owns, reads, writes: nothing. Needs: nothing.

alias Words = vec4f;

fn decode(words: Words) -> vec4f {
    return words;
}

fn encode(values: vec4f) -> Words {
    return values;
}
