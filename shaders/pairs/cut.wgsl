// Formula: none; what normalises a quad of which some elements are of one channel, the others of the next.
// A workgroup owns, reads, writes: nothing. Needs: normalize.wgsl.

fn chosen(otherwise: Affine, a: Affine, is_a: vec4<bool>) -> Affine {
    return Affine(
        select(otherwise.pivot, a.pivot, is_a),
        select(otherwise.remainder, a.remainder, is_a),
        select(otherwise.scale, a.scale, is_a),
        select(otherwise.shift, a.shift, is_a),
    );
}
