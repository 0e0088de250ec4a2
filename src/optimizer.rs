//! How γ and β learn: a step at the end of the backward pass, in its last dispatch.

use crate::Error;

/// An optimizer of γ and β, as `torch.optim` defines it; its state lives in the layer's
/// [`State`](crate::State).
///
/// Set with [`State::set_optimizer`](crate::State::set_optimizer), at any time and without binding
/// anew; a backward pass bound with [`Gradients::optimize`](crate::Gradients::optimize) takes the
/// steps. Numbers are `f64`, because 1 − β₂ has few digits in `f32`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optimizer {
    /// How a gradient becomes a step.
    pub rule: Rule,
    /// lr; 0 or more, finite in `f32`.
    pub learning_rate: f64,
    /// λ; 0 or more, finite in `f32`. Added to the gradient as λ·θ, but for AdamW, which shrinks θ
    /// itself.
    pub weight_decay: f64,
}

/// How a gradient g becomes a step of θ; t counts the steps from 1, of all rules together. Formulas
/// are those of `shaders/optimizer.wgsl`.
///
/// As in PyTorch, nothing guards a division: with ε = 0 a gradient that was always 0 gives 0/0, and
/// γ and β become NaN; and gradients that are no numbers spoil γ and β even at a rate of 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// b ← μ·b + (1 − dampening)·g, at first b ← g; θ −= lr·b, or, Nesterov, lr·(g + μ·b). Without
    /// momentum θ −= lr·g, and b stays as it is.
    GradientDescent {
        /// μ, from 0 to 1.
        momentum: f64,
        /// From 0 to 1; of no effect without momentum. PyTorch has no Nesterov momentum with it.
        dampening: f64,
        /// Look ahead.
        nesterov: bool,
    },
    /// v ← α·v + (1 − α)·g²; b ← μ·b + g/(√v + ε); θ −= lr·b. Without momentum
    /// θ −= lr·g/(√v + ε), and b stays as it is.
    RmsProp {
        /// α, from 0 to 1.
        alpha: f64,
        /// ε, 0 or more.
        epsilon: f64,
        /// μ, from 0 to 1.
        momentum: f64,
    },
    /// m ← β₁·m + (1 − β₁)·g; v ← β₂·v + (1 − β₂)·g²; θ −= lr/(1 − β₁ᵗ)·m/(√(v/(1 − β₂ᵗ)) + ε).
    Adam {
        /// β₁, from 0 to below 1.
        beta1: f64,
        /// β₂, from 0 to below 1.
        beta2: f64,
        /// ε, 0 or more.
        epsilon: f64,
    },
    /// As Adam, after θ −= lr·λ·θ.
    AdamW {
        /// β₁, from 0 to below 1.
        beta1: f64,
        /// β₂, from 0 to below 1.
        beta2: f64,
        /// ε, 0 or more.
        epsilon: f64,
    },
}

impl Optimizer {
    /// Plain gradient descent.
    pub const fn gradient_descent(learning_rate: f64) -> Self {
        let rule = Rule::GradientDescent { momentum: 0.0, dampening: 0.0, nesterov: false };
        Self { rule, learning_rate, weight_decay: 0.0 }
    }

    /// RMSProp with PyTorch's α = 0.99 and ε = 1e-8.
    pub const fn rms_prop(learning_rate: f64) -> Self {
        let rule = Rule::RmsProp { alpha: 0.99, epsilon: 1e-8, momentum: 0.0 };
        Self { rule, learning_rate, weight_decay: 0.0 }
    }

    /// Adam with its authors' β₁ = 0.9, β₂ = 0.999 and ε = 1e-8.
    pub const fn adam(learning_rate: f64) -> Self {
        let rule = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
        Self { rule, learning_rate, weight_decay: 0.0 }
    }

    /// AdamW with Adam's defaults and PyTorch's λ = 0.01.
    pub const fn adam_w(learning_rate: f64) -> Self {
        let rule = Rule::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
        Self { rule, learning_rate, weight_decay: 0.01 }
    }

