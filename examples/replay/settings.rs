//! The metadata of a case.

use crate::compare::Tolerance;
use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use wgpu_batchnorm::{Activation, BatchNormDescriptor, Error, Layout, Momentum, RunningVariance};

/// How a case is computed and compared.
#[derive(Debug)]
pub struct Settings {
    pub mode: Mode,
    pub momentum: Momentum,
    pub tolerance: Tolerance,
    pub layout: Layout,
    pub epsilon: f32,
    pub running_variance: RunningVariance,
    pub activation: Activation,
    /// Keys that mean nothing here. Metadata is free for all, so they are no error, but they may
    /// be misspelt, so they are not passed over in silence.
    pub unknown: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Train,
    Infer,
}

impl Settings {
    /// Reads the metadata; what it lacks has a default.
    pub fn read(metadata: Option<&HashMap<String, String>>) -> Result<Self, String> {
        let mut settings = Self {
            mode: Mode::Train,
            momentum: Momentum::default(),
            tolerance: Tolerance::default(),
            layout: Layout::ChannelsFirst,
            epsilon: BatchNormDescriptor::default().epsilon,
            running_variance: RunningVariance::default(),
            activation: Activation::Identity,
            unknown: Vec::new(),
        };
        // In order, so that of several errors it is always the same that is reported.
        for (key, value) in metadata.into_iter().flatten().collect::<BTreeMap<_, _>>() {
            settings.set(key, value)?;
        }
        Ok(settings)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "mode" => {
                self.mode = choice(key, value, [("train", Mode::Train), ("infer", Mode::Infer)])?;
            }
            "layout" => {
                let first = ("channels_first", Layout::ChannelsFirst);
                self.layout = choice(key, value, [first, ("channels_last", Layout::ChannelsLast)])?;
            }
            "running_variance" => {
                let unbiased = ("unbiased", RunningVariance::Unbiased);
                let biased = ("biased", RunningVariance::Biased);
                self.running_variance = choice(key, value, [unbiased, biased])?;
            }
            "epsilon" => self.epsilon = number(key, value)?,
            "momentum" => self.momentum = momentum(key, value)?,
            "activation" => self.activation = activation(key, value)?,
            "tolerance" => self.tolerance = tolerance(key, value)?,
            // Python's safetensors library writes the framework here.
            "format" => {}
            _ => self.unknown.push(key.to_owned()),
        }
        Ok(())
    }
}

fn choice<T, const N: usize>(key: &str, value: &str, of: [(&str, T); N]) -> Result<T, String> {
    let names = of.each_ref().map(|(name, _)| *name).join(" or ");
    of.into_iter()
        .find(|(name, _)| *name == value)
        .map(|(_, choice)| choice)
        .ok_or_else(|| format!("{key} must be {names}, but is `{value}`"))
}

fn number<T: FromStr>(key: &str, value: &str) -> Result<T, String> {
    value.trim().parse().map_err(|_| format!("{key} must be a number, but is `{value}`"))
}

fn momentum(key: &str, value: &str) -> Result<Momentum, String> {
    if value == "none" {
        return Ok(Momentum::Cumulative);
    }
    let alpha = number(key, value)?;
    // Binding does not look at it in inference.
    if !(0.0..=1.0).contains(&alpha) {
        return Err(Error::InvalidMomentum(alpha).to_string());
    }
    Ok(Momentum::Exponential(alpha))
}

fn activation(key: &str, value: &str) -> Result<Activation, String> {
    if let Some(slope) = value.strip_prefix("leaky_relu:") {
        let slope: f32 = number("the slope of leaky_relu", slope)?;
        return Ok(Activation::LeakyRelu(slope));
    }
    let plain = [
        ("identity", Activation::Identity),
        ("relu", Activation::Relu),
        ("sigmoid", Activation::Sigmoid),
        ("tanh", Activation::Tanh),
        ("silu", Activation::Silu),
        ("gelu", Activation::Gelu),
        ("gelu_tanh", Activation::GeluTanh),
        ("hard_swish", Activation::HardSwish),
    ];
    let names = plain.map(|(name, _)| name).join(", ");
    let known = plain.into_iter().find(|(name, _)| *name == value);
    known.map(|(_, activation)| activation).ok_or_else(|| {
        format!("{key} must be leaky_relu:SLOPE or one of {names}, but is `{value}`")
    })
}

fn tolerance(key: &str, value: &str) -> Result<Tolerance, String> {
    let (absolute, relative) = value
        .split_once(',')
        .ok_or_else(|| format!("{key} must be two numbers, ATOL,RTOL, but is `{value}`"))?;
    let [absolute, relative] = [number(key, absolute)?, number(key, relative)?];
    for number in [absolute, relative] {
        if !(f64::is_finite(number) && number >= 0.0) {
            return Err(format!("{key} must be finite and 0 or more, but is `{value}`"));
        }
    }
    Ok(Tolerance { absolute, relative })
}
