//! Channels last, or an inner extent of 1 at most: a matrix, whose columns are the channels, or these a few times. What
//! takes the time is how memory is read, so its blocks are read in order.

use super::accumulate::{LANES, Moments, Sums};
use super::maps::{Differentiate, Normalize};
use super::{Saved, TASKS, in_parallel};
use crate::Shape;
use std::ops::Range;

/// Columns of a block, at most: what is kept of each stays in the nearest caches.
const WIDTH: usize = 1024;
/// Rows of a block, at least: each has a pivot to find, and leaves results to join.
const HEIGHT: usize = 128;
/// Columns of rows that are several positions, at least.
const NARROW: usize = 64;
/// From so many channels on rows are single positions: that few of these are no whole vector hardly matters.
const WIDE: usize = 256;
/// Rows that are several positions are so many at least: columns of the same channel have to be joined.
const SHORT: usize = 16;
/// From so many columns on, a page, rows that are read side by side are a stream each for what fetches ahead. Several
/// shorter ones are on one page, where it sees none: these are read one by one.
const STREAM: usize = 1024;
/// Rows that are read, or written, side by side.
const ROWS: usize = 4;
/// Rows that are summed in `f32` before the sums move on to `f64`.
const RUN: usize = 8;
/// Rows that are summed about the same pivot.
const RUN_A_PIVOT: usize = 256;
/// Columns whose means, scales and shifts stay in the nearest cache with the rows that are written: these are then
/// written one by one, in order; rows of more columns side by side, so that these are read once for all.
const NEAR: usize = 1024;

/// The tensor as rows of columns. A row is a position, or several, in which channels repeat.
struct Matrix {
    channels: usize,
    columns: usize,
    rows: usize,
    /// Values after the last whole row.
    rest: usize,
}

/// Some columns of some rows.
struct Block {
    stride: usize,
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Matrix {
    fn new(shape: Shape) -> Self {
        let (channels, positions) = (shape.channels() as usize, shape.count() as usize);
        let repeats = if channels < WIDE {
            // As few positions as fill whole vectors, and those as often as columns are too few.
            let whole_vectors = LANES >> channels.trailing_zeros().min(LANES.ilog2());
            whole_vectors * NARROW.div_ceil(whole_vectors * channels)
        } else {
            1
        };
        let (few, narrow) = (positions < SHORT * repeats, repeats * channels <= WIDTH);
        let repeats = if few || !narrow { 1 } else { repeats };
        let rest = positions % repeats * channels;
        Self { channels, columns: channels * repeats, rows: positions / repeats, rest }
    }

    /// Pieces of about the same width, each from the first row to the last; then what is no whole row.
    fn blocks(&self) -> Vec<Block> {
        let beside = self.columns.div_ceil(WIDTH);
        let width = self.columns.div_ceil(beside).next_multiple_of(LANES);
        let height = self.rows.div_ceil(TASKS.div_ceil(beside)).next_multiple_of(RUN).max(HEIGHT);
        let mut all = Vec::new();
        let mut block = |rows, columns| all.push(Block { stride: self.columns, rows, columns });
        for first in (0..self.columns).step_by(width) {
            for row in (0..self.rows).step_by(height) {
                block(row..self.rows.min(row + height), first..self.columns.min(first + width));
            }
        }
        if self.rest > 0 {
            block(self.rows..self.rows + 1, 0..self.rest);
        }
        all
    }

    /// Partial results of the blocks, those of a piece joined to one: of all columns, and then of the rest.
    fn partials<P: Send>(
        &self,
        shape: Shape,
        of_block: impl Fn(&Block) -> P + Sync + Send,
        join: impl Fn(&mut P, P),
    ) -> Vec<P> {
        let blocks = self.blocks();
        let columns: Vec<_> = blocks.iter().map(|block| block.columns.clone()).collect();
        let partials = in_parallel(shape, blocks, |_, block| of_block(&block));
        let mut pieces: Vec<(Range<usize>, P)> = Vec::new();
        for (columns, partial) in columns.into_iter().zip(partials) {
            match pieces.last_mut() {
                Some((above, piece)) if *above == columns => join(piece, partial),
                _ => pieces.push((columns, partial)),
            }
        }
        pieces.into_iter().map(|(_, piece)| piece).collect()
    }

    /// Results of all columns, and of the rest, joined to one a channel.
    fn by_channel<T: Copy + Default>(
        &self,
        columns: impl Iterator<Item = T>,
        join: impl Fn(T, T) -> T,
    ) -> Vec<T> {
        let mut channels = vec![T::default(); self.channels];
        for (k, column) in columns.enumerate() {
            let channel = &mut channels[k % self.channels];
            *channel = join(*channel, column);
        }
        channels
    }

    /// For each column, what is known of its channel.
    fn of_columns(&self, of_channels: &[f32]) -> Vec<f32> {
        of_channels.repeat(self.columns / self.channels)
    }

    /// Values of a task that goes over whole rows.
    fn range(&self) -> usize {
        self.rows.div_ceil(TASKS).max(1) * self.columns
    }
}

impl Block {
    /// What of a row is in the block.
    fn row<'v>(&self, values: &'v [f32], row: usize) -> &'v [f32] {
        let first = row * self.stride;
        &values[first + self.columns.start..first + self.columns.end]
    }

    /// The same of rows that are read side by side.
    fn rows_from<'v>(&self, values: &'v [f32], row: usize) -> [&'v [f32]; ROWS] {
        std::array::from_fn(|k| self.row(values, row + k))
    }

    /// The rows in runs of so many.
    fn runs(&self, of: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let end = self.rows.end;
        self.rows.clone().step_by(of).map(move |row| row..end.min(row + of))
    }

    /// Where those of a run end that are read side by side.
    fn side_by_side(&self, run: &Range<usize>) -> usize {
        if self.stride < STREAM { run.start } else { run.end - run.len() % ROWS }
    }
}

