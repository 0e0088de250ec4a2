//! Batch norm on the CPU in `f64`, written to be read: what the kernels are tested against.
//!
//! Independent of the kernels: plain loops over [`Shape::index`], two passes for the variance,
//! every sum in `f64`. The formulas are those of S. Ioffe, C. Szegedy, "Batch Normalization", 2015.

use crate::{Momentum, RunningVariance, Shape};

/// μ and σ² of every channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// μ = Σx/m.
    pub mean: Vec<f64>,
    /// σ² = Σ(x − μ)²/m, the biased variance.
    pub variance: Vec<f64>,
}

/// γ and β; `None` stands for 1 and 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct AffineParams<'a> {
    /// γ, a value a channel.
    pub gamma: Option<&'a [f32]>,
    /// β, a value a channel.
    pub beta: Option<&'a [f32]>,
}

/// What the backward pass gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients {
    /// Gradient by x.
    pub dx: Vec<f64>,
    /// Gradient by γ.
    pub dgamma: Vec<f64>,
    /// Gradient by β.
    pub dbeta: Vec<f64>,
}

/// The elements of a channel, in order.
fn channel(shape: Shape, c: u32) -> impl Iterator<Item = usize> {
    (0..shape.outer())
        .flat_map(move |n| (0..shape.inner()).map(move |i| shape.index(n, c, i) as usize))
}

/// Mean and biased variance of each channel of `x`.
///
/// # Panics
/// If `x` has fewer elements than the shape.
pub fn statistics(shape: Shape, x: &[f32]) -> Statistics {
    let m = shape.count() as f64;
    let mean: Vec<f64> = (0..shape.channels())
        .map(|c| channel(shape, c).map(|i| x[i] as f64).sum::<f64>() / m)
        .collect();
    let variance = (0..shape.channels())
        .map(|c| {
            let mean = mean[c as usize];
            channel(shape, c).map(|i| (x[i] as f64 - mean).powi(2)).sum::<f64>() / m
        })
        .collect();
    Statistics { mean, variance }
}

/// y = γ·(x − μ)/√(σ² + ε) + β, with given statistics: those of the batch in training, running
/// ones in inference.
///
/// # Panics
/// If a slice has fewer values than the shape asks for.
pub fn normalize(
    shape: Shape,
    x: &[f32],
    statistics: &Statistics,
    epsilon: f32,
    affine: AffineParams<'_>,
) -> Vec<f64> {
    let mut y = vec![0.0; shape.elements() as usize];
    for c in 0..shape.channels() {
        let (gamma, beta) = affine.of(c);
        let inv_std = inv_std(statistics.variance[c as usize], epsilon);
        for i in channel(shape, c) {
            y[i] = gamma * (x[i] as f64 - statistics.mean[c as usize]) * inv_std + beta;
        }
    }
    y
}

/// 1/√(σ² + ε).
pub fn inv_std(variance: f64, epsilon: f32) -> f64 {
    1.0 / (variance + epsilon as f64).sqrt()
}

/// Running statistics after a batch: r ← (1 − α)·r + α·(batch value). `batches` counts the batches
/// seen, this one included; `m` is the number of values a channel.
pub fn update_running(
    running: &mut Statistics,
    batch: &Statistics,
    momentum: Momentum,
    variance: RunningVariance,
    batches: u32,
    m: u64,
) {
    let alpha = match momentum {
        Momentum::Exponential(alpha) => alpha as f64,
        Momentum::Cumulative => 1.0 / batches as f64,
    };
    let correction = match variance {
        RunningVariance::Unbiased => m as f64 / (m as f64 - 1.0),
        RunningVariance::Biased => 1.0,
    };
    for (r, b) in running.mean.iter_mut().zip(&batch.mean) {
        *r = (1.0 - alpha) * *r + alpha * b;
    }
    for (r, b) in running.variance.iter_mut().zip(&batch.variance) {
        *r = (1.0 - alpha) * *r + alpha * b * correction;
    }
}

/// Gradients by x, γ and β: dβ = Σdy; dγ = Σdy·x̂; dx = γ·inv_std·(dy − dβ/m − x̂·dγ/m), or, if the
/// statistics are `frozen` and so constants, dx = γ·inv_std·dy.
///
/// # Panics
/// If a slice has fewer values than the shape asks for.
pub fn backward(
    shape: Shape,
    x: &[f32],
    dy: &[f32],
    statistics: &Statistics,
    frozen: bool,
    epsilon: f32,
    affine: AffineParams<'_>,
) -> Gradients {
    let m = shape.count() as f64;
    let mut dx = vec![0.0; shape.elements() as usize];
    let (mut all_dgamma, mut all_dbeta) = (Vec::new(), Vec::new());
    for c in 0..shape.channels() {
        let (gamma, _) = affine.of(c);
        let mean = statistics.mean[c as usize];
        let inv_std = inv_std(statistics.variance[c as usize], epsilon);
        let x_hat = |i: usize| (x[i] as f64 - mean) * inv_std;
        let dbeta: f64 = channel(shape, c).map(|i| dy[i] as f64).sum();
        let dgamma: f64 = channel(shape, c).map(|i| dy[i] as f64 * x_hat(i)).sum();
        for i in channel(shape, c) {
            let through_statistics = if frozen { 0.0 } else { dbeta / m + x_hat(i) * dgamma / m };
            dx[i] = gamma * inv_std * (dy[i] as f64 - through_statistics);
        }
        all_dgamma.push(dgamma);
        all_dbeta.push(dbeta);
    }
    Gradients { dx, dgamma: all_dgamma, dbeta: all_dbeta }
}

