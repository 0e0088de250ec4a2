//! Count, mean and Σ(x − mean)² of each column.

use super::{Block, Matrix, STREAMS, add};
use crate::Shape;
use crate::cpu::accumulate::Moments;
use multiversion::multiversion;
use std::ops::Range;

/// Rows that are summed about the same pivot.
const ROWS_A_PIVOT: usize = 256;

/// Count, mean and Σ(x − mean)² of columns. A row of each stream is in a sum in `f32`, which then moves on to `f64`.
struct PartialMoments {
    count: f64,
    means: Vec<f64>,
    m2s: Vec<f64>,
}

impl PartialMoments {
    fn of(x: &[f32], block: &Block) -> Self {
        let (groups, rest) = block.dealt::<STREAMS>();
        // The first pivot is the mean of a few rows from all over the block.
        let mut few = MomentsOfColumns::about(block.row(x, block.rows.start).to_vec());
        few.add(block.side_by_side(x, scattered(&block.rows)));
        let mut moments = MomentsOfColumns::about(few.finish().pivots());
        groups.for_each(|rows| moments.add(block.side_by_side(x, rows)));
        rest.for_each(|row| moments.add([block.row(x, row)]));
        moments.finish()
    }

    /// The means, rounded.
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

/// Rows at distances that are no multiple of an image's width, whatever that is: of eight equal parts of the block, one
/// each, by the golden ratio. Of few rows some may be the same.
fn scattered(rows: &Range<usize>) -> [usize; STREAMS] {
    let into = |part: usize| part as f64 + (part as f64 * 0.618034).fract();
    std::array::from_fn(|part| rows.start + (into(part) * rows.len() as f64) as usize / STREAMS)
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
struct MomentsOfColumns {
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

impl MomentsOfColumns {
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

/// Deviations of a few rows from the pivots, and their squares. Without `f64`, which would halve the columns of a vector.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn sum_deviations<const N: usize>(
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
