//! Batch norm on the CPU in `f64`, written to be read: what the kernels are tested against.
//!
//! Independent of the kernels: plain loops over [`Shape::index`], two passes for the variance,
//! every sum in `f64`. The formulas are those of S. Ioffe, C. Szegedy, "Batch Normalization", 2015.

#[cfg(test)]
mod tests;

use crate::{Activation, Momentum, RunningVariance, Shape};

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

/// What may come with a pass; none by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extras<'a> {
    /// Applied to γ·x̂ + β + residual.
    pub activation: Activation,
    /// Added before the activation, as x.
    pub residual: Option<&'a [f32]>,
    /// Weights of samples or positions, as many as divide the positions: see
    /// [`Weights`](crate::Weights).
    pub weights: Option<&'a [f32]>,
    /// r and d of batch renormalization, a pair a channel, which take the place of 1 and 0.
    pub corrections: Option<&'a [(f64, f64)]>,
}

/// What the backward pass gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients {
    /// Gradient by x.
    pub dx: Vec<f64>,
    /// Gradient by the residual.
    pub dresidual: Vec<f64>,
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
    weighted_statistics(shape, x, Extras::default())
}

/// As [`statistics`], with the weights of `extras`: μ = Σw·x/m, σ² = Σw·(x − μ)²/m, m = Σw. Where
/// m is 0 both are 0.
///
/// # Panics
/// If a slice has fewer values than the shape asks for.
pub fn weighted_statistics(shape: Shape, x: &[f32], extras: Extras<'_>) -> Statistics {
    let m = extras.count(shape).max(f64::MIN_POSITIVE);
    let weighted_mean = |c: u32, value: &dyn Fn(usize) -> f64| {
        let terms = channel(shape, c).zip(0..).filter_map(|(i, position)| {
            let weight = extras.weight(shape, position);
            (weight > 0.0).then(|| weight * value(i))
        });
        terms.sum::<f64>() / m
    };
    let mean: Vec<f64> =
        (0..shape.channels()).map(|c| weighted_mean(c, &|i| x[i] as f64)).collect();
    let square = |c: u32, i: usize| (x[i] as f64 - mean[c as usize]).powi(2);
    let variance = (0..shape.channels()).map(|c| weighted_mean(c, &|i| square(c, i))).collect();
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
    forward(shape, x, statistics, epsilon, affine, Extras::default())
}

/// As [`normalize`], with all that may come with it: y = act(γ·(x̂·r + d) + β + residual), and 0 where
/// a weight is 0.
///
/// # Panics
/// If a slice has fewer values than the shape asks for.
pub fn forward(
    shape: Shape,
    x: &[f32],
    statistics: &Statistics,
    epsilon: f32,
    affine: AffineParams<'_>,
    extras: Extras<'_>,
) -> Vec<f64> {
    let mut y = vec![0.0; shape.elements() as usize];
    for c in 0..shape.channels() {
        let z = z_of(c, x, statistics, epsilon, affine, extras);
        for (i, position) in channel(shape, c).zip(0..) {
            if extras.weight(shape, position) > 0.0 {
                y[i] = extras.activation.value(z(i));
            }
        }
    }
    y
}

/// What the activation is applied to, of the elements of channel `c`.
fn z_of<'a>(
    c: u32,
    x: &'a [f32],
    statistics: &Statistics,
    epsilon: f32,
    affine: AffineParams<'_>,
    extras: Extras<'a>,
) -> impl Fn(usize) -> f64 + 'a {
    let (gamma, beta) = affine.of(c);
    let mean = statistics.mean[c as usize];
    let inv_std = inv_std(statistics.variance[c as usize], epsilon);
    let (r, d) = extras.correction(c);
    move |i| {
        let x_hat = (x[i] as f64 - mean) * inv_std;
        gamma * (x_hat * r + d) + beta + extras.residual.map_or(0.0, |residual| residual[i] as f64)
    }
}

/// 1/√(σ² + ε).
pub fn inv_std(variance: f64, epsilon: f32) -> f64 {
    1.0 / (variance + epsilon as f64).sqrt()
}

/// Running statistics after a batch: r ← (1 − α)·r + α·(batch value). `batches` counts the batches
/// seen, this one included; `m` is the number of values a channel, or the sum of their weights. Where
/// m is 1 or less, so that there is no unbiased variance, the biased one enters; where it is 0, nothing
/// does.
pub fn update_running(
    running: &mut Statistics,
    batch: &Statistics,
    momentum: Momentum,
    variance: RunningVariance,
    batches: u32,
    m: f64,
) {
    if m <= 0.0 {
        return;
    }
    let alpha = match momentum {
        Momentum::Exponential(alpha) => alpha as f64,
        Momentum::Cumulative => 1.0 / batches as f64,
    };
    let correction = match variance {
        RunningVariance::Unbiased if m > 1.0 => m / (m - 1.0),
        _ => 1.0,
    };
    for (r, b) in running.mean.iter_mut().zip(&batch.mean) {
        *r = (1.0 - alpha) * *r + alpha * b;
    }
    for (r, b) in running.variance.iter_mut().zip(&batch.variance) {
        *r = (1.0 - alpha) * *r + alpha * b * correction;
    }
}

