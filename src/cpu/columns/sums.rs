//! Σdy and Σdy·(x − mean) of each column.

use super::{Block, Matrix, add};
use crate::Shape;
use crate::cpu::Saved;
use crate::cpu::accumulate::Sums;
use multiversion::multiversion;

/// Rows that are summed in `f32` before the sums move on to `f64`.
const RUN: usize = 8;
/// From so many columns on, a page, four streams of x and of dy are better than two.
const PAGE: usize = 1024;

/// Σdy and Σdy·(x − mean) of columns.
struct PartialSums {
    dy: Vec<f64>,
    dy_x: Vec<f64>,
}

impl PartialSums {
    fn of(x: &[f32], dy: &[f32], means: &[f32], block: &Block) -> Self {
        let mut sums = SumsOfColumns::about(&means[block.columns.clone()]);
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
struct SumsOfColumns<'v> {
    means: &'v [f32],
    total: PartialSums,
    /// Rows whose sums are in `f32`: how many, and of each column Σdy and Σdy·(x − mean).
    count: usize,
    run: (Vec<f32>, Vec<f32>),
}

impl<'v> SumsOfColumns<'v> {
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

/// Adds gradients of a few rows, and their products with deviations from the means.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn add_gradients<const N: usize>(
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
