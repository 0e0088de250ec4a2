//! Channels last, or an inner extent of 1 at most: a matrix, whose columns are the channels. Blocks of
//! columns, so that what is kept of each stays in the nearest cache.

use super::accumulate::{Moments, Sums};
use super::maps::{Differentiate, Normalize};
use super::{Saved, TASKS, in_parallel};
use crate::Shape;

/// Columns of a block: a kilobyte of each row.
const WIDTH: usize = 256;
/// Rows whose gradients are summed in `f32` before the sums move on to `f64`.
const RUN: usize = 64;
/// Rows that are summed about the same pivot.
const RUN_A_PIVOT: usize = 256;
/// Rows that are summed pairwise.
const ROWS: usize = 8;
/// Columns whose means, scales and shifts stay in the nearest cache with the rows that are written: these are then
/// written one by one, in order.
const NEAR: usize = 1024;
/// Rows of more columns that are written side by side, so that these are read once for all.
const WRITTEN: usize = 4;

/// The rows and columns of a task.
#[derive(Clone)]
struct Block {
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
}

/// Blocks of a matrix, in order of their columns.
fn blocks(shape: Shape) -> Vec<Block> {
    let (rows, columns) = (shape.count() as usize, shape.channels() as usize);
    let beside = columns.div_ceil(WIDTH);
    let height = rows.div_ceil(TASKS.div_ceil(beside)).next_multiple_of(RUN);
    let mut all = Vec::new();
    for first in (0..columns).step_by(WIDTH) {
        for row in (0..rows).step_by(height.max(1)) {
            let rows = row..rows.min(row + height);
            all.push(Block { rows, columns: first..columns.min(first + WIDTH) });
        }
    }
    all
}

impl Block {
    /// What of a row is in the block.
    fn of<'v>(&self, shape: Shape, values: &'v [f32], row: usize) -> &'v [f32] {
        let first = row * shape.channels() as usize;
        &values[first + self.columns.start..first + self.columns.end]
    }

    /// The same of [`ROWS`] rows.
    fn eight<'v>(&self, shape: Shape, values: &'v [f32], row: usize) -> [&'v [f32]; ROWS] {
        let columns = self.columns.len();
        std::array::from_fn(|k| &self.of(shape, values, row + k)[..columns])
    }

    /// The rows in runs of `of`, whole [`ROWS`] of them, and what is left.
    fn runs(&self, of: usize) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let (start, end) = (self.rows.start, self.rows.end);
        let whole = start + self.rows.len() / ROWS * ROWS;
        let runs = (start..whole).step_by(of).map(move |row| row..whole.min(row + of));
        runs.chain((whole < end).then_some(whole..end))
    }
}

