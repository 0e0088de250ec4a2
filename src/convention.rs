//! How PyTorch, Keras, ONNX and Burn state the same layer, and what changes from one to another.
//!
//! | | PyTorch | Keras | ONNX | Burn |
//! |---|---|---|---|---|
//! | running ← | (1 − m)·running + m·batch | m·running + (1 − m)·batch | as Keras | as PyTorch |
//! | momentum m | 0.1 | 0.99 | 0.9 | 0.1 |
//! | ε | 1e-5 | 1e-3 | 1e-5 | 1e-5 |
//! | running variance | unbiased | biased | biased | biased |
//! | γ | `weight` | `gamma` | `scale` | `gamma` |
//! | β | `bias` | `beta` | `B` | `beta` |
//! | running mean | `running_mean` | `moving_mean` | `input_mean` | `running_mean` |
//! | running variance | `running_var` | `moving_variance` | `input_var` | `running_var` |
//! | batches seen | `num_batches_tracked` | | | |
//! | no γ, no β | `affine=False`, both | `scale=False`, `center=False` | γ = 1, β = 0 | γ = 1, β = 0 |
//!
//! Sources: `torch.nn.BatchNorm2d`; `keras.layers.BatchNormalization` of Keras 3; the operator
//! `BatchNormalization` of ONNX, opset 15; `burn::nn::BatchNorm` 0.22. Keras as part of TensorFlow 2
//! takes the unbiased variance where it uses TensorFlow's fused kernel, that is for images.
//!
//! γ, β and the running mean are the same numbers everywhere, so moving them needs new names alone.
//! What else moves is [momentum](Convention::restate_momentum) and the
//! [running variance](RunningVariance::convert).

use crate::{BatchNormDescriptor, Error, Momentum, RunningVariance};

/// A framework or format that states batch norm in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Convention {
    /// `torch.nn.BatchNorm1d` and its neighbours.
    PyTorch,
    /// `keras.layers.BatchNormalization`.
    Keras,
    /// The operator `BatchNormalization`.
    Onnx,
    /// `burn::nn::BatchNorm`.
    Burn,
}

/// What a convention calls the parameters of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterNames {
    /// γ, the scale.
    pub gamma: &'static str,
    /// β, the shift.
    pub beta: &'static str,
    /// Running mean.
    pub running_mean: &'static str,
    /// Running variance.
    pub running_var: &'static str,
    /// Batches that the running statistics have seen; `None` if nobody counts.
    pub batches: Option<&'static str>,
}

/// What a convention takes where nothing is stated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Defaults {
    /// ε in 1/√(σ² + ε).
    pub epsilon: f32,
    /// Momentum, in the direction of the convention.
    pub momentum: f64,
    /// Which variance of a batch enters the running variance; not a choice in any of them.
    pub running_variance: RunningVariance,
}

/// How a convention states that a layer has no γ or no β.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingAffine {
    /// One switch takes away both, and the file has neither; one alone is stated as a constant.
    Together,
    /// A switch each, and the file lacks what is switched off.
    Apart,
    /// No switch: γ = 1 and β = 0 are stated as constants.
    Constants,
}

