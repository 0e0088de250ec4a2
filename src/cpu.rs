//! Batch norm on the CPU in `f32`, parallel: for programs without an adapter, and the baseline of
//! the benchmarks. The formulas of the kernels, on slices; updating running statistics is left to the
//! caller. [`reference`](crate::reference) is the one to test against.
//!
//! Short runs of values are summed in `f32` around a pivot, in loops that vectorise; the runs are
//! merged in `f64`. The order of all sums depends on the shape alone, not on the number of threads.

use crate::reference::AffineParams;
use crate::{Layout, Shape};
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

/// Gradients by γ and β.
#[derive(Clone, Debug, PartialEq)]
pub struct AffineGradients {
    /// Gradient by γ.
    pub dgamma: Vec<f32>,
    /// Gradient by β.
    pub dbeta: Vec<f32>,
}

/// Accumulators side by side: enough for the widest vectors of today, twice.
const LANES: usize = 32;
/// Values summed in `f32` before the sum moves on to `f64`.
const RUN: usize = 1024;
/// Tasks that a tensor is cut into where channels are not: more than cores, and always the same.
const TASKS: usize = 64;
/// From this inner extent on, a channel's segments are worth a task of their own.
const LONG_SEGMENT: u64 = 256;

/// y = γ·(x − μ)/√(σ² + ε) + β with the statistics of the batch, which it returns.
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
    let mut saved = Saved {
        mean: Vec::new(),
        mean_remainder: Vec::new(),
        variance: Vec::new(),
        inv_std: Vec::new(),
    };
    let mut record = |moments: Moments| {
        let variance = moments.m2 / shape.count() as f64;
        let mean = moments.mean as f32;
        saved.mean.push(mean);
        saved.mean_remainder.push((moments.mean - mean as f64) as f32);
        saved.variance.push(variance as f32);
        saved.inv_std.push((1.0 / (variance + epsilon as f64).sqrt()) as f32);
    };
    if shape.layout() == Layout::ChannelsFirst && shape.inner() >= LONG_SEGMENT {
        // While a channel is in the cache, it is normalised too.
        let moments: Vec<Moments> = by_channel(shape, y)
            .into_par_iter()
            .enumerate()
            .map(|(c, segments)| {
                let moments = channel_moments(segments_of(shape, x, c));
                let map = Affine::new(&moments, shape, epsilon, affine, c);
                for (x, y) in segments_of(shape, x, c).zip(segments) {
                    map.apply(x, y);
                }
                moments
            })
            .collect();
        moments.into_iter().for_each(&mut record);
        return saved;
    }
    let moments = all_moments(shape, x);
    let maps: Vec<Affine> = moments
        .iter()
        .enumerate()
        .map(|(c, m)| Affine::new(m, shape, epsilon, affine, c))
        .collect();
    normalize(shape, x, y, &maps);
    moments.into_iter().for_each(&mut record);
    saved
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
    let maps: Vec<Affine> = (0..shape.channels() as usize)
        .map(|c| {
            let moments = Moments {
                count: 1.0,
                mean: mean[c] as f64,
                m2: variance[c] as f64 * shape.count() as f64,
            };
            Affine::new(&moments, shape, epsilon, affine, c)
        })
        .collect();
    normalize(shape, tensor(shape, x), tensor_mut(shape, y), &maps);
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
    let center = |c: usize| (saved.mean[c], saved.mean_remainder[c]);
    let m = shape.count() as f64;
    let map = |c: usize, sums: &Sums| {
        let inv_std = saved.inv_std[c] as f64;
        let gamma = affine.gamma.map_or(1.0, |g| g[c] as f64);
        InputGradient {
            center: center(c),
            scale: (gamma * inv_std) as f32,
            mean_dy: (sums.dy / m) as f32,
            slope: (inv_std * inv_std * sums.dy_x / m) as f32,
        }
    };
    let sums: Vec<Sums>;
    if shape.layout() == Layout::ChannelsFirst && shape.inner() >= LONG_SEGMENT {
        sums = by_channel(shape, dx)
            .into_par_iter()
            .enumerate()
            .map(|(c, segments)| {
                let sums = channel_sums(
                    segments_of(shape, x, c).zip(segments_of(shape, dy, c)),
                    center(c),
                );
                let map = map(c, &sums);
                let inputs = segments_of(shape, x, c).zip(segments_of(shape, dy, c));
                for ((x, dy), dx) in inputs.zip(segments) {
                    map.apply(x, dy, dx);
                }
                sums
            })
            .collect();
    } else {
        sums = all_sums(shape, x, dy, saved);
        let maps: Vec<InputGradient> = sums.iter().enumerate().map(|(c, s)| map(c, s)).collect();
        let chunk = chunk(shape);
        let inputs = x.par_chunks(chunk).zip(dy.par_chunks(chunk));
        inputs.zip(dx.par_chunks_mut(chunk)).for_each(|((x, dy), dx)| {
            differentiate_chunk(shape, x, dy, dx, &maps);
        });
    }
    let inv_std = |c: usize| saved.inv_std[c] as f64;
    AffineGradients {
        dgamma: sums.iter().enumerate().map(|(c, s)| (s.dy_x * inv_std(c)) as f32).collect(),
        dbeta: sums.iter().map(|s| s.dy as f32).collect(),
    }
}

