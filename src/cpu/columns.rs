//! Channels last, or an inner extent of 1 at most: a matrix, whose columns are the channels, or these a few times. What
//! takes the time is how memory is read. Rows are dealt to a few *streams*, each of which has some one after the other,
//! and one row of each is taken at a time: so what is known of a column is loaded once for all of them, and each is
//! fetched ahead. Neighbouring rows, of less than a page, side by side would be one stream, out of order.

use super::accumulate::{LANES, Moments, Sums};
use super::maps::{Differentiate, Normalize};
use super::{Saved, TASKS, both, in_parallel};
use crate::Shape;
use multiversion::multiversion;
use std::ops::Range;

/// Columns of a block, at most: what is kept of each stays in the nearer caches.
const WIDTH: usize = 2048;
/// Rows of a block, at least: each has a pivot to find, and leaves results to join.
const HEIGHT: usize = 128;
/// Columns of rows that are several positions, at least.
const NARROW: usize = 128;
/// From so many channels on rows are single positions: that few of these are no whole vector hardly matters.
const WIDE: usize = 256;
/// Rows that are several positions are so many at least: columns of the same channel have to be joined.
const SHORT: usize = 16;
/// Rows that are summed in `f32` before the sums move on to `f64`.
const RUN: usize = 8;
/// Rows that are summed about the same pivot.
const ROWS_A_PIVOT: usize = 256;
/// Columns of a page.
const PAGE: usize = 1024;
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

    /// Pieces of about the same width, each in blocks from the first row to the last; then what is no whole row.
    fn pieces(&self) -> Vec<Vec<Block>> {
        let beside = self.columns.div_ceil(WIDTH);
        let width = self.columns.div_ceil(beside).next_multiple_of(LANES);
        let height = self.rows.div_ceil(TASKS.div_ceil(beside)).next_multiple_of(RUN).max(HEIGHT);
        let block = |rows, columns| Block { stride: self.columns, rows, columns };
        let piece = |first: usize| {
            let columns = first..self.columns.min(first + width);
            let rows = (0..self.rows).step_by(height).map(|row| row..self.rows.min(row + height));
            rows.map(|rows| block(rows, columns.clone())).collect::<Vec<_>>()
        };
        let pieces = (0..self.columns).step_by(width).map(piece).filter(|piece| !piece.is_empty());
        let rest = (self.rest > 0).then(|| vec![block(self.rows..self.rows + 1, 0..self.rest)]);
        pieces.chain(rest).collect()
    }

    /// Partial results of the blocks, those of a piece joined to one: of all columns, and then of the rest.
    fn partials<P: Send>(
        &self,
        shape: Shape,
        of_block: impl Fn(&Block) -> P + Sync + Send,
        join: impl Fn(&mut P, P) + Sync + Send,
    ) -> Vec<P> {
        in_parallel(shape, self.pieces(), |_, piece| joined(shape, &piece, &of_block, &join))
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

    /// The same of some rows.
    fn side_by_side<'v, const N: usize>(
        &self,
        values: &'v [f32],
        rows: [usize; N],
    ) -> [&'v [f32]; N] {
        rows.map(|row| self.row(values, row))
    }

    /// The rows dealt to N streams, one of each at a time, and those that are left.
    fn dealt<const N: usize>(
        &self,
    ) -> (impl Iterator<Item = [usize; N]> + Clone + use<N>, Range<usize>) {
        let (first, each) = (self.rows.start, self.rows.len() / N);
        let one_of_each = move |row| std::array::from_fn(|stream| first + stream * each + row);
        ((0..each).map(one_of_each), first + N * each..self.rows.end)
    }
}

/// Results of blocks joined two and two, in an order that depends on how many there are, by the threads that had them.
fn joined<P: Send>(
    shape: Shape,
    blocks: &[Block],
    of_block: &(impl Fn(&Block) -> P + Sync + Send),
    join: &(impl Fn(&mut P, P) + Sync + Send),
) -> P {
    if let [block] = blocks {
        return of_block(block);
    }
    let (above, below) = blocks.split_at(blocks.len() / 2);
    let half = |blocks| move || joined(shape, blocks, of_block, join);
    let (mut above, below) = both(shape, half(above), half(below));
    join(&mut above, below);
    above
}