impl AffineParams<'_> {
    /// γ and β of a channel.
    fn of(&self, c: u32) -> (f64, f64) {
        let value = |values: Option<&[f32]>, none| values.map_or(none, |v| v[c as usize] as f64);
        (value(self.gamma, 1.0), value(self.beta, 0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some values of both signs without a pattern.
    fn values(n: u64, seed: u32) -> Vec<f32> {
        (0..n as u32)
            .map(|i| {
                let hash = (i + seed).wrapping_mul(2_654_435_761) >> 8;
                hash as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    /// dx, dγ and dβ against central differences of the loss Σ w·y, in which dy = w. The step
    /// 2⁻⁷ leaves an error of its square times the third derivative, below 1e-3.
    fn check_gradients(shape: Shape, frozen: bool) {
        let c = shape.channels() as u64;
        let (x, w) = (values(shape.elements(), 1), values(shape.elements(), 77));
        let (gamma, beta) = (values(c, 5), values(c, 9));
        let fixed = Statistics { mean: vec![0.1; c as usize], variance: vec![0.7; c as usize] };
        let loss = |x: &[f32], gamma: &[f32], beta: &[f32]| -> f64 {
            let stats = if frozen { fixed.clone() } else { statistics(shape, x) };
            let affine = AffineParams { gamma: Some(gamma), beta: Some(beta) };
            let y = normalize(shape, x, &stats, 1e-3, affine);
            y.iter().zip(&w).map(|(y, &w)| y * w as f64).sum()
        };
        let stats = if frozen { fixed.clone() } else { statistics(shape, &x) };
        let affine = AffineParams { gamma: Some(&gamma), beta: Some(&beta) };
        let gradients = backward(shape, &x, &w, &stats, frozen, 1e-3, affine);
        let check = |name: &str, gradient: &[f64], of: &dyn Fn(usize, f32) -> f64| {
            for (i, &expected) in gradient.iter().enumerate() {
                let h = 1.0 / 128.0;
                let difference = (of(i, h) - of(i, -h)) / (2.0 * h as f64);
                assert!(
                    (difference - expected).abs() < 2e-3,
                    "{shape} frozen {frozen} {name}[{i}]: {difference} or {expected}"
                );
            }
        };
        let moved = |values: &[f32], i: usize, h: f32| {
            let mut values = values.to_vec();
            values[i] += h;
            values
        };
        check("dx", &gradients.dx, &|i, h| loss(&moved(&x, i, h), &gamma, &beta));
        check("dgamma", &gradients.dgamma, &|i, h| loss(&x, &moved(&gamma, i, h), &beta));
        check("dbeta", &gradients.dbeta, &|i, h| loss(&x, &gamma, &moved(&beta, i, h)));
    }

    #[test]
    fn gradients_are_central_differences() {
        for shape in [Shape::nchw(4, 3, 2, 2), Shape::nc(8, 2), Shape::channels_last(12, 3)] {
            check_gradients(shape, false);
            check_gradients(shape, true);
        }
    }

    #[test]
    fn statistics_of_a_known_batch() {
        let found = statistics(Shape::nc(4, 2), &[1.0, 10.0, 2.0, 10.0, 3.0, 10.0, 4.0, 10.0]);
        assert_eq!(found, Statistics { mean: vec![2.5, 10.0], variance: vec![1.25, 0.0] });
    }

    #[test]
    fn running_statistics_follow_either_convention() {
        let batch = Statistics { mean: vec![2.0], variance: vec![3.0] };
        let mut running = Statistics { mean: vec![0.0], variance: vec![1.0] };
        let half = Momentum::Exponential(0.5);
        update_running(&mut running, &batch, half, RunningVariance::Unbiased, 1, 4);
        assert_eq!(running, Statistics { mean: vec![1.0], variance: vec![2.5] });
        update_running(&mut running, &batch, Momentum::Cumulative, RunningVariance::Biased, 2, 4);
        assert_eq!(running, Statistics { mean: vec![1.5], variance: vec![2.75] });
    }
}
