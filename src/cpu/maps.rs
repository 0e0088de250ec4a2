//! What becomes of each value of a channel, once its sums are known.

use super::accumulate::{Moments, Sums};
use super::{AffineParams, Saved};
use crate::Shape;

/// y = ((x − mean) − remainder)·scale + shift, of all channels.
#[derive(Default)]
pub struct Normalize {
    pub mean: Vec<f32>,
    pub remainder: Vec<f32>,
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
}

impl Normalize {
    pub fn new(channels: impl Iterator<Item = Affine>) -> Self {
        let mut all = Self::default();
        for Affine { mean, remainder, scale, shift } in channels {
            all.mean.push(mean);
            all.remainder.push(remainder);
            all.scale.push(scale);
            all.shift.push(shift);
        }
        all
    }

    pub fn of(&self, c: usize) -> Affine {
        let Self { mean, remainder, scale, shift } = self;
        Affine { mean: mean[c], remainder: remainder[c], scale: scale[c], shift: shift[c] }
    }
}

/// The same of one channel.
#[derive(Clone, Copy)]
pub struct Affine {
    mean: f32,
    remainder: f32,
    scale: f32,
    shift: f32,
}

impl Affine {
    pub fn new(mean: f64, variance: f64, epsilon: f32, affine: AffineParams<'_>, c: usize) -> Self {
        let inv_std = 1.0 / (variance + epsilon as f64).sqrt();
        let rounded = mean as f32;
        Self {
            mean: rounded,
            remainder: (mean - rounded as f64) as f32,
            scale: (affine.gamma.map_or(1.0, |g| g[c] as f64) * inv_std) as f32,
            shift: affine.beta.map_or(0.0, |b| b[c]),
        }
    }

    /// Of a channel of the batch.
    pub fn of_moments(
        m: &Moments,
        shape: Shape,
        epsilon: f32,
        affine: AffineParams<'_>,
        c: usize,
    ) -> Self {
        Self::new(m.mean, m.m2 / shape.count() as f64, epsilon, affine, c)
    }

    pub fn apply(&self, x: &[f32], y: &mut [f32]) {
        for (x, y) in x.iter().zip(y) {
            *y = ((x - self.mean) - self.remainder) * self.scale + self.shift;
        }
    }
}

/// dx = scale·((dy − mean of dy) − (x − mean)·slope), of all channels; x − mean in two parts.
#[derive(Default)]
pub struct Differentiate {
    pub mean: Vec<f32>,
    pub remainder: Vec<f32>,
    pub scale: Vec<f32>,
    pub mean_dy: Vec<f32>,
    pub slope: Vec<f32>,
}

impl Differentiate {
    pub fn new(channels: impl Iterator<Item = InputGradient>) -> Self {
        let mut all = Self::default();
        for InputGradient { mean, remainder, scale, mean_dy, slope } in channels {
            all.mean.push(mean);
            all.remainder.push(remainder);
            all.scale.push(scale);
            all.mean_dy.push(mean_dy);
            all.slope.push(slope);
        }
        all
    }

    pub fn of(&self, c: usize) -> InputGradient {
        let Self { mean, remainder, scale, mean_dy, slope } = self;
        InputGradient {
            mean: mean[c],
            remainder: remainder[c],
            scale: scale[c],
            mean_dy: mean_dy[c],
            slope: slope[c],
        }
    }
}

/// The same of one channel.
#[derive(Clone, Copy)]
pub struct InputGradient {
    mean: f32,
    remainder: f32,
    scale: f32,
    mean_dy: f32,
    slope: f32,
}

impl InputGradient {
    pub fn new(
        saved: &Saved,
        sums: &Sums,
        shape: Shape,
        affine: AffineParams<'_>,
        c: usize,
    ) -> Self {
        let (inv_std, m) = (saved.inv_std[c] as f64, shape.count() as f64);
        let gamma = affine.gamma.map_or(1.0, |g| g[c] as f64);
        let (mean, remainder) = saved.center(c);
        Self {
            mean,
            remainder,
            scale: (gamma * inv_std) as f32,
            mean_dy: (sums.dy / m) as f32,
            slope: (inv_std * inv_std * sums.dy_x / m) as f32,
        }
    }

    pub fn apply(&self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        for ((x, dy), dx) in x.iter().zip(dy).zip(dx) {
            let centered = (x - self.mean) - self.remainder;
            *dx = self.scale * ((dy - self.mean_dy) - centered * self.slope);
        }
    }
}
