//! Batch norm on the CPU in `f32`, parallel: for programs without an adapter, and the baseline of
//! the benchmarks. The formulas of the kernels, on slices; updating running statistics is left to the
//! caller. [`reference`](crate::reference) is the one to test against.
//!
//! Short runs of values are summed in `f32` around a pivot, in loops that vectorise; the runs are
//! merged in `f64`. The order of all sums depends on the shape alone, not on the number of threads.
//! Vectors are those of AVX2 where the processor has it, and else those that the program is compiled
//! for, which changes no bit of a result.

// What functions marked as `multiversion` call in their loops is always inlined: by itself it would not have their
// vectors.

mod accumulate;
mod columns;
mod lines;
mod maps;

use crate::reference::AffineParams;
use crate::{Layout, Shape};
use accumulate::{Moments, Sums};
use maps::{Affine, Differentiate, InputGradient, Normalize};
use rayon::prelude::*;

/// Statistics of a batch: what the backward pass and the running statistics need.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    /// μ, rounded to `f32`.
    pub mean: Vec<f32>,
    /// What rounding took from μ.
    pub mean_remainder: Vec<f32>,
    /// σ², biased.
    pub variance: Vec<f32>,
    /// 1/√(σ² + ε).
    pub inv_std: Vec<f32>,
}

impl Saved {
    fn new(shape: Shape, epsilon: f32, moments: &[Moments]) -> Self {
        let count = shape.count().max(1) as f64;
        let variances = moments.iter().map(|m| m.m2 / count);
        let means = moments.iter().map(|m| (m.mean, m.mean as f32));
        Self {
            mean: means.clone().map(|(_, rounded)| rounded).collect(),
            mean_remainder: means.map(|(mean, rounded)| (mean - rounded as f64) as f32).collect(),
            variance: variances.clone().map(|variance| variance as f32).collect(),
            inv_std: variances.map(|v| (1.0 / (v + epsilon as f64).sqrt()) as f32).collect(),
        }
    }

    /// The mean, rounded, and what that took from it, whatever pair it is stored as.
    fn center(&self, c: usize) -> (f32, f32) {
        let mean = self.mean[c] as f64 + self.mean_remainder[c] as f64;
        (mean as f32, (mean - mean as f32 as f64) as f32)
    }
}

/// Gradients by γ and β.
#[derive(Clone, Debug, PartialEq)]
pub struct AffineGradients {
    /// Gradient by γ.
    pub dgamma: Vec<f32>,
    /// Gradient by β.
    pub dbeta: Vec<f32>,
}

/// Tasks that a tensor is cut into, about: more than cores, and always the same.
const TASKS: usize = 64;
/// Streams each of x and y that take turns where y is written, each in order: more are too many.
const NORMALIZED: usize = 4;
/// Values that are taken of a stream at a time.
const TURN: usize = 128;
/// Elements up to which waking other threads takes longer than the work.
const FEW: u64 = 1 << 15;

/// y = γ·(x − μ)/√(σ² + ε) + β with the statistics of the batch, which it returns. Those of an empty
/// batch are 0.
///
/// # Panics
/// If a slice has fewer values than the shape asks for, or the shape no channels.
pub fn training(
    shape: Shape,
    x: &[f32],
    y: &mut [f32],
    epsilon: f32,
    affine: AffineParams<'_>,
) -> Saved {
    let (x, y) = (tensor(shape, x), tensor_mut(shape, y));
    let map = |c: usize, m: &Moments| Affine::of_moments(m, shape, epsilon, affine, c);
    let moments = if by_columns(shape) {
        let moments = columns::moments(shape, x);
        let maps = Normalize::new(moments.iter().enumerate().map(|(c, m)| map(c, m)));
        columns::normalize(shape, x, y, &maps);
        moments
    } else {
        lines::training(shape, x, y, map)
    };
    Saved::new(shape, epsilon, &moments)
}

/// y = γ·(x − mean)/√(variance + ε) + β with given statistics, such as the running ones.
///
/// # Panics
/// As [`training`].
pub fn inference(
    shape: Shape,
    x: &[f32],
    y: &mut [f32],
    mean: &[f32],
    variance: &[f32],
    epsilon: f32,
    affine: AffineParams<'_>,
) {
    let (x, y) = (tensor(shape, x), tensor_mut(shape, y));
    let map = |c: usize| Affine::new(mean[c] as f64, variance[c] as f64, epsilon, affine, c);
    let maps = (0..shape.channels() as usize).map(map);
    if by_columns(shape) {
        columns::normalize(shape, x, y, &Normalize::new(maps));
    } else {
        lines::normalize(shape, x, y, &maps.collect::<Vec<_>>());
    }
}

/// dx = γ·inv_std·(dy − dβ/m − x̂·dγ/m); returns dγ = Σdy·x̂ and dβ = Σdy.
///
/// # Panics
/// As [`training`].
pub fn backward(
    shape: Shape,
    x: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    saved: &Saved,
    affine: AffineParams<'_>,
) -> AffineGradients {
    let (x, dy, dx) = (tensor(shape, x), tensor(shape, dy), tensor_mut(shape, dx));
    let map = |c: usize, sums: &Sums| InputGradient::new(saved, sums, shape, affine, c);
    let sums = if by_columns(shape) {
        let sums = columns::sums(shape, x, dy, saved);
        let maps = Differentiate::new(sums.iter().enumerate().map(|(c, s)| map(c, s)));
        columns::differentiate(shape, x, dy, dx, &maps);
        sums
    } else {
        lines::backward(shape, x, dy, dx, saved, map)
    };
    let inv_std = |c: usize| saved.inv_std[c] as f64;
    AffineGradients {
        dgamma: sums.iter().enumerate().map(|(c, s)| (s.dy_x * inv_std(c)) as f32).collect(),
        dbeta: sums.iter().map(|s| s.dy as f32).collect(),
    }
}

fn by_columns(shape: Shape) -> bool {
    shape.layout() == Layout::ChannelsLast || shape.inner() <= 1
}

fn tensor(shape: Shape, values: &[f32]) -> &[f32] {
    &values[..shape.elements() as usize]
}

fn tensor_mut(shape: Shape, values: &mut [f32]) -> &mut [f32] {
    &mut values[..shape.elements() as usize]
}

/// The threads that share a tensor. A small one leaves those of rayon asleep, or not yet there.
fn threads(shape: Shape) -> usize {
    if shape.elements() <= FEW { 1 } else { rayon::current_num_threads() }
}

/// Does the tasks in any order, and keeps that of their results.
fn in_parallel<T: Send, R: Send>(
    shape: Shape,
    tasks: Vec<T>,
    task: impl Fn(usize, T) -> R + Sync + Send,
) -> Vec<R> {
    if threads(shape) == 1 {
        return tasks.into_iter().enumerate().map(|(k, t)| task(k, t)).collect();
    }
    tasks.into_par_iter().enumerate().map(|(k, t)| task(k, t)).collect()
}

/// Does both, and if others are idle, at once.
fn both<P: Send, Q: Send>(
    shape: Shape,
    one: impl FnOnce() -> P + Send,
    other: impl FnOnce() -> Q + Send,
) -> (P, Q) {
    if threads(shape) == 1 { (one(), other()) } else { rayon::join(one, other) }
}
