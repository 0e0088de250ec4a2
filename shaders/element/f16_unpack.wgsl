// Formula: none; f16 elements, two a word, as f32, where the device is known to lose nothing of them.
// A workgroup owns, reads, writes: nothing. Needs: nothing.

// Of elements in the lower halves; what is above them is ignored.
fn decode_halves(halves: vec4u) -> vec4f {
    return vec4f(
        unpack2x16float(halves.x).x,
        unpack2x16float(halves.y).x,
        unpack2x16float(halves.z).x,
        unpack2x16float(halves.w).x,
    );
}
