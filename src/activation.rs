//! The function that may follow batch norm, fused into the same kernels.

/// act in y = act(γ·x̂ + β + residual), elementwise. Its backward pass computes its argument again
/// from x: nothing is stored for it.
///
/// Formulas and sources are those of `shaders/activation`; [`value`](Self::value) and
/// [`slope`](Self::slope) are the same in `f64`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// z.
    #[default]
    Identity,
    /// max(z, 0).
    Relu,
    /// z, below 0 times the slope.
    LeakyRelu(f32),
    /// 1/(1 + e^−z).
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// z/(1 + e^−z), also called swish.
    Silu,
    /// z·Φ(z), Φ the normal distribution.
    Gelu,
    /// GELU's approximation, z/2·(1 + tanh(√(2/π)·(z + 0.044715·z³))).
    GeluTanh,
    /// z·min(max(z + 3, 0), 6)/6.
    HardSwish,
}

const SQRT_2_OVER_PI: f64 = std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2;

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

fn gelu_argument(z: f64) -> f64 {
    SQRT_2_OVER_PI * (z + 0.044715 * z.powi(3))
}

/// Φ(z) by its series, or, in the tails, by Laplace's continued fraction.
fn normal_distribution(z: f64) -> f64 {
    let density = (-z * z / 2.0).exp() * SQRT_2_OVER_PI / 2.0;
    if z.abs() < 4.0 {
        // Φ(z) = 1/2 + φ(z)·(z + z³/3 + z⁵/(3·5) + …)
        let (mut term, mut sum) = (z, z);
        for k in 1..100 {
            term *= z * z / (2 * k + 1) as f64;
            sum += term;
        }
        return 0.5 + density * sum;
    }
    // 1 − Φ(u) = φ(u)/(u + 1/(u + 2/(u + 3/(u + …))))
    let u = z.abs();
    let tail = density / (1..100).rev().fold(u, |rest, k| u + k as f64 / rest);
    if z < 0.0 { tail } else { 1.0 - tail }
}

impl Activation {
    /// act(z), in `f64`.
    pub fn value(self, z: f64) -> f64 {
        match self {
            Activation::Identity => z,
            Activation::Relu => z.max(0.0),
            Activation::LeakyRelu(slope) if z <= 0.0 => slope as f64 * z,
            Activation::LeakyRelu(_) => z,
            Activation::Sigmoid => sigmoid(z),
            Activation::Tanh => z.tanh(),
            Activation::Silu => z * sigmoid(z),
            Activation::Gelu => z * normal_distribution(z),
            Activation::GeluTanh => z * sigmoid(2.0 * gelu_argument(z)),
            Activation::HardSwish => z * (z + 3.0).clamp(0.0, 6.0) / 6.0,
        }
    }

    /// act'(z), in `f64`; at a kink that of the left side.
    pub fn slope(self, z: f64) -> f64 {
        match self {
            Activation::Identity => 1.0,
            Activation::Relu => (z > 0.0) as u32 as f64,
            Activation::LeakyRelu(slope) if z <= 0.0 => slope as f64,
            Activation::LeakyRelu(_) => 1.0,
            Activation::Sigmoid => sigmoid(z) * sigmoid(-z),
            Activation::Tanh => 1.0 - z.tanh().powi(2),
            Activation::Silu => sigmoid(z) * (1.0 + z * sigmoid(-z)),
            Activation::Gelu => {
                let density = (-z * z / 2.0).exp() * SQRT_2_OVER_PI / 2.0;
                normal_distribution(z) + z * density
            }
            Activation::GeluTanh => {
                let a = 2.0 * gelu_argument(z);
                let slope = 2.0 * SQRT_2_OVER_PI * (1.0 + 3.0 * 0.044715 * z * z);
                sigmoid(a) * (1.0 + z * sigmoid(-a) * slope)
            }
            Activation::HardSwish if z <= -3.0 => 0.0,
            Activation::HardSwish if z > 3.0 => 1.0,
            Activation::HardSwish => z / 3.0 + 0.5,
        }
    }

    /// The slope of leaky ReLU, which is a parameter of the kernels.
    pub(crate) fn parameter(self) -> f32 {
        match self {
            Activation::LeakyRelu(slope) => slope,
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub const ALL: [Activation; 9] = [
        Activation::Identity,
        Activation::Relu,
        Activation::LeakyRelu(0.1),
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::Silu,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::HardSwish,
    ];

    #[test]
    fn slopes_are_central_differences() {
        for activation in ALL {
            for i in -200..=200 {
                // Off the kinks.
                let z = i as f64 / 17.0 + 0.01;
                let h = 1e-4;
                let difference = (activation.value(z + h) - activation.value(z - h)) / (2.0 * h);
                let slope = activation.slope(z);
                assert!((difference - slope).abs() < 1e-6, "{activation:?} at {z}: {slope}");
            }
        }
    }

    /// From tables (Φ to 15 digits), and where the two ways of computing it meet.
    #[test]
    fn the_normal_distribution_is_right() {
        for (z, want) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746_068_542_9),
            (-2.0, 0.022_750_131_948_179_21),
            (-5.0, 2.866_515_718_791_939e-7),
        ] {
            let have = normal_distribution(z);
            assert!((have / want - 1.0).abs() < 1e-12, "{z}: {have}");
        }
        let (series, fraction) = (normal_distribution(-3.999_999), normal_distribution(-4.000_001));
        assert!((series / fraction - 1.0).abs() < 1e-5);
    }

    #[test]
    fn activations_have_their_known_values() {
        for (activation, z, want) in [
            (Activation::Relu, -1.0, 0.0),
            (Activation::LeakyRelu(0.25), -2.0, -0.5),
            (Activation::Sigmoid, 0.0, 0.5),
            (Activation::Silu, 0.0, 0.0),
            (Activation::Gelu, 1.0, 0.841_344_746_068_542_9),
            (Activation::GeluTanh, 1.0, 0.841_191_990_608_276_4),
            (Activation::HardSwish, 1.0, 2.0 / 3.0),
            (Activation::HardSwish, -4.0, 0.0),
        ] {
            assert!((activation.value(z) - want).abs() < 1e-12, "{activation:?} of {z}");
        }
    }
}