    /// θ after a step by its gradient: the rule in `f64`, for the host, to be read and to test
    /// against.
    ///
    /// `steps` counts from 1, this step included. `averages` are b or m, and v, both 0 at first.
    /// What [`State::set_optimizer`](crate::State::set_optimizer) refuses is not refused here.
    #[must_use]
    pub fn step(&self, value: f64, gradient: f64, averages: &mut [f64; 2], steps: u32) -> f64 {
        let Self { rule, learning_rate, weight_decay } = *self;
        let [first, second] = averages;
        let decayed = gradient + weight_decay * value;
        match rule {
            Rule::GradientDescent { momentum: 0.0, .. } => value - learning_rate * decayed,
            Rule::GradientDescent { momentum, dampening, nesterov } => {
                *first = match steps {
                    1 => decayed,
                    _ => momentum * *first + (1.0 - dampening) * decayed,
                };
                let ahead = if nesterov { decayed + momentum * *first } else { *first };
                value - learning_rate * ahead
            }
            Rule::RmsProp { alpha, epsilon, momentum } => {
                *second = alpha * *second + (1.0 - alpha) * (decayed * decayed);
                let scaled = decayed / (second.sqrt() + epsilon);
                if momentum == 0.0 {
                    return value - learning_rate * scaled;
                }
                *first = momentum * *first + scaled;
                value - learning_rate * *first
            }
            Rule::Adam { beta1, beta2, epsilon } | Rule::AdamW { beta1, beta2, epsilon } => {
                let is_w = matches!(rule, Rule::AdamW { .. });
                let shrunk =
                    if is_w { value - learning_rate * weight_decay * value } else { value };
                let gradient = if is_w { gradient } else { decayed };
                *first = beta1 * *first + (1.0 - beta1) * gradient;
                *second = beta2 * *second + (1.0 - beta2) * (gradient * gradient);
                let correction = |beta: f64| 1.0 - beta.powf(steps as f64);
                let scale = (*second / correction(beta2)).sqrt() + epsilon;
                shrunk - learning_rate / correction(beta1) * *first / scale
            }
        }
    }

    fn validate(&self) -> Result<(), Error> {
        // The kernels compute in `f32`, in which a finite `f64` may be infinite.
        let positive = |name, value: f64| match (value as f32).is_finite() && value >= 0.0 {
            true => Ok(()),
            false => Err(Error::InvalidHyperparameter { name, value }),
        };
        let share = |name, value: f64| match (0.0..=1.0).contains(&value) {
            true => Ok(()),
            false => Err(Error::InvalidHyperparameter { name, value }),
        };
        positive("learning_rate", self.learning_rate)?;
        positive("weight_decay", self.weight_decay)?;
        match self.rule {
            Rule::GradientDescent { momentum, dampening, .. } => {
                share("momentum", momentum)?;
                share("dampening", dampening)
            }
            Rule::RmsProp { alpha, epsilon, momentum } => {
                share("alpha", alpha)?;
                positive("epsilon", epsilon)?;
                share("momentum", momentum)
            }
            Rule::Adam { beta1, beta2, epsilon } | Rule::AdamW { beta1, beta2, epsilon } => {
                for (name, value) in [("beta1", beta1), ("beta2", beta2)] {
                    share(name, value)?;
                    if value == 1.0 {
                        return Err(Error::InvalidHyperparameter { name, value });
                    }
                }
                positive("epsilon", epsilon)
            }
        }
    }

    /// What the kernels read: `SETTING_RULE` to `SETTING_NESTEROV` of shaders/settings.wgsl.
    pub(crate) fn settings(&self) -> Result<[u32; 11], Error> {
        self.validate()?;
        let bits = |value: f64| (value as f32).to_bits();
        let (code, first, first_rate, second, second_rate, epsilon, nesterov) = match self.rule {
            Rule::GradientDescent { momentum, dampening, nesterov } => {
                (0, momentum, 1.0 - dampening, 0.0, 0.0, 0.0, nesterov)
            }
            Rule::RmsProp { alpha, epsilon, momentum } => {
                (1, momentum, 1.0, alpha, 1.0 - alpha, epsilon, false)
            }
            Rule::Adam { beta1, beta2, epsilon } => {
                (2, beta1, 1.0 - beta1, beta2, 1.0 - beta2, epsilon, false)
            }
            Rule::AdamW { beta1, beta2, epsilon } => {
                (3, beta1, 1.0 - beta1, beta2, 1.0 - beta2, epsilon, false)
            }
        };
        Ok([
            code,
            bits(self.learning_rate),
            bits(self.weight_decay),
            bits(first),
            bits(second),
            bits(first_rate),
            bits(second_rate),
            // ln 0 is beyond any number that shaders may see; so is e to its multiples.
            bits(first.max(1e-30).ln()),
            bits(second.max(1e-30).ln()),
            bits(epsilon),
            bits(nesterov as u32 as f64),
        ])
    }
}