/// Moves sums on to `f64`.
#[multiversion(targets("x86_64+avx2"))]
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
        let (groups, rest) = block.dealt::<RUN>();
        // The first pivot is the mean of a few rows.
        let mut few = MomentsOf::about(block.row(x, block.rows.start).to_vec());
        match groups.clone().next() {
            Some(rows) => few.add(block.side_by_side(x, rows)),
            None => rest.clone().for_each(|row| few.add([block.row(x, row)])),
        }
        let mut moments = MomentsOf::about(few.finish().pivots());
        groups.for_each(|rows| moments.add(block.side_by_side(x, rows)));
        rest.for_each(|row| moments.add([block.row(x, row)]));
        moments.finish()
    }

    fn pivots(&self) -> Vec<f32> {
        self.means.iter().map(|&mean| mean as f32).collect()
    }

    /// Chan, Golub and LeVeque's update, of columns that all have the same counts.
    fn merge(&mut self, other: &Self) {
        let weight = other.count / (self.count + other.count);
        let between = self.count * weight;
        merge((&mut self.means, &mut self.m2s), (&other.means, &other.m2s), weight, between);
        self.count += other.count;
    }

    fn columns(&self) -> impl Iterator<Item = Moments> {
        let (count, both) = (self.count, self.means.iter().zip(&self.m2s));
        both.map(move |(&mean, &m2)| Moments { count, mean, m2 })
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn merge(
    (means, m2s): (&mut [f64], &mut [f64]),
    (other_means, other_m2s): (&[f64], &[f64]),
    weight: f64,
    between: f64,
) {
    let others = other_means.iter().zip(other_m2s);
    for ((mean, m2), (other_mean, other_m2)) in means.iter_mut().zip(m2s).zip(others) {
        let delta = other_mean - *mean;
        *mean += delta * weight;
        *m2 += other_m2 + delta * delta * between;
    }
}

/// The moments of columns, a few rows at a time. A pivot may be off by a standard deviation, where channels are many and
/// rows few: a long chain of roundings would show in the variance.
struct MomentsOf {
    /// Of rows about earlier pivots.
    total: Option<PartialMoments>,
    pivots: Vec<f32>,
    /// Rows about these pivots: how many, and of each column Σ(x − pivot) and Σ(x − pivot)².
    count: usize,
    deviations: Vec<f64>,
    squares: Vec<f64>,
    /// The same of a few rows.
    run: (Vec<f32>, Vec<f32>),
}

impl MomentsOf {
    fn about(pivots: Vec<f32>) -> Self {
        let columns = pivots.len();
        Self {
            total: None,
            pivots,
            count: 0,
            deviations: vec![0.0; columns],
            squares: vec![0.0; columns],
            run: (vec![0.0; columns], vec![0.0; columns]),
        }
    }

    fn add<const N: usize>(&mut self, x: [&[f32]; N]) {
        if self.count >= ROWS_A_PIVOT {
            self.move_pivots();
        }
        let (deviations, squares) = &mut self.run;
        sum_deviations(x, &self.pivots, deviations, squares);
        add(&mut self.deviations, deviations);
        add(&mut self.squares, squares);
        self.count += N;
    }

    /// To the means so far.
    fn move_pivots(&mut self) {
        let columns = self.pivots.len();
        let total = self.end_pivots();
        self.pivots = total.pivots();
        (self.deviations, self.squares) = (vec![0.0; columns], vec![0.0; columns]);
        (self.total, self.count) = (Some(total), 0);
    }

    fn end_pivots(&mut self) -> PartialMoments {
        let count = self.count as f64;
        let mut means = std::mem::take(&mut self.deviations);
        let mut m2s = std::mem::take(&mut self.squares);
        about_means((&mut means, &mut m2s), &self.pivots, 1.0 / count);
        let new = PartialMoments { count, means, m2s };
        match self.total.take() {
            Some(mut total) => {
                total.merge(&new);
                total
            }
            None => new,
        }
    }

    fn finish(mut self) -> PartialMoments {
        self.end_pivots()
    }
}

/// Of sums about pivots makes means and sums of squares about these.
#[multiversion(targets("x86_64+avx2"))]
fn about_means((sums, squares): (&mut [f64], &mut [f64]), pivots: &[f32], each: f64) {
    for ((sum, square), &pivot) in sums.iter_mut().zip(squares).zip(pivots) {
        *square -= *sum * *sum * each;
        *sum = pivot as f64 + *sum * each;
    }
}

/// Deviations of a few rows from the pivots, and their squares. By itself, and without `f64`, which would halve the
/// columns of a vector.
#[multiversion(targets("x86_64+avx2"))]
fn sum_deviations<const N: usize>(
    x: [&[f32]; N],
    pivots: &[f32],
    sums: &mut [f32],
    squares: &mut [f32],
) {
    let columns = pivots.len();
    let x = x.map(|row| &row[..columns]);
    let (sums, squares) = (&mut sums[..columns], &mut squares[..columns]);
    for k in 0..columns {
        // Two chains of roundings, each half as long.
        let mut halves = [(0.0, 0.0); 2];
        for row in 0..N {
            let d = x[row][k] - pivots[k];
            let (sum, square) = &mut halves[row % 2];
            *sum += d;
            *square += d * d;
        }
        let [(sum, square), (other_sum, other_square)] = halves;
        (sums[k], squares[k]) = (sum + other_sum, square + other_square);
    }
}

pub fn moments(shape: Shape, x: &[f32]) -> Vec<Moments> {
    let matrix = Matrix::new(shape);
    let of_block = |block: &Block| PartialMoments::of(x, block);
    let partials = matrix.partials(shape, of_block, |above, below| above.merge(&below));
    matrix.by_channel(partials.iter().flat_map(PartialMoments::columns), Moments::merge)
}

/// Values of whole rows dealt to N streams, and what is left.
fn dealt<const N: usize>(values: &[f32], columns: usize) -> ([&[f32]; N], &[f32]) {
    let each = values.len() / (N * columns) * columns;
    (std::array::from_fn(|stream| &values[stream * each..][..each]), &values[N * each..])
}

fn dealt_mut<const N: usize>(
    mut values: &mut [f32],
    columns: usize,
) -> ([&mut [f32]; N], &mut [f32]) {
    let each = values.len() / (N * columns) * columns;
    (std::array::from_fn(|_| values.split_off_mut(..each).unwrap_or_default()), values)
}

pub fn normalize(shape: Shape, x: &[f32], y: &mut [f32], maps: &Normalize) {
    let matrix = Matrix::new(shape);
    let Normalize { mean, scale, shift } = maps;
    let [mean, scale, shift] = [mean, scale, shift].map(|all| matrix.of_columns(all));
    let maps = Normalize { mean, scale, shift };
    in_parallel(shape, y.chunks_mut(matrix.range()).collect(), |task, y: &mut [f32]| {
        let x = &x[task * matrix.range()..][..y.len()];
        if matrix.columns < PAGE {
            normalize_range::<2>(x, y, &maps);
        } else {
            normalize_range::<4>(x, y, &maps);
        }
    });
}

/// In N streams each of x and y.
fn normalize_range<const N: usize>(x: &[f32], y: &mut [f32], maps: &Normalize) {
    let Normalize { mean, scale, shift } = maps;
    let columns = mean.len();
    let (x, x_rest) = dealt::<N>(x, columns);
    let (mut y, y_rest) = dealt_mut::<N>(y, columns);
    for first in (0..x[0].len()).step_by(columns) {
        let row = first..first + columns;
        let y = y.each_mut().map(|y| &mut y[row.clone()]);
        normalize_rows(x.map(|x| &x[row.clone()]), y, mean, scale, shift);
    }
    for (x, y) in x_rest.chunks(columns).zip(y_rest.chunks_mut(columns)) {
        normalize_rows([x], [y], &mean[..x.len()], &scale[..x.len()], &shift[..x.len()]);
    }
}

/// Rows side by side.
#[multiversion(targets("x86_64+avx2"))]
fn normalize_rows<const N: usize>(
    x: [&[f32]; N],
    y: [&mut [f32]; N],
    mean: &[f32],
    scale: &[f32],
    shift: &[f32],
) {
    let columns = mean.len();
    let (scale, shift) = (&scale[..columns], &shift[..columns]);
    let (x, y) = (x.map(|row| &row[..columns]), y.map(|row| &mut row[..columns]));
    for k in 0..columns {
        for row in 0..N {
            y[row][k] = (x[row][k] - mean[k]) * scale[k] + shift[k];
        }
    }
}

/// Σdy and Σdy·(x − mean) of columns.
struct PartialSums {
    dy: Vec<f64>,
    dy_x: Vec<f64>,
}

impl PartialSums {
    fn of(x: &[f32], dy: &[f32], means: &[f32], block: &Block) -> Self {
        let mut sums = SumsOf::about(&means[block.columns.clone()]);
        if block.stride < PAGE {
            sums.add_block::<2>(x, dy, block);
        } else {
            sums.add_block::<4>(x, dy, block);
        }
        sums.finish()
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

/// The sums of columns for the backward pass, a few rows at a time.
struct SumsOf<'v> {
    means: &'v [f32],
    total: PartialSums,
    /// Rows whose sums are in `f32`: how many, and of each column Σdy and Σdy·(x − mean).
    count: usize,
    run: (Vec<f32>, Vec<f32>),
}

impl<'v> SumsOf<'v> {
    fn about(means: &'v [f32]) -> Self {
        let columns = means.len();
        let total = PartialSums { dy: vec![0.0; columns], dy_x: vec![0.0; columns] };
        Self { means, total, count: 0, run: (vec![0.0; columns], vec![0.0; columns]) }
    }

    /// N streams each of x and dy.
    fn add_block<const N: usize>(&mut self, x: &[f32], dy: &[f32], block: &Block) {
        let (groups, rest) = block.dealt::<N>();
        groups.for_each(|rows| self.add(block.side_by_side(x, rows), block.side_by_side(dy, rows)));
        rest.for_each(|row| self.add([block.row(x, row)], [block.row(dy, row)]));
    }

    fn add<const N: usize>(&mut self, x: [&[f32]; N], dy: [&[f32]; N]) {
        if self.count + N > RUN {
            self.end_run();
        }
        let (sums, products) = &mut self.run;
        add_gradients(x, dy, self.means, sums, products);
        self.count += N;
    }

    fn end_run(&mut self) {
        let (sums, products) = &mut self.run;
        add(&mut self.total.dy, sums);
        add(&mut self.total.dy_x, products);
        sums.fill(0.0);
        products.fill(0.0);
        self.count = 0;
    }

    fn finish(mut self) -> PartialSums {
        self.end_run();
        self.total
    }
}

/// Adds gradients of a few rows, and their products with deviations, likewise.
#[multiversion(targets("x86_64+avx2"))]
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
    let columns = matrix.columns;
    let Differentiate { mean, scale, offset, slope } = maps;
    let [mean, scale, offset, slope] =
        [mean, scale, offset, slope].map(|all| matrix.of_columns(all));
    in_parallel(shape, dx.chunks_mut(matrix.range()).collect(), |task, dx: &mut [f32]| {
        let start = task * matrix.range();
        let (x, dy) = (&x[start..][..dx.len()], &dy[start..][..dx.len()]);
        let (x, x_rest) = dealt::<2>(x, columns);
        let (dy, dy_rest) = dealt::<2>(dy, columns);
        let (mut dx, dx_rest) = dealt_mut::<2>(dx, columns);
        for first in (0..x[0].len()).step_by(columns) {
            let row = first..first + columns;
            let (x, dy) = (x.map(|x| &x[row.clone()]), dy.map(|dy| &dy[row.clone()]));
            let dx = dx.each_mut().map(|dx| &mut dx[row.clone()]);
            differentiate_rows(x, dy, dx, &mean, &scale, &offset, &slope);
        }
        let rest = x_rest.chunks(columns).zip(dy_rest.chunks(columns));
        for ((x, dy), dx) in rest.zip(dx_rest.chunks_mut(columns)) {
            let [mean, scale] = [&mean, &scale].map(|all| &all[..x.len()]);
            let [offset, slope] = [&offset, &slope].map(|all| &all[..x.len()]);
            differentiate_rows([x], [dy], [dx], mean, scale, offset, slope);
        }
    });
}

/// Rows side by side.
#[multiversion(targets("x86_64+avx2"))]
fn differentiate_rows<const N: usize>(
    x: [&[f32]; N],
    dy: [&[f32]; N],
    dx: [&mut [f32]; N],
    mean: &[f32],
    scale: &[f32],
    offset: &[f32],
    slope: &[f32],
) {
    let columns = mean.len();
    let (scale, offset) = (&scale[..columns], &offset[..columns]);
    let slope = &slope[..columns];
    let (x, dy) = (x.map(|row| &row[..columns]), dy.map(|row| &row[..columns]));
    let dx = dx.map(|row| &mut row[..columns]);
    for k in 0..columns {
        for row in 0..N {
            let centered = (dy[row][k] - offset[k]) - (x[row][k] - mean[k]) * slope[k];
            dx[row][k] = scale[k] * centered;
        }
    }
}