/// r and d of batch renormalization, a pair a channel: r = σ/σ_running within 1/r_max..r_max,
/// d = (μ − μ_running)/σ_running within ±d_max, with √(σ² + ε) for σ (S. Ioffe, "Batch Renormalization",
/// 2017, algorithm 1).
///
/// # Panics
/// Unless 1 ≤ `r_max` and 0 ≤ `d_max`, or if `running` has fewer channels than `batch`.
pub fn renormalization(
    batch: &Statistics,
    running: &Statistics,
    epsilon: f32,
    r_max: f32,
    d_max: f32,
) -> Vec<(f64, f64)> {
    assert!(r_max >= 1.0 && d_max >= 0.0, "no bounds: r_max {r_max}, d_max {d_max}");
    let of = |c: usize| {
        let inv_running = inv_std(running.variance[c], epsilon);
        let r = inv_running / inv_std(batch.variance[c], epsilon);
        let d = (batch.mean[c] - running.mean[c]) * inv_running;
        let (r_max, d_max) = (r_max as f64, d_max as f64);
        (r.clamp(1.0 / r_max, r_max), d.clamp(-d_max, d_max))
    };
    (0..batch.mean.len()).map(of).collect()
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
    backward_with(shape, x, dy, statistics, frozen, epsilon, affine, Extras::default())
}

/// As [`backward`], with all that may come with the forward pass. With dz = dy·act'(z), 0 where a
/// weight is 0: dresidual = dz; dβ = Σdz; dγ = Σdz·(x̂·r + d);
/// dx = γ·r·inv_std·(dz − w·Σdz/m − w·x̂·Σdz·x̂/m), r and d being constants.
///
/// # Panics
/// If a slice has fewer values than the shape asks for.
#[allow(clippy::too_many_arguments)]
pub fn backward_with(
    shape: Shape,
    x: &[f32],
    dy: &[f32],
    statistics: &Statistics,
    frozen: bool,
    epsilon: f32,
    affine: AffineParams<'_>,
    extras: Extras<'_>,
) -> Gradients {
    let m = extras.count(shape).max(f64::MIN_POSITIVE);
    let mut dx = vec![0.0; shape.elements() as usize];
    let mut dresidual = dx.clone();
    let (mut all_dgamma, mut all_dbeta) = (Vec::new(), Vec::new());
    for c in 0..shape.channels() {
        let (gamma, _) = affine.of(c);
        let (r, d) = extras.correction(c);
        let mean = statistics.mean[c as usize];
        let inv_std = inv_std(statistics.variance[c as usize], epsilon);
        let x_hat = |i: usize| (x[i] as f64 - mean) * inv_std;
        let z = z_of(c, x, statistics, epsilon, affine, extras);
        let present = || {
            let positions = channel(shape, c).zip(0..);
            positions.map(|(i, position)| (i, extras.weight(shape, position))).filter(|p| p.1 > 0.0)
        };
        for (i, _) in present() {
            dresidual[i] = dy[i] as f64 * extras.activation.slope(z(i));
        }
        let dz = &dresidual;
        let dbeta: f64 = present().map(|(i, _)| dz[i]).sum();
        let dz_x_hat: f64 = present().map(|(i, _)| dz[i] * x_hat(i)).sum();
        for (i, w) in present() {
            let through_statistics =
                if frozen { 0.0 } else { w * (dbeta / m + x_hat(i) * dz_x_hat / m) };
            dx[i] = gamma * r * inv_std * (dz[i] - through_statistics);
        }
        all_dgamma.push(dz_x_hat * r + dbeta * d);
        all_dbeta.push(dbeta);
    }
    Gradients { dx, dresidual, dgamma: all_dgamma, dbeta: all_dbeta }
}

impl Extras<'_> {
    /// The weight of a channel's value at `position` in its line; 0 for what is no weight.
    fn weight(&self, shape: Shape, position: usize) -> f64 {
        let Some(weights) = self.weights else { return 1.0 };
        let span = (shape.count() as usize / weights.len().max(1)).max(1);
        (weights[position / span] as f64).max(0.0)
    }

    /// m, the sum of the weights.
    pub fn count(&self, shape: Shape) -> f64 {
        match self.weights {
            None => shape.count() as f64,
            Some(_) => (0..shape.count() as usize).map(|p| self.weight(shape, p)).sum(),
        }
    }

    fn correction(&self, c: u32) -> (f64, f64) {
        self.corrections.map_or((1.0, 0.0), |corrections| corrections[c as usize])
    }
}

impl AffineParams<'_> {
    /// γ and β of a channel.
    fn of(&self, c: u32) -> (f64, f64) {
        let value = |values: Option<&[f32]>, none| values.map_or(none, |v| v[c as usize] as f64);
        (value(self.gamma, 1.0), value(self.beta, 0.0))
    }
}