fn tensor(shape: Shape, values: &[f32]) -> &[f32] {
    &values[..shape.elements() as usize]
}

fn tensor_mut(shape: Shape, values: &mut [f32]) -> &mut [f32] {
    &mut values[..shape.elements() as usize]
}

/// A whole number of outer indices, so that the tensor makes [`TASKS`] chunks.
fn chunk(shape: Shape) -> usize {
    let stride = shape.channels() as usize * shape.inner() as usize;
    (shape.outer() as usize).div_ceil(TASKS).max(1) * stride.max(1)
}

fn segments_of(shape: Shape, values: &[f32], c: usize) -> impl Iterator<Item = &[f32]> {
    let inner = shape.inner() as usize;
    values.chunks_exact(inner).skip(c).step_by(shape.channels() as usize)
}

/// The segments of each channel, to write.
fn by_channel(shape: Shape, values: &mut [f32]) -> Vec<Vec<&mut [f32]>> {
    let channels = shape.channels() as usize;
    let mut all: Vec<_> =
        (0..channels).map(|_| Vec::with_capacity(shape.outer() as usize)).collect();
    for (i, segment) in values.chunks_exact_mut(shape.inner() as usize).enumerate() {
        all[i % channels].push(segment);
    }
    all
}

#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    count: f64,
    mean: f64,
    m2: f64,
}

impl Moments {
    /// From Σ(x − pivot) and Σ(x − pivot)² of a run.
    fn of_run(count: usize, pivot: f32, sum: f64, squares: f64) -> Self {
        let count = count as f64;
        Self { count, mean: pivot as f64 + sum / count, m2: squares - sum * sum / count }
    }

    /// Chan, Golub and LeVeque's update.
    fn merge(self, other: Self) -> Self {
        if self.count == 0.0 {
            return other;
        }
        let count = self.count + other.count;
        let delta = other.mean - self.mean;
        let mean = self.mean + delta * other.count / count;
        let m2 = self.m2 + other.m2 + delta * delta * self.count * other.count / count;
        Self { count, mean, m2 }
    }
}

fn sum_lanes(lanes: &[f32; LANES]) -> f64 {
    lanes.iter().map(|&v| v as f64).sum()
}

/// Moments of one channel. The pivot is the mean so far: what it is off by enters the result
/// through `f64`, and is small against the spread of the values.
fn channel_moments<'a>(segments: impl Iterator<Item = &'a [f32]>) -> Moments {
    let mut total = Moments::default();
    for run in segments.flat_map(|s| s.chunks(RUN)) {
        let pivot = if total.count > 0.0 {
            total.mean as f32
        } else {
            (run.iter().map(|&v| v as f64).sum::<f64>() / run.len() as f64) as f32
        };
        let (mut sums, mut squares) = ([0f32; LANES], [0f32; LANES]);
        let mut chunks = run.chunks_exact(LANES);
        for chunk in &mut chunks {
            for k in 0..LANES {
                let d = chunk[k] - pivot;
                sums[k] += d;
                squares[k] += d * d;
            }
        }
        for (k, &v) in chunks.remainder().iter().enumerate() {
            let d = v - pivot;
            sums[k] += d;
            squares[k] += d * d;
        }
        let (sum, squares) = (sum_lanes(&sums), sum_lanes(&squares));
        total = total.merge(Moments::of_run(run.len(), pivot, sum, squares));
    }
    total
}

