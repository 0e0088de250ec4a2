// Formula: none; f16 elements, two a word, as f32.
// A workgroup owns, reads, writes: nothing. Needs: nothing.
//
// `unpack2x16float` may take small numbers for 0; so the bits are put together here.

// Of elements in the lower halves; what is above them is ignored.
fn decode_halves(halves: vec4u) -> vec4f {
    let size = halves & vec4u(0x7fffu);
    // Moves the exponent's bias from 15 to 127; that of infinities and NaN from 31 to 255.
    let is_finite = size < vec4u(0x7c00u);
    let normal = (size << vec4u(13u)) + select(vec4u(0x70000000u), vec4u(0x38000000u), is_finite);
    // Below 2⁻¹⁴ the unit is 2⁻²⁴.
    let subnormal = bitcast<vec4u>(vec4f(size) * 5.9604644775390625e-8);
    let number = select(normal, subnormal, size < vec4u(0x400u));
    return bitcast<vec4f>(number | ((halves & vec4u(0x8000u)) << vec4u(16u)));
}
