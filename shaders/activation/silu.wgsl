// Formula: act(z) = z·s(z), s the sigmoid; act' = s(z)·(1 + z·s(−z))
// (S. Elfwing, E. Uchibe, K. Doya, "Sigmoid-weighted linear units", 2017)
// A workgroup owns, reads, writes: nothing. Needs: exponential.wgsl.

const IS_IDENTITY = false;

fn activate(z: vec4f) -> vec4f {
    return z * sigmoid(z);
}

fn activation_slope(z: vec4f) -> vec4f {
    return sigmoid(z) * (1.0 + z * sigmoid(-z));
}