fn add(totals: &mut [f64], sums: &[f32]) {
    for (total, &sum) in totals.iter_mut().zip(sums) {
        *total += sum as f64;
    }
}

/// Count, mean and Σ(x − mean)² of columns.
struct PartialMoments {
    count: f64,
    means: Vec<f64>,
    m2s: Vec<f64>,
}

impl PartialMoments {
    fn of(x: &[f32], block: &Block) -> Self {
        let columns = block.columns.len();
        let (mut sums, mut squares) = (vec![0f32; columns], vec![0f32; columns]);
        // The first pivot is the mean of a few rows; a later one the mean so far.
        let mut pivots = block.row(x, block.rows.start).to_vec();
        let few = block.rows.len().min(2 * RUN);
        for row in block.rows.clone().take(few) {
            add_deviations([block.row(x, row)], &pivots, &mut sums, &mut squares);
        }
        for (pivot, sum) in pivots.iter_mut().zip(&sums) {
            *pivot += sum / few as f32;
        }
        let mut runs = block.runs(RUN_A_PIVOT);
        let first = runs.next().unwrap_or_default();
        let mut all = Self::of_run(x, block, first, &pivots, (&mut sums, &mut squares));
        for run in runs {
            for (pivot, &mean) in pivots.iter_mut().zip(&all.means) {
                *pivot = mean as f32;
            }
            all.merge(&Self::of_run(x, block, run, &pivots, (&mut sums, &mut squares)));
        }
        all
    }

    /// Those of some rows, about pivots. A pivot may be off by a standard deviation, where channels are many and rows
    /// few: a long chain of roundings would show in the variance.
    fn of_run(
        x: &[f32],
        block: &Block,
        rows: Range<usize>,
        pivots: &[f32],
        (sums, squares): (&mut [f32], &mut [f32]),
    ) -> Self {
        let count = rows.len() as f64;
        let (mut means, mut m2s) = (vec![0f64; pivots.len()], vec![0f64; pivots.len()]);
        let end = rows.end;
        for run in rows.step_by(RUN).map(|row| row..end.min(row + RUN)) {
            sums.fill(0.0);
            squares.fill(0.0);
            let whole = block.side_by_side(&run);
            for row in (run.start..whole).step_by(ROWS) {
                add_deviations(block.rows_from(x, row), pivots, sums, squares);
            }
            for row in whole..run.end {
                add_deviations([block.row(x, row)], pivots, sums, squares);
            }
            add(&mut means, sums);
            add(&mut m2s, squares);
        }
        let each = 1.0 / count;
        for ((mean, m2), &pivot) in means.iter_mut().zip(&mut m2s).zip(pivots) {
            *m2 -= *mean * *mean * each;
            *mean = pivot as f64 + *mean * each;
        }
        Self { count, means, m2s }
    }

