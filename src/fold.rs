//! Batch norm folded into the dense or convolution layer before it, for networks that are trained.
//!
//! In inference both layers are linear in a channel, so one does the work of both:
//!
//! ```text
//! s = γ/√(running variance + ε)    w' = w·s    b' = (b − running mean)·s + β
//! ```
//!
//! per output channel of the layer before (B. Jacob et al., "Quantization and Training of Neural
//! Networks for Efficient Integer-Arithmetic-Only Inference", 2018, section 3.2; b' with the layer's
//! own bias b). It holds where batch norm reads that layer's output directly, and nothing else does.
//! What comes behind batch norm, such as an activation, comes behind the folded layer.
//!
//! [`fold`] does it on the host, in `f64`, rounded once; [`Folding`] on the GPU, in `f32`, for
//! weights that are there. [`compare`] measures what the network's outputs lose by it.
//!
//! # What to expect at the edges
//!
//! - γ = 0 folds to w' = 0 and b' = β: the channel is constant, as it was.
//! - Where the running variance vanishes s is |γ|/√ε, 316·|γ| at ε = 1e-5: large, and as exact as
//!   any other.
//! - What is beyond `f32` becomes infinite, and what is below it 0 or subnormal; on the GPU this
//!   holds for s too, and an infinite s makes a weight of 0 NaN. Nothing is clamped; [`compare`]
//!   reports infinity.
//! - NaN, and running variances below −ε, which no training gives, spoil their own channel alone.

mod gpu;
mod tensors;

use crate::reference::inv_std;
use crate::{BatchNormDescriptor, Error, Shape, Snapshot};
pub use gpu::{Fold, Folding};
pub use tensors::Tensors;

/// Where the output channel is among the axes of a weight tensor, which is contiguous and row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WeightLayout {
    /// `[out, in]`, `[out, in, kh, kw]` (OIHW): PyTorch's `Linear` and `Conv2d`, with groups or
    /// without.
    OutputFirst,
    /// `[in, out]`, `[kh, kw, in, out]` (HWIO): `Dense` and `Conv2D` of Keras and TensorFlow; also
    /// `[kh, kw, in, multiplier]` of depthwise ones, where the last two axes are the output channel.
    OutputLast,
    /// `[in, out, kh, kw]` with `outer` = in: PyTorch's `ConvTranspose2d` without groups;
    /// `[kh, kw, out, in]` with `outer` = kh·kw: Keras' `Conv2DTranspose`.
    OutputBetween {
        /// Product of the axes before the output channel.
        outer: u64,
    },
}

impl WeightLayout {
    /// The tensor as outer × channels × inner, for `weights` weights in all.
    fn shape(self, channels: usize, weights: u64) -> Result<Shape, Error> {
        let channels = u32::try_from(channels).unwrap_or(u32::MAX);
        let outer = match self {
            Self::OutputBetween { outer } => outer,
            _ => 1,
        };
        // The least there can be: one weight a channel.
        let least = Shape::channels_first(outer.max(1), channels, 1);
        least.validate()?;
        let (least, have) = (least.elements(), if outer == 0 { 0 } else { weights });
        if have == 0 || !have.is_multiple_of(least) {
            let need = have.max(1).div_ceil(least).saturating_mul(least);
            return Err(Error::LengthMismatch { name: "weights", need, have });
        }
        let each = have / least;
        Ok(match self {
            Self::OutputFirst => Shape::channels_first(1, channels, each),
            Self::OutputLast => Shape::channels_last(each, channels),
            Self::OutputBetween { outer } => Shape::channels_first(outer, channels, each),
        })
    }
}

/// The layer before batch norm, on the host.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// Where the output channel is in `weights`.
    pub layout: WeightLayout,
    /// w: as many a channel as the layer has.
    pub weights: &'a [f32],
    /// b, a value a channel; `None` stands for 0.
    pub bias: Option<&'a [f32]>,
}

/// A layer that batch norm was folded into.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded {
    /// w', in the layout of the weights it came from.
    pub weights: Vec<f32>,
    /// b', a value a channel.
    pub bias: Vec<f32>,
}

/// Folds batch norm into a layer, on the host: in `f64`, and rounded once.
///
/// `descriptor` tells ε and whether there are γ and β at all; `snapshot` the running statistics.
///
/// # Errors
/// [`Error::InvalidEpsilon`]; [`Error::InvalidChannels`]; [`Error::LengthMismatch`] if the rows of
/// `snapshot` or the bias differ in length, or the weights are not a multiple of the channels.
pub fn fold(
    snapshot: &Snapshot,
    descriptor: &BatchNormDescriptor,
    layer: Layer<'_>,
) -> Result<Folded, Error> {
    let Prepared { shape, channels } = prepare(snapshot, descriptor, layer)?;
    let weights = layer.weights.iter().zip(0..).map(|(&weight, at)| {
        let channel = at / shape.inner() % shape.channels() as u64;
        (weight as f64 * channels[channel as usize].scale) as f32
    });
    let bias = channels.iter().map(|c| ((c.bias - c.mean) * c.scale + c.beta) as f32);
    Ok(Folded { weights: weights.collect(), bias: bias.collect() })
}

