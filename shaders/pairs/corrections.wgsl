// Formula: none; what makes dx of dz in each of the channels that a thread writes (../gradient_input.wgsl), in
// six values.
// A workgroup owns: its channels. Reads and writes: memory of each thread's own.
// Needs: line/map.wgsl or run/map.wgsl, gradient_input.wgsl, pairs/affine.wgsl, pairs/cut.wgsl.

// Offsets and slopes.
var<private> corrections: array<vec2f, MAX_CHANNELS + 1u>;

fn set_input_gradient(k: u32, i: InputGradient) {
    set_affine(k, i.affine);
    corrections[k] = vec2f(i.offset.x, i.slope.x);
}

fn spread_input(a: vec4f, c: vec2f) -> InputGradient {
    return InputGradient(spread(a), c.xxxx, c.yyyy);
}

fn chosen_input(otherwise: InputGradient, a: InputGradient, is_a: vec4<bool>) -> InputGradient {
    return InputGradient(
        chosen(otherwise.affine, a.affine, is_a),
        select(otherwise.offset, a.offset, is_a),
        select(otherwise.slope, a.slope, is_a),
    );
}
