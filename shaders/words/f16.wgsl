// Formula: none; a quad of f16 elements as it lies in memory, where the device is known to convert them without
// loss, and to round to nearest, ties to even.
// A workgroup owns, reads, writes: nothing. Needs: `enable f16`.

alias Words = vec4<f16>;

fn decode(words: Words) -> vec4f {
    return vec4f(words);
}

fn encode(values: vec4f) -> Words {
    return vec4<f16>(values);
}