/// Moments of all channels, over chunks of the outer axis in parallel.
fn all_moments(shape: Shape, x: &[f32]) -> Vec<Moments> {
    let (channels, inner) = (shape.channels() as usize, shape.inner() as usize);
    let partials: Vec<Vec<Moments>> = x
        .par_chunks(chunk(shape))
        .map(|x| {
            if inner > 1 {
                let chunk = (x.len() / (channels * inner)) as u64;
                let shape = Shape::channels_first(chunk, shape.channels(), shape.inner());
                return (0..channels).map(|c| channel_moments(segments_of(shape, x, c))).collect();
            }
            column_moments(channels, x)
        })
        .collect();
    let merge = |c: usize| partials.iter().fold(Moments::default(), |total, p| total.merge(p[c]));
    (0..channels).map(merge).collect()
}

/// Moments of the columns of a matrix.
fn column_moments(channels: usize, x: &[f32]) -> Vec<Moments> {
    let mut totals = vec![Moments::default(); channels];
    let mut pivots = vec![0f32; channels];
    let (mut sums, mut squares) = (vec![0f32; channels], vec![0f32; channels]);
    for (index, run) in x.chunks(RUN / 8 * channels).enumerate() {
        let rows = run.len() / channels;
        sums.fill(0.0);
        squares.fill(0.0);
        if index == 0 {
            for row in run.chunks_exact(channels) {
                for (sum, v) in sums.iter_mut().zip(row) {
                    *sum += v;
                }
            }
            for (pivot, sum) in pivots.iter_mut().zip(&mut sums) {
                *pivot = *sum / rows as f32;
                *sum = 0.0;
            }
        }
        for row in run.chunks_exact(channels) {
            for (((v, pivot), sum), square) in
                row.iter().zip(&pivots).zip(&mut sums).zip(&mut squares)
            {
                let d = v - pivot;
                *sum += d;
                *square += d * d;
            }
        }
        for c in 0..channels {
            let run = Moments::of_run(rows, pivots[c], sums[c] as f64, squares[c] as f64);
            totals[c] = totals[c].merge(run);
            pivots[c] = totals[c].mean as f32;
        }
    }
    totals
}

/// y = ((x − mean) − remainder)·scale + shift.
#[derive(Clone, Copy)]
struct Affine {
    center: (f32, f32),
    scale: f32,
    shift: f32,
}

impl Affine {
    fn new(m: &Moments, shape: Shape, epsilon: f32, affine: AffineParams<'_>, c: usize) -> Self {
        let inv_std = 1.0 / (m.m2 / shape.count() as f64 + epsilon as f64).sqrt();
        let mean = m.mean as f32;
        Self {
            center: (mean, (m.mean - mean as f64) as f32),
            scale: (affine.gamma.map_or(1.0, |g| g[c] as f64) * inv_std) as f32,
            shift: affine.beta.map_or(0.0, |b| b[c]),
        }
    }

    fn one(&self, x: f32) -> f32 {
        ((x - self.center.0) - self.center.1) * self.scale + self.shift
    }

    fn apply(&self, x: &[f32], y: &mut [f32]) {
        for (x, y) in x.iter().zip(y) {
            *y = self.one(*x);
        }
    }
}

fn normalize(shape: Shape, x: &[f32], y: &mut [f32], maps: &[Affine]) {
    let inner = shape.inner() as usize;
    let chunk = chunk(shape);
    x.par_chunks(chunk).zip(y.par_chunks_mut(chunk)).for_each(|(x, y)| {
        if inner == 1 {
            for (x, y) in x.chunks_exact(maps.len()).zip(y.chunks_exact_mut(maps.len())) {
                for ((x, y), map) in x.iter().zip(y).zip(maps) {
                    *y = map.one(*x);
                }
            }
            return;
        }
        let segments = x.chunks_exact(inner).zip(y.chunks_exact_mut(inner));
        for ((x, y), map) in segments.zip(maps.iter().cycle()) {
            map.apply(x, y);
        }
    });
}

/// Σdy and Σdy·(x − mean).
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    dy: f64,
    dy_x: f64,
}

