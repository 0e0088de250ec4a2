// Formula: none; rounding to f16, two a word: to nearest, ties to even.
// A workgroup owns, reads, writes: nothing. Needs: nothing.
//
// `pack2x16float` may round either way, may give anything beyond the largest f16, and is slow where it is not one
// instruction; so the bits are put together here.

fn encode_halves(values: vec4f) -> vec4u {
    let bits = bitcast<vec4u>(values);
    let sign = (bits >> vec4u(16u)) & vec4u(0x8000u);
    let size = bits & vec4u(0x7fffffffu);
    // Drops 13 bits, half a unit and the parity added first, and moves the exponent's bias from
    // 127 to 15; what overflows is infinite.
    let odd = (size >> vec4u(13u)) & vec4u(1u);
    let normal = min((size + 0xfffu + odd - 0x38000000u) >> vec4u(13u), vec4u(0x7c00u));
    // Below 2⁻¹⁴ the unit is 2⁻²⁴, that of numbers around 1/2: adding 1/2 rounds to it.
    let subnormal = bitcast<vec4u>(bitcast<vec4f>(size) + 0.5) - 0x3f000000u;
    let number = select(normal, subnormal, size < vec4u(0x38800000u));
    let is_nan = size > vec4u(0x7f800000u);
    return sign | select(number, vec4u(0x7e00u), is_nan);
}