/// How far the outputs of a folded layer are from those of the layer and batch norm.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Report {
    /// Largest |y' − y|.
    pub largest_absolute: f64,
    /// Largest |y' − y| as a fraction of the largest |y| of its channel, which, other than y itself,
    /// is not near 0 by chance.
    pub largest_relative: f64,
    /// The output channel of `largest_relative`.
    pub channel: u32,
}

/// Runs a batch through a layer and batch norm, y, and through the folded layer, y', and compares.
///
/// `inputs` are rows of as many values as a channel has weights, in their order: the inputs of a
/// dense layer, or the patches under a convolution's kernel. Both sides are computed in `f64`, so
/// the report has what the rounding of w' and b' does, and not what a network in `f32` adds on
/// either side. What is not finite, on either side, counts as infinitely far.
///
/// # Errors
/// Those of [`fold`]; [`Error::LengthMismatch`] if `folded` has another size than the layer, or
/// `inputs` are not whole rows. No rows at all give a report of zeros.
pub fn compare(
    snapshot: &Snapshot,
    descriptor: &BatchNormDescriptor,
    layer: Layer<'_>,
    folded: &Folded,
    inputs: &[f32],
) -> Result<Report, Error> {
    let Prepared { shape, channels } = prepare(snapshot, descriptor, layer)?;
    let each = shape.count();
    let rows = (inputs.len() as u64).div_ceil(each);
    for (name, need, have) in [
        ("folded_weights", shape.elements(), folded.weights.len() as u64),
        ("folded_bias", shape.channels() as u64, folded.bias.len() as u64),
        ("inputs", rows.saturating_mul(each), inputs.len() as u64),
    ] {
        if need != have {
            return Err(Error::LengthMismatch { name, need, have });
        }
    }
    let mut report = Report::default();
    for (c, channel) in (0..).zip(&channels) {
        let places = (0..shape.outer())
            .flat_map(|outer| (0..shape.inner()).map(move |i| shape.index(outer, c, i) as usize));
        let places: Vec<usize> = places.collect();
        let (mut worst, mut size) = (0f64, 0f64);
        for input in inputs.chunks_exact(each as usize) {
            let dot = |weights: &[f32]| -> f64 {
                let pairs = input.iter().zip(&places);
                pairs.map(|(&x, &at)| weights[at] as f64 * x as f64).sum()
            };
            let before = dot(layer.weights) + channel.bias;
            let y = (before - channel.mean) * channel.scale + channel.beta;
            let difference = (dot(&folded.weights) + folded.bias[c as usize] as f64 - y).abs();
            worst = if difference.is_finite() { worst.max(difference) } else { f64::INFINITY };
            size = size.max(y.abs());
        }
        let relative = if worst == 0.0 || worst.is_infinite() { worst } else { worst / size };
        report.largest_absolute = report.largest_absolute.max(worst);
        if relative > report.largest_relative {
            report.largest_relative = relative;
            report.channel = c;
        }
    }
    Ok(report)
}

/// A layer and batch norm, checked.
struct Prepared {
    shape: Shape,
    channels: Vec<Channel>,
}

/// What one output channel is folded with.
struct Channel {
    /// s = γ/√(running variance + ε).
    scale: f64,
    mean: f64,
    beta: f64,
    bias: f64,
}

fn prepare(
    snapshot: &Snapshot,
    descriptor: &BatchNormDescriptor,
    layer: Layer<'_>,
) -> Result<Prepared, Error> {
    check_epsilon(descriptor)?;
    let count = snapshot.channels();
    let shape = layer.layout.shape(count, layer.weights.len() as u64)?;
    snapshot.check(count)?;
    let have = layer.bias.map_or(count, <[f32]>::len);
    if have != count {
        let (need, have) = (count as u64, have as u64);
        return Err(Error::LengthMismatch { name: "bias", need, have });
    }
    let channels = (0..count).map(|c| {
        let inv_std = inv_std(snapshot.running_var[c] as f64, descriptor.epsilon);
        let gamma = if descriptor.scale { snapshot.gamma[c] as f64 } else { 1.0 };
        let beta = if descriptor.shift { snapshot.beta[c] as f64 } else { 0.0 };
        let bias = layer.bias.map_or(0.0, |bias| bias[c] as f64);
        Channel { scale: gamma * inv_std, mean: snapshot.running_mean[c] as f64, beta, bias }
    });
    Ok(Prepared { shape, channels: channels.collect() })
}

fn check_epsilon(descriptor: &BatchNormDescriptor) -> Result<(), Error> {
    let epsilon = descriptor.epsilon;
    match epsilon.is_finite() && epsilon > 0.0 {
        true => Ok(()),
        false => Err(Error::InvalidEpsilon(epsilon)),
    }
}
