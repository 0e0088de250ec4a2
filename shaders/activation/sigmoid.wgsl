// Formula: act(z) = s(z) = 1/(1 + e^−z); act' = s(z)·s(−z)
// A workgroup owns, reads, writes: nothing. Needs: exponential.wgsl.

const IS_IDENTITY = false;

fn activate(z: vec4f) -> vec4f {
    return sigmoid(z);
}

fn activation_slope(z: vec4f) -> vec4f {
    return sigmoid(z) * sigmoid(-z);
}
