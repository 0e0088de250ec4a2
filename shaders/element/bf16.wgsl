// Formula: none; bf16 elements, the upper halves of f32, two a word; rounded to nearest, ties to even.
// A workgroup owns, reads, writes: nothing. Needs: nothing.

// Of elements in the lower halves; what is above them is ignored.
fn decode_halves(halves: vec4u) -> vec4f {
    return bitcast<vec4f>(halves << vec4u(16u));
}

fn encode_halves(values: vec4f) -> vec4u {
    let bits = bitcast<vec4u>(values);
    let odd = (bits >> vec4u(16u)) & vec4u(1u);
    let number = (bits + 0x7fffu + odd) >> vec4u(16u);
    let is_nan = (bits & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
    return select(number, (bits >> vec4u(16u)) | vec4u(0x40u), is_nan);
}
