// Formula: act(z) = z·min(max(z + 3, 0), 6)/6; act'(±3) as on the left
// (A. Howard et al., "Searching for MobileNetV3", 2019)
// A workgroup owns, reads, writes: nothing. Needs: nothing.

const IS_IDENTITY = false;

fn activate(z: vec4f) -> vec4f {
    return z * (clamp(z + 3.0, vec4f(), vec4f(6.0)) / 6.0);
}

fn activation_slope(z: vec4f) -> vec4f {
    let inner = select(z / 3.0 + 0.5, vec4f(1.0), z > vec4f(3.0));
    return select(inner, vec4f(), z <= vec4f(-3.0));
}