fn channel_sums<'a>(
    segments: impl Iterator<Item = (&'a [f32], &'a [f32])>,
    center: (f32, f32),
) -> Sums {
    let mut total = Sums::default();
    for (x, dy) in segments.flat_map(|(x, dy)| x.chunks(RUN).zip(dy.chunks(RUN))) {
        let (mut sums, mut products) = ([0f32; LANES], [0f32; LANES]);
        let (mut x_chunks, mut dy_chunks) = (x.chunks_exact(LANES), dy.chunks_exact(LANES));
        for (x, dy) in (&mut x_chunks).zip(&mut dy_chunks) {
            for k in 0..LANES {
                sums[k] += dy[k];
                products[k] += dy[k] * ((x[k] - center.0) - center.1);
            }
        }
        let rest = x_chunks.remainder().iter().zip(dy_chunks.remainder());
        for (k, (x, dy)) in rest.enumerate() {
            sums[k] += dy;
            products[k] += dy * ((x - center.0) - center.1);
        }
        total.dy += sum_lanes(&sums);
        total.dy_x += sum_lanes(&products);
    }
    total
}

fn all_sums(shape: Shape, x: &[f32], dy: &[f32], saved: &Saved) -> Vec<Sums> {
    let (channels, inner) = (shape.channels() as usize, shape.inner() as usize);
    let chunk = chunk(shape);
    let partials: Vec<Vec<Sums>> = x
        .par_chunks(chunk)
        .zip(dy.par_chunks(chunk))
        .map(|(x, dy)| {
            if inner == 1 {
                return column_sums(channels, x, dy, saved);
            }
            let outer = (x.len() / (channels * inner)) as u64;
            let shape = Shape::channels_first(outer, shape.channels(), shape.inner());
            let sums = |c: usize| {
                let segments = segments_of(shape, x, c).zip(segments_of(shape, dy, c));
                channel_sums(segments, (saved.mean[c], saved.mean_remainder[c]))
            };
            (0..channels).map(sums).collect()
        })
        .collect();
    let add = |c: usize| {
        partials.iter().fold(Sums::default(), |total, p| Sums {
            dy: total.dy + p[c].dy,
            dy_x: total.dy_x + p[c].dy_x,
        })
    };
    (0..channels).map(add).collect()
}

fn column_sums(channels: usize, x: &[f32], dy: &[f32], saved: &Saved) -> Vec<Sums> {
    let mut totals = vec![Sums::default(); channels];
    let (mut sums, mut products) = (vec![0f32; channels], vec![0f32; channels]);
    let run = RUN / 8 * channels;
    for (x, dy) in x.chunks(run).zip(dy.chunks(run)) {
        sums.fill(0.0);
        products.fill(0.0);
        for (x, dy) in x.chunks_exact(channels).zip(dy.chunks_exact(channels)) {
            let center = saved.mean.iter().zip(&saved.mean_remainder);
            let outputs = sums.iter_mut().zip(&mut products);
            for (((x, dy), (mean, rest)), (sum, product)) in
                x.iter().zip(dy).zip(center).zip(outputs)
            {
                *sum += dy;
                *product += dy * ((x - mean) - rest);
            }
        }
        for c in 0..channels {
            totals[c].dy += sums[c] as f64;
            totals[c].dy_x += products[c] as f64;
        }
    }
    totals
}

/// dx = scale·((dy − mean of dy) − (x − mean)·slope).
#[derive(Clone, Copy)]
struct InputGradient {
    center: (f32, f32),
    scale: f32,
    mean_dy: f32,
    slope: f32,
}

impl InputGradient {
    fn one(&self, x: f32, dy: f32) -> f32 {
        let centered = (x - self.center.0) - self.center.1;
        self.scale * ((dy - self.mean_dy) - centered * self.slope)
    }

    fn apply(&self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        for ((x, dy), dx) in x.iter().zip(dy).zip(dx) {
            *dx = self.one(*x, *dy);
        }
    }
}

fn differentiate_chunk(
    shape: Shape,
    x: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    maps: &[InputGradient],
) {
    let (channels, inner) = (maps.len(), shape.inner() as usize);
    if inner == 1 {
        let rows = x.chunks_exact(channels).zip(dy.chunks_exact(channels));
        for ((x, dy), dx) in rows.zip(dx.chunks_exact_mut(channels)) {
            for (((x, dy), dx), map) in x.iter().zip(dy).zip(dx).zip(maps) {
                *dx = map.one(*x, *dy);
            }
        }
        return;
    }
    let segments = x.chunks_exact(inner).zip(dy.chunks_exact(inner));
    for (((x, dy), dx), map) in segments.zip(dx.chunks_exact_mut(inner)).zip(maps.iter().cycle()) {
        map.apply(x, dy, dx);
    }
}
