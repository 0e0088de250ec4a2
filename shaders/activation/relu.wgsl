// Formula: act(z) = max(z, 0); act'(0) = 0
// A workgroup owns, reads, writes: nothing. Needs: nothing.

const IS_IDENTITY = false;

fn activate(z: vec4f) -> vec4f {
    return select(z, vec4f(), z <= vec4f());
}

fn activation_slope(z: vec4f) -> vec4f {
    return select(vec4f(), vec4f(1.0), z > vec4f());
}
