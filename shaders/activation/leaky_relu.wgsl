// Formula: act(z) = z, or slope·z where z ≤ 0; act'(0) = slope
// A workgroup owns, reads, writes: nothing. Needs: params.wgsl.

const IS_IDENTITY = false;

fn activate(z: vec4f) -> vec4f {
    return select(z, local.slope * z, z <= vec4f());
}

fn activation_slope(z: vec4f) -> vec4f {
    return select(vec4f(local.slope), vec4f(1.0), z > vec4f());
}
