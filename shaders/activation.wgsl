// Formula: act(z) and act'(z), elementwise:
//   ReLU            max(z, 0)                     leaky ReLU   z, below 0 slope·z
//   sigmoid         s(z) = 1/(1 + e^−z)           tanh         (e^2z − 1)/(e^2z + 1)
//   SiLU            z·s(z)                        GELU         z·Φ(z), Φ(z) = (1 + erf(z/√2))/2
//   GELU by tanh    z·s(2a(z)), a(z) = √(2/π)·(z + 0.044715·z³)
//   hard swish      z·min(max(z + 3, 0), 6)/6
//   (D. Hendrycks, K. Gimpel, "Gaussian Error Linear Units", 2016; S. Elfwing et al., "Sigmoid-weighted
//   linear units", 2017; A. Howard et al., "Searching for MobileNetV3", 2019)
// A workgroup owns, reads, writes: nothing. Needs: params.wgsl.
//
// Each is written so that its relative error stays small where the value is: nothing is taken from 1
// that is near 1, and no exponential overflows into a NaN.

const ACTIVATION_IDENTITY = 0u;
const ACTIVATION_RELU = 1u;
const ACTIVATION_LEAKY_RELU = 2u;
const ACTIVATION_SIGMOID = 3u;
const ACTIVATION_TANH = 4u;
const ACTIVATION_SILU = 5u;
const ACTIVATION_GELU = 6u;
const ACTIVATION_GELU_TANH = 7u;
const ACTIVATION_HARD_SWISH = 8u;

const SQRT_HALF = 0.70710678118654752;
const SQRT_2_OVER_PI = 0.79788456080286536;
const GELU_CUBIC = 0.044715;

fn sigmoid(z: vec4f) -> vec4f {
    return 1.0 / (1.0 + exp(-z));
}

// e^a − 1 for a ≥ 0, to a few units in the last place: by its series where the difference would cancel.
fn exp_minus_one(a: vec4f) -> vec4f {
    var series = vec4f(1.0 / 362880.0);
    series = series * a + 1.0 / 40320.0;
    series = series * a + 1.0 / 5040.0;
    series = series * a + 1.0 / 720.0;
    series = series * a + 1.0 / 120.0;
    series = series * a + 1.0 / 24.0;
    series = series * a + 1.0 / 6.0;
    series = series * a + 0.5;
    series = series * a + 1.0;
    return select(exp(a) - 1.0, series * a, a < vec4f(0.7));
}

fn hyperbolic_tangent(z: vec4f) -> vec4f {
    // Beyond 20 it is 1, and e^2z still finite.
    let grown = exp_minus_one(2.0 * min(abs(z), vec4f(20.0)));
    return select(grown, -grown, z < vec4f()) / (grown + 2.0);
}

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

// a(z) of GELU by tanh, where it still matters.
fn gelu_argument(z: vec4f) -> vec4f {
    let near = clamp(z, vec4f(-20.0), vec4f(20.0));
    return SQRT_2_OVER_PI * (near + GELU_CUBIC * (near * near * near));
}

fn gelu_argument_slope(z: vec4f) -> vec4f {
    let near = clamp(z, vec4f(-20.0), vec4f(20.0));
    return SQRT_2_OVER_PI * (1.0 + 3.0 * GELU_CUBIC * (near * near));
}

fn activate(z: vec4f) -> vec4f {
    switch ACTIVATION {
        case ACTIVATION_RELU: { return select(z, vec4f(), z <= vec4f()); }
        case ACTIVATION_LEAKY_RELU: { return select(z, local.slope * z, z <= vec4f()); }
        case ACTIVATION_SIGMOID: { return sigmoid(z); }
        case ACTIVATION_TANH: { return hyperbolic_tangent(z); }
        case ACTIVATION_SILU: { return z * sigmoid(z); }
        case ACTIVATION_GELU: { return z * normal_distribution(z); }
        case ACTIVATION_GELU_TANH: { return z * sigmoid(2.0 * gelu_argument(z)); }
        case ACTIVATION_HARD_SWISH: { return z * (clamp(z + 3.0, vec4f(), vec4f(6.0)) / 6.0); }
        default: { return z; }
    }
}

// act'(z); where there is none, that of the left side.
fn activation_slope(z: vec4f) -> vec4f {
    switch ACTIVATION {
        case ACTIVATION_RELU: { return select(vec4f(), vec4f(1.0), z > vec4f()); }
        case ACTIVATION_LEAKY_RELU: { return select(vec4f(local.slope), vec4f(1.0), z > vec4f()); }
        case ACTIVATION_SIGMOID: { return sigmoid(z) * sigmoid(-z); }
        case ACTIVATION_TANH: {
            // 1 − tanh² = 4·s(2z)·s(−2z)
            return 4.0 * sigmoid(2.0 * z) * sigmoid(-2.0 * z);
        }
        case ACTIVATION_SILU: {
            return sigmoid(z) * (1.0 + z * sigmoid(-z));
        }
        case ACTIVATION_GELU: {
            let near = clamp(z, vec4f(-20.0), vec4f(20.0));
            let density = 0.5 * SQRT_2_OVER_PI * exp(-0.5 * near * near);
            return normal_distribution(z) + near * density;
        }
        case ACTIVATION_GELU_TANH: {
            let a = 2.0 * gelu_argument(z);
            return sigmoid(a) * (1.0 + z * sigmoid(-a) * 2.0 * gelu_argument_slope(z));
        }
        case ACTIVATION_HARD_SWISH: {
            let inner = select(z / 3.0 + 0.5, vec4f(1.0), z > vec4f(3.0));
            return select(inner, vec4f(), z <= vec4f(-3.0));
        }
        default: { return vec4f(1.0); }
    }
}
