//! What becomes of each value of a channel, once its sums are known.
//!
//! One number of `f32` for the mean is enough here: it is subtracted first, and what rounding took from
//! it, half a unit in its last place, is times the scale no more than that over σ, and in the shift.

use super::accumulate::{Moments, Sums, taken};
use super::{AffineParams, Saved};
use crate::Shape;

/// y = (x − mean)·scale + shift, of all channels. The mean is rounded; what that took from it is in the
/// shift.
#[derive(Default)]
pub struct Normalize {
    pub mean: Vec<f32>,
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
}

impl Normalize {
    pub fn new(channels: impl Iterator<Item = Affine>) -> Self {
        let mut all = Self::default();
        for Affine { mean, scale, shift } in channels {
            all.mean.push(mean);
            all.scale.push(scale);
            all.shift.push(shift);
        }
        all
    }
}

/// The same of one channel.
#[derive(Clone, Copy)]
pub struct Affine {
    mean: f32,
    scale: f32,
    shift: f32,
}

impl Affine {
    pub fn new(mean: f64, variance: f64, epsilon: f32, affine: AffineParams<'_>, c: usize) -> Self {
        let inv_std = 1.0 / (variance + epsilon as f64).sqrt();
        let scale = affine.gamma.map_or(1.0, |g| g[c] as f64) * inv_std;
        let beta = affine.beta.map_or(0.0, |b| b[c] as f64);
        let remainder = mean - mean as f32 as f64;
        Self {
            mean: mean as f32,
            scale: scale as f32,
            shift: (beta - taken(remainder, scale)) as f32,
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

    #[inline(always)]
    pub fn apply(&self, x: &[f32], y: &mut [f32]) {
        for (x, y) in x.iter().zip(y) {
            *y = (x - self.mean) * self.scale + self.shift;
        }
    }
}

/// dx = scale·((dy − offset) − (x − mean)·slope), of all channels. The offset is the mean of dy, less
/// slope times what rounding took from the mean.
#[derive(Default)]
pub struct Differentiate {
    pub mean: Vec<f32>,
    pub scale: Vec<f32>,
    pub offset: Vec<f32>,
    pub slope: Vec<f32>,
}

impl Differentiate {
    pub fn new(channels: impl Iterator<Item = InputGradient>) -> Self {
        let mut all = Self::default();
        for InputGradient { mean, scale, offset, slope } in channels {
            all.mean.push(mean);
            all.scale.push(scale);
            all.offset.push(offset);
            all.slope.push(slope);
        }
        all
    }
}

/// The same of one channel.
#[derive(Clone, Copy)]
pub struct InputGradient {
    mean: f32,
    scale: f32,
    offset: f32,
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
        let slope = inv_std * inv_std * sums.dy_x / m;
        Self {
            mean,
            scale: (gamma * inv_std) as f32,
            offset: (sums.dy / m - taken(remainder as f64, slope)) as f32,
            slope: slope as f32,
        }
    }

    #[inline(always)]
    pub fn apply(&self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        for ((x, dy), dx) in x.iter().zip(dy).zip(dx) {
            *dx = self.scale * ((dy - self.offset) - (x - self.mean) * self.slope);
        }
    }
}