    /// Chan, Golub and LeVeque's update, of columns that all have the same counts.
    fn merge(&mut self, other: &Self) {
        let weight = other.count / (self.count + other.count);
        let between = self.count * weight;
        let (means, m2s) = (&mut self.means, &mut self.m2s);
        for ((mean, m2), (of, m2_of)) in
            means.iter_mut().zip(m2s).zip(other.means.iter().zip(&other.m2s))
        {
            let delta = of - *mean;
            *mean += delta * weight;
            *m2 += m2_of + delta * delta * between;
        }
        self.count += other.count;
    }

    fn columns(&self) -> impl Iterator<Item = Moments> {
        let (count, both) = (self.count, self.means.iter().zip(&self.m2s));
        both.map(move |(&mean, &m2)| Moments { count, mean, m2 })
    }
}

/// Adds, of a few rows, deviations from the pivots, and their squares. By itself, so that how the loop is compiled does
/// not depend on what is around it, and without `f64`, which would halve the columns of a vector.
#[inline(never)]
fn add_deviations<const N: usize>(
    x: [&[f32]; N],
    pivots: &[f32],
    sums: &mut [f32],
    squares: &mut [f32],
) {
    let columns = pivots.len();
    let (x, sums, squares) =
        (x.map(|row| &row[..columns]), &mut sums[..columns], &mut squares[..columns]);
    for k in 0..columns {
        let (mut sum, mut square) = (sums[k], squares[k]);
        for x in x {
            let d = x[k] - pivots[k];
            sum += d;
            square += d * d;
        }
        (sums[k], squares[k]) = (sum, square);
    }
}

pub fn moments(shape: Shape, x: &[f32]) -> Vec<Moments> {
    let matrix = Matrix::new(shape);
    let of_block = |block: &Block| PartialMoments::of(x, block);
    let partials = matrix.partials(shape, of_block, |above, below| above.merge(&below));
    matrix.by_channel(partials.iter().flat_map(PartialMoments::columns), Moments::merge)
}

/// Rows side by side.
fn four(values: &[f32], columns: usize) -> [&[f32]; ROWS] {
    let (a, rest) = values.split_at(columns);
    let (b, rest) = rest.split_at(columns);
    let (c, rest) = rest.split_at(columns);
    [a, b, c, &rest[..columns]]
}

fn four_mut(values: &mut [f32], columns: usize) -> [&mut [f32]; ROWS] {
    let (a, rest) = values.split_at_mut(columns);
    let (b, rest) = rest.split_at_mut(columns);
    let (c, rest) = rest.split_at_mut(columns);
    [a, b, c, &mut rest[..columns]]
}

pub fn normalize(shape: Shape, x: &[f32], y: &mut [f32], maps: &Normalize) {
    let matrix = Matrix::new(shape);
    let columns = matrix.columns;
    let [mean, scale, shift] =
        [&maps.mean, &maps.scale, &maps.shift].map(|all| matrix.of_columns(all));
    let (mean, scale, shift) = (&mean[..columns], &scale[..columns], &shift[..columns]);
    in_parallel(shape, y.chunks_mut(matrix.range()).collect(), |task, y: &mut [f32]| {
        let x = &x[task * matrix.range()..][..y.len()];
        let side_by_side = if columns > NEAR { y.len() / (ROWS * columns) } else { 0 };
        let whole = side_by_side * ROWS * columns;
        let (y, y_rest) = y.split_at_mut(whole);
        let (x, x_rest) = x.split_at(whole);
        for (x, y) in x.chunks_exact(ROWS * columns).zip(y.chunks_exact_mut(ROWS * columns)) {
            let ([a, b, c, d], [p, q, r, s]) = (four(x, columns), four_mut(y, columns));
            for k in 0..columns {
                let one = |x: f32| (x - mean[k]) * scale[k] + shift[k];
                (p[k], q[k], r[k], s[k]) = (one(a[k]), one(b[k]), one(c[k]), one(d[k]));
            }
        }
        for (x, y) in x_rest.chunks(columns).zip(y_rest.chunks_mut(columns)) {
            let columns = x.len();
            let (mean, scale, shift) = (&mean[..columns], &scale[..columns], &shift[..columns]);
            let y = &mut y[..columns];
            for k in 0..columns {
                y[k] = (x[k] - mean[k]) * scale[k] + shift[k];
            }
        }
    });
}

/// Σdy and Σdy·(x − mean) of columns.
struct PartialSums {
    dy: Vec<f64>,
    dy_x: Vec<f64>,
}

