// Formula: act(z) = z·Φ(z), Φ(z) = (1 + erf(z/√2))/2; act' = Φ(z) + z·φ(z)
// (D. Hendrycks, K. Gimpel, "Gaussian Error Linear Units", 2016)
// A workgroup owns, reads, writes: nothing. Needs: nothing.

const SQRT_HALF = 0.70710678118654752;
// 1/√(2π)
const DENSITY = 0.39894228040143268;

// Φ(z), the normal distribution: erfc(u) = e^−u²·t·P(t), t = 1/(1 + u/2), P fitted to a relative
// error of 5e-8.
fn normal_distribution(z: vec4f) -> vec4f {
    let u = min(abs(z) * SQRT_HALF, vec4f(20.0));
    let t = 1.0 / (1.0 + 0.5 * u);
    var p = vec4f(-0.05936383);
    p = p * t + 0.28601393;
    p = p * t - 0.49017954;
    p = p * t + 0.2814752;
    p = p * t - 0.028971957;
    p = p * t + 0.20367847;
    p = p * t + 0.24285363;
    p = p * t + 0.28240958;
    p = p * t + 0.28208447;
    let tail = 0.5 * t * p * exp(-u * u);
    return select(1.0 - tail, tail, z < vec4f());
}

const IS_IDENTITY = false;

fn activate(z: vec4f) -> vec4f {
    return z * normal_distribution(z);
}

fn activation_slope(z: vec4f) -> vec4f {
    let near = clamp(z, vec4f(-20.0), vec4f(20.0));
    return normal_distribution(z) + near * (DENSITY * exp(-0.5 * near * near));
}
