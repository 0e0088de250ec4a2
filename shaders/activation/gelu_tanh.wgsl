// Formula: act(z) = z·s(a), s the sigmoid, a = 2·√(2/π)·(z + 0.044715·z³), which is
//   z/2·(1 + tanh(a/2)); act' = s(a)·(1 + z·s(−a)·a')
// (D. Hendrycks, K. Gimpel, "Gaussian Error Linear Units", 2016)
// A workgroup owns, reads, writes: nothing. Needs: exponential.wgsl.

// 2·√(2/π)
const SCALE = 1.5957691216057308;
const CUBIC = 0.044715;

// Beyond 20 nothing changes, and z³ is still finite.
fn near_zero(z: vec4f) -> vec4f {
    return clamp(z, vec4f(-20.0), vec4f(20.0));
}

fn argument(z: vec4f) -> vec4f {
    let near = near_zero(z);
    return SCALE * (near + CUBIC * (near * near * near));
}

const IS_IDENTITY = false;

fn activate(z: vec4f) -> vec4f {
    return z * sigmoid(argument(z));
}

fn activation_slope(z: vec4f) -> vec4f {
    let near = near_zero(z);
    let slope = SCALE * (1.0 + 3.0 * CUBIC * (near * near));
    let a = argument(z);
    return sigmoid(a) * (1.0 + near * sigmoid(-a) * slope);
}
