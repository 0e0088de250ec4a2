// Formula: act(z) = (e^2z − 1)/(e^2z + 1); act' = 4·s(2z)·s(−2z), s the sigmoid
// A workgroup owns, reads, writes: nothing. Needs: exponential.wgsl.

const IS_IDENTITY = false;

fn activate(z: vec4f) -> vec4f {
    // Beyond 20 it is 1, and e^2z still finite.
    let grown = exp_minus_one(2.0 * min(abs(z), vec4f(20.0)));
    return select(grown, -grown, z < vec4f()) / (grown + 2.0);
}

fn activation_slope(z: vec4f) -> vec4f {
    return 4.0 * sigmoid(2.0 * z) * sigmoid(-2.0 * z);
}