#[inline]
fn pairwise([a, b, c, d, e, f, g, h]: [f32; ROWS]) -> f32 {
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

/// Partial results of the blocks, one after the other, joined to one a column.
fn joined<T: Copy + Default>(
    shape: Shape,
    blocks: &[Block],
    partials: Vec<Vec<T>>,
    join: impl Fn(T, T) -> T,
) -> Vec<T> {
    let mut all = vec![T::default(); shape.channels() as usize];
    for (block, partial) in blocks.iter().zip(partials) {
        for (total, part) in all[block.columns.clone()].iter_mut().zip(partial) {
            *total = join(*total, part);
        }
    }
    all
}

pub fn moments(shape: Shape, x: &[f32]) -> Vec<Moments> {
    let blocks = blocks(shape);
    let partials = in_parallel(shape, blocks.clone(), |_, block| moments_of(shape, x, &block));
    joined(shape, &blocks, partials, Moments::merge)
}

/// Sums, of eight rows, deviations from the pivots, and their squares. By itself and without closures, so that how
/// the loop is compiled does not depend on what is around it; and `f64` is left to another loop, since one that has
/// some in it is vectorised by half as many columns.
fn sum_deviations(rows: [&[f32]; ROWS], pivots: &[f32], sums: &mut [f32], squares: &mut [f32]) {
    let columns = pivots.len();
    let (sums, squares) = (&mut sums[..columns], &mut squares[..columns]);
    let [a, b, c, d, e, f, g, h] = rows;
    let (a, b, c, d) = (&a[..columns], &b[..columns], &c[..columns], &d[..columns]);
    let (e, f, g, h) = (&e[..columns], &f[..columns], &g[..columns], &h[..columns]);
    for k in 0..columns {
        let p = pivots[k];
        let (a, b, c, d) = (a[k] - p, b[k] - p, c[k] - p, d[k] - p);
        let (e, f, g, h) = (e[k] - p, f[k] - p, g[k] - p, h[k] - p);
        sums[k] = pairwise([a, b, c, d, e, f, g, h]);
        squares[k] = pairwise([a * a, b * b, c * c, d * d, e * e, f * f, g * g, h * h]);
    }
}

fn add(totals: &mut [f64], sums: &[f32]) {
    for (total, &sum) in totals.iter_mut().zip(sums) {
        *total += sum as f64;
    }
}

fn moments_of(shape: Shape, x: &[f32], block: &Block) -> Vec<Moments> {
    let columns = block.columns.len();
    let mut pivots = [0f32; WIDTH];
    // No more than pairwise sums is in `f32`: the first pivot may be off by a standard deviation where
    // channels are many and rows few, and then a chain of roundings shows in the variance.
    let (mut of_eight, mut squares_of_eight) = ([0f32; WIDTH], [0f32; WIDTH]);
    let (mut sums, mut squares) = ([0f64; WIDTH], [0f64; WIDTH]);
    let (mut means, mut m2s) = ([0f64; WIDTH], [0f64; WIDTH]);
    // The first pivot is the mean of a few rows; a later one the mean so far.
    let few = block.rows.len().min(2 * ROWS);
    for row in block.rows.clone().take(few) {
        for (pivot, v) in pivots.iter_mut().zip(block.of(shape, x, row)) {
            *pivot += v / few as f32;
        }
    }
    let mut count = 0.0;
    for run in block.runs(RUN_A_PIVOT) {
        sums[..columns].fill(0.0);
        squares[..columns].fill(0.0);
        let whole = run.start + run.len() / ROWS * ROWS;
        for row in (run.start..whole).step_by(ROWS) {
            let rows = block.eight(shape, x, row);
            sum_deviations(rows, &pivots[..columns], &mut of_eight, &mut squares_of_eight);
            add(&mut sums[..columns], &of_eight);
            add(&mut squares[..columns], &squares_of_eight);
        }
        for row in whole..run.end {
            for (k, v) in block.of(shape, x, row).iter().enumerate() {
                let d = v - pivots[k];
                sums[k] += d as f64;
                squares[k] += (d * d) as f64;
            }
        }
        // Chan, Golub and LeVeque's update: all columns have the same counts.
        let rows = run.len() as f64;
        let (each, weight) = (1.0 / rows, rows / (count + rows));
        let between = count * weight;
        for k in 0..columns {
            let sum = sums[k];
            let delta = pivots[k] as f64 + sum * each - means[k];
            means[k] += delta * weight;
            m2s[k] += (squares[k] - sum * sum * each) + delta * delta * between;
            pivots[k] = means[k] as f32;
        }
        count += rows;
    }
    let both = means.iter().zip(m2s).take(columns);
    both.map(|(&mean, m2)| Moments { count, mean, m2 }).collect()
}

/// Rows side by side.
fn four(values: &[f32], columns: usize) -> [&[f32]; WRITTEN] {
    let (a, rest) = values.split_at(columns);
    let (b, rest) = rest.split_at(columns);
    let (c, rest) = rest.split_at(columns);
    [a, b, c, &rest[..columns]]
}

fn four_mut(values: &mut [f32], columns: usize) -> [&mut [f32]; WRITTEN] {
    let (a, rest) = values.split_at_mut(columns);
    let (b, rest) = rest.split_at_mut(columns);
    let (c, rest) = rest.split_at_mut(columns);
    [a, b, c, &mut rest[..columns]]
}

/// Elements of a task that goes over whole rows.
fn range(shape: Shape) -> usize {
    (shape.count() as usize).div_ceil(TASKS).max(1) * shape.channels() as usize
}

pub fn normalize(shape: Shape, x: &[f32], y: &mut [f32], maps: &Normalize) {
    let columns = shape.channels() as usize;
    let Normalize { mean, scale, shift } = maps;
    let (mean, scale, shift) = (&mean[..columns], &scale[..columns], &shift[..columns]);
    in_parallel(shape, y.chunks_mut(range(shape)).collect(), |task, y: &mut [f32]| {
        let x = &x[task * range(shape)..][..y.len()];
        let side_by_side = if columns > NEAR { y.len() / (WRITTEN * columns) } else { 0 };
        let whole = side_by_side * WRITTEN * columns;
        let (y, y_rest) = y.split_at_mut(whole);
        let (x, x_rest) = x.split_at(whole);
        for (x, y) in x.chunks_exact(WRITTEN * columns).zip(y.chunks_exact_mut(WRITTEN * columns)) {
            let ([a, b, c, d], [p, q, r, s]) = (four(x, columns), four_mut(y, columns));
            for k in 0..columns {
                let one = |x: f32| (x - mean[k]) * scale[k] + shift[k];
                (p[k], q[k], r[k], s[k]) = (one(a[k]), one(b[k]), one(c[k]), one(d[k]));
            }
        }
        for (x, y) in x_rest.chunks_exact(columns).zip(y_rest.chunks_exact_mut(columns)) {
            for k in 0..columns {
                y[k] = (x[k] - mean[k]) * scale[k] + shift[k];
            }
        }
    });
}

pub fn sums(shape: Shape, x: &[f32], dy: &[f32], saved: &Saved) -> Vec<Sums> {
    let blocks = blocks(shape);
    let sums = |_, block| sums_of(shape, x, dy, saved, &block);
    let partials = in_parallel(shape, blocks.clone(), sums);
    joined(shape, &blocks, partials, Sums::add)
}

/// Adds, of eight rows, gradients and their products with deviations, likewise.
fn add_gradients(
    x: [&[f32]; ROWS],
    dy: [&[f32]; ROWS],
    mean: &[f32],
    sums: &mut [f32],
    products: &mut [f32],
) {
    let columns = mean.len();
    let (sums, products) = (&mut sums[..columns], &mut products[..columns]);
    let [a, b, c, d, e, f, g, h] = dy;
    let (a, b, c, d) = (&a[..columns], &b[..columns], &c[..columns], &d[..columns]);
    let (e, f, g, h) = (&e[..columns], &f[..columns], &g[..columns], &h[..columns]);
    let [p, q, r, s, t, u, v, w] = x;
    let (p, q, r, s) = (&p[..columns], &q[..columns], &r[..columns], &s[..columns]);
    let (t, u, v, w) = (&t[..columns], &u[..columns], &v[..columns], &w[..columns]);
    for k in 0..columns {
        let m = mean[k];
        sums[k] += pairwise([a[k], b[k], c[k], d[k], e[k], f[k], g[k], h[k]]);
        products[k] += pairwise([
            a[k] * (p[k] - m),
            b[k] * (q[k] - m),
            c[k] * (r[k] - m),
            d[k] * (s[k] - m),
            e[k] * (t[k] - m),
            f[k] * (u[k] - m),
            g[k] * (v[k] - m),
            h[k] * (w[k] - m),
        ]);
    }
}

fn sums_of(shape: Shape, x: &[f32], dy: &[f32], saved: &Saved, block: &Block) -> Vec<Sums> {
    let columns = block.columns.len();
    let centers: Vec<(f32, f32)> = block.columns.clone().map(|c| saved.center(c)).collect();
    let mean: Vec<f32> = centers.iter().map(|center| center.0).collect();
    let mean = &mean[..columns];
    let mut totals = vec![Sums::default(); columns];
    let (mut sums, mut products) = ([0f32; WIDTH], [0f32; WIDTH]);
    for run in block.runs(RUN) {
        let (sums, products) = (&mut sums[..columns], &mut products[..columns]);
        sums.fill(0.0);
        products.fill(0.0);
        let whole = run.start + run.len() / ROWS * ROWS;
        for row in (run.start..whole).step_by(ROWS) {
            let (x, dy) = (block.eight(shape, x, row), block.eight(shape, dy, row));
            add_gradients(x, dy, mean, sums, products);
        }
        for row in whole..run.end {
            let (x, dy) = (block.of(shape, x, row), block.of(shape, dy, row));
            for k in 0..columns {
                sums[k] += dy[k];
                products[k] += dy[k] * (x[k] - mean[k]);
            }
        }
        for (k, total) in totals.iter_mut().enumerate() {
            let (dy, dy_x) = (sums[k] as f64, products[k] as f64);
            *total = total.add(Sums::corrected(dy, dy_x, centers[k].1));
        }
    }
    totals
}

pub fn differentiate(shape: Shape, x: &[f32], dy: &[f32], dx: &mut [f32], maps: &Differentiate) {
    let columns = shape.channels() as usize;
    let Differentiate { mean, scale, offset, slope } = maps;
    let (mean, scale) = (&mean[..columns], &scale[..columns]);
    let (offset, slope) = (&offset[..columns], &slope[..columns]);
    in_parallel(shape, dx.chunks_mut(range(shape)).collect(), |task, dx: &mut [f32]| {
        let start = task * range(shape);
        let (x, dy) = (&x[start..][..dx.len()], &dy[start..][..dx.len()]);
        let rows = x.chunks_exact(columns).zip(dy.chunks_exact(columns));
        for ((x, dy), dx) in rows.zip(dx.chunks_exact_mut(columns)) {
            for k in 0..columns {
                dx[k] = scale[k] * ((dy[k] - offset[k]) - (x[k] - mean[k]) * slope[k]);
            }
        }
    });
}