impl Convention {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::PyTorch, Self::Keras, Self::Onnx, Self::Burn];

    /// What the parameters are called.
    pub const fn parameter_names(self) -> ParameterNames {
        let [gamma, beta, running_mean, running_var] = match self {
            Self::PyTorch => ["weight", "bias", "running_mean", "running_var"],
            Self::Keras => ["gamma", "beta", "moving_mean", "moving_variance"],
            Self::Onnx => ["scale", "B", "input_mean", "input_var"],
            Self::Burn => ["gamma", "beta", "running_mean", "running_var"],
        };
        let batches = match self {
            Self::PyTorch => Some("num_batches_tracked"),
            _ => None,
        };
        ParameterNames { gamma, beta, running_mean, running_var, batches }
    }

    /// ε, momentum and kind of variance where nothing is stated.
    pub const fn defaults(self) -> Defaults {
        let (epsilon, momentum, running_variance) = match self {
            Self::PyTorch => (1e-5, 0.1, RunningVariance::Unbiased),
            Self::Keras => (1e-3, 0.99, RunningVariance::Biased),
            Self::Onnx => (1e-5, 0.9, RunningVariance::Biased),
            Self::Burn => (1e-5, 0.1, RunningVariance::Biased),
        };
        Defaults { epsilon, momentum, running_variance }
    }

    /// A configuration with the convention's [`defaults`](Self::defaults), scale and shift on.
    pub fn descriptor(self) -> BatchNormDescriptor {
        let Defaults { epsilon, running_variance, .. } = self.defaults();
        BatchNormDescriptor { epsilon, running_variance, ..Default::default() }
    }

    /// How a missing γ or β is stated.
    pub const fn missing_affine(self) -> MissingAffine {
        match self {
            Self::PyTorch => MissingAffine::Together,
            Self::Keras => MissingAffine::Apart,
            Self::Onnx | Self::Burn => MissingAffine::Constants,
        }
    }

    /// Whether m is the weight of the new batch, and not that of the old running value.
    const fn weighs_batch(self) -> bool {
        matches!(self, Self::PyTorch | Self::Burn)
    }

    /// The crate's momentum for one that is stated in this convention: α = m or 1 − m, computed in
    /// `f64` and rounded once to `f32`, the type that the kernels use.
    ///
    /// Keras' 0.99 gives `0.01f32`. An `f32`, such as ONNX' attribute, is to be widened:
    /// `0.9f32 as f64` gives 1 − 0.9 as a subtraction in `f32` does.
    ///
    /// # Errors
    /// [`Error::InvalidMomentum`] if `stated` is not from 0 to 1.
    pub fn momentum(self, stated: f64) -> Result<Momentum, Error> {
        Ok(Momentum::Exponential(self.restate_momentum(stated, Self::PyTorch)? as f32))
    }

    /// The number by which this convention states the crate's momentum: for `0.1f32` 0.1 or 0.9,
    /// not 0.10000000149. `None` for [`Momentum::Cumulative`], which PyTorch states as `None`, and
    /// the others cannot state.
    ///
    /// [`momentum`](Self::momentum) gives back the same `f32`, bit for bit, for every α that is 0 or
    /// at least 2⁻²⁹ ≈ 1.9e-9. A smaller one comes back to within 2⁻⁵³, the distance of
    /// neighbours below 1 in `f64`.
    ///
    /// # Errors
    /// [`Error::InvalidMomentum`] if α is not from 0 to 1.
    pub fn stated_momentum(self, momentum: Momentum) -> Result<Option<f64>, Error> {
        let Momentum::Exponential(alpha) = momentum else { return Ok(None) };
        let exact = alpha as f64;
        // The shortest decimal that means the same `f32`.
        let short = alpha.to_string().parse().unwrap_or(exact);
        for candidate in [short, exact] {
            let stated = Self::PyTorch.restate_momentum(candidate, self)?;
            if self.momentum(stated)? == momentum {
                return Ok(Some(stated));
            }
        }
        Self::PyTorch.restate_momentum(exact, self).map(Some)
    }

    /// The momentum of this convention in the words of another: m or 1 − m.
    ///
    /// `f64` is coarser near 1 than near 0, so some numbers near 0 share a counterpart; of those
    /// that 1 − m may stand for, the one with the fewest decimal places is taken. There and back
    /// gives the same number, bit for bit, for every m of 1/2 and more, and for every decimal of up
    /// to 15 places: Keras' 0.99 is PyTorch's 0.01, not 0.010000000000000009, and 0.99 again. Any
    /// other comes back to within 2⁻⁵³; an `f32` of 2⁻²⁹ or more, if it is rounded to `f32` again, as
    /// itself.
    ///
    /// # Errors
    /// [`Error::InvalidMomentum`] if `stated` is not from 0 to 1.
    pub fn restate_momentum(self, stated: f64, to: Self) -> Result<f64, Error> {
        if !(0.0..=1.0).contains(&stated) {
            return Err(Error::InvalidMomentum(stated as f32));
        }
        let same = self.weighs_batch() == to.weighs_batch();
        Ok(if same { stated } else { complement(stated) })
    }
}

impl MissingAffine {
    /// Whether a layer with or without scale and shift has entries for γ and for β.
    pub const fn entries(self, scale: bool, shift: bool) -> (bool, bool) {
        match self {
            Self::Together => (scale || shift, scale || shift),
            Self::Apart => (scale, shift),
            Self::Constants => (true, true),
        }
    }
}

impl RunningVariance {
    /// A running variance of this kind as one of the kind `to`, for batches of `count` values a
    /// channel, m: biased · m/(m − 1) = unbiased.
    ///
    /// Holds if all batches had m values; what is left of the initial variance is scaled as well.
    /// An `f32` that goes there and back as `f64` returns with the same bits, since four roundings
    /// of 2⁻⁵³ are less than half of its last place. An `f32` in between loses up to a unit in the
    /// last place: scaling by less than 1 maps two neighbours to one, and so does scaling past a
    /// power of 2.
    ///
    /// # Errors
    /// [`Error::NoUnbiasedVariance`] if the kinds differ and m is below 2.
    pub fn convert(self, to: Self, variance: f64, count: u64) -> Result<f64, Error> {
        if self == to {
            return Ok(variance);
        }
        if count < 2 {
            return Err(Error::NoUnbiasedVariance(count));
        }
        let (m, degrees) = (count as f64, (count - 1) as f64);
        Ok(match to {
            Self::Unbiased => variance * m / degrees,
            Self::Biased => variance * degrees / m,
        })
    }
}

/// 1 − m, for m from 0 to 1.
fn complement(m: f64) -> f64 {
    let exact = 1.0 - m;
    if m < 0.5 {
        return exact;
    }
    // The subtraction has no rounding, but m had: `exact` stands for all numbers within 2⁻⁵⁴. At 16
    // places one of them is a decimal, so this ends there at the latest.
    let decimals = (0..=16).filter_map(|places| format!("{exact:.places$}").parse().ok());
    decimals.into_iter().find(|decimal: &f64| 1.0 - decimal == m).unwrap_or(exact)
}