impl PartialSums {
    fn of(x: &[f32], dy: &[f32], means: &[f32], block: &Block) -> Self {
        let columns = block.columns.len();
        let means = &means[block.columns.clone()];
        let (mut sums, mut products) = (vec![0f32; columns], vec![0f32; columns]);
        let mut all = Self { dy: vec![0.0; columns], dy_x: vec![0.0; columns] };
        for run in block.runs(RUN) {
            sums.fill(0.0);
            products.fill(0.0);
            let whole = block.side_by_side(&run);
            for row in (run.start..whole).step_by(ROWS) {
                let (x, dy) = (block.rows_from(x, row), block.rows_from(dy, row));
                add_gradients(x, dy, means, &mut sums, &mut products);
            }
            for row in whole..run.end {
                let (x, dy) = ([block.row(x, row)], [block.row(dy, row)]);
                add_gradients(x, dy, means, &mut sums, &mut products);
            }
            add(&mut all.dy, &sums);
            add(&mut all.dy_x, &products);
        }
        all
    }

    fn merge(&mut self, other: &Self) {
        let (sums, others) = ([&mut self.dy, &mut self.dy_x], [&other.dy, &other.dy_x]);
        for (sums, others) in sums.into_iter().zip(others) {
            sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
        }
    }

    fn columns(&self) -> impl Iterator<Item = Sums> {
        self.dy.iter().zip(&self.dy_x).map(|(&dy, &dy_x)| Sums { dy, dy_x })
    }
}

/// Adds, of a few rows, gradients and their products with deviations, likewise.
#[inline(never)]
fn add_gradients<const N: usize>(
    x: [&[f32]; N],
    dy: [&[f32]; N],
    means: &[f32],
    sums: &mut [f32],
    products: &mut [f32],
) {
    let columns = means.len();
    let (x, dy) = (x.map(|row| &row[..columns]), dy.map(|row| &row[..columns]));
    let (sums, products) = (&mut sums[..columns], &mut products[..columns]);
    for k in 0..columns {
        let (mut sum, mut product) = (sums[k], products[k]);
        for (x, dy) in x.iter().zip(dy) {
            sum += dy[k];
            product += dy[k] * (x[k] - means[k]);
        }
        (sums[k], products[k]) = (sum, product);
    }
}

pub fn sums(shape: Shape, x: &[f32], dy: &[f32], saved: &Saved) -> Vec<Sums> {
    let matrix = Matrix::new(shape);
    let centers: Vec<(f32, f32)> = (0..matrix.channels).map(|c| saved.center(c)).collect();
    let means = centers.iter().map(|center| center.0).collect::<Vec<_>>();
    let means = matrix.of_columns(&means);
    let of_block = |block: &Block| PartialSums::of(x, dy, &means, block);
    let partials = matrix.partials(shape, of_block, |above, below| above.merge(&below));
    let sums = matrix.by_channel(partials.iter().flat_map(PartialSums::columns), Sums::add);
    let taken = |(sums, center): (Sums, &(f32, f32))| Sums::corrected(sums.dy, sums.dy_x, center.1);
    sums.into_iter().zip(&centers).map(taken).collect()
}

pub fn differentiate(shape: Shape, x: &[f32], dy: &[f32], dx: &mut [f32], maps: &Differentiate) {
    let matrix = Matrix::new(shape);
    let Differentiate { mean, scale, offset, slope } = maps;
    let [mean, scale, offset, slope] =
        [mean, scale, offset, slope].map(|all| matrix.of_columns(all));
    in_parallel(shape, dx.chunks_mut(matrix.range()).collect(), |task, dx: &mut [f32]| {
        let start = task * matrix.range();
        let (x, dy) = (&x[start..][..dx.len()], &dy[start..][..dx.len()]);
        let rows = x.chunks(matrix.columns).zip(dy.chunks(matrix.columns));
        for ((x, dy), dx) in rows.zip(dx.chunks_mut(matrix.columns)) {
            let columns = x.len();
            let (mean, scale) = (&mean[..columns], &scale[..columns]);
            let (offset, slope) = (&offset[..columns], &slope[..columns]);
            let (dy, dx) = (&dy[..columns], &mut dx[..columns]);
            for k in 0..columns {
                dx[k] = scale[k] * ((dy[k] - offset[k]) - (x[k] - mean[k]) * slope[k]);
            }
        }
    });
}
