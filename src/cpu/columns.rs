//! Channels last, or an inner extent of 1 at most: a matrix, whose columns are the channels, or these a few times. What
//! takes the time is how memory is read. Rows are dealt to a few *streams*, each of which has some that are neighbours:
//! several are fetched ahead as well as one. Of sums one row of each is taken at a time, so that they stay in registers,
//! and what is known of a column is loaded once for all. Neighbouring rows, of less than a page, side by side would be
//! one stream, out of order (`docs/cpu.md` of the repository has the figures).

mod moments;
mod sums;
#[cfg(test)]
mod tests;
mod write;

use super::accumulate::LANES;
use super::{TASKS, both, in_parallel};
use crate::Shape;
use multiversion::multiversion;
use std::ops::Range;

pub use moments::moments;
pub use sums::sums;
pub use write::{differentiate, normalize};

/// Columns of a block, at most: what is kept of each stays in the nearer caches.
const WIDTH: usize = 1024;
/// Rows of a block, at least: each has a pivot to find, and leaves results to join.
const HEIGHT: usize = 128;
/// Columns of a row: of fewer channels it is several positions, where these are enough. From so many channels on it
/// hardly matters that a few are no whole vector.
const NARROW: usize = 256;
/// Streams that a block's rows are dealt to, at most; they are a multiple of that.
const STREAMS: usize = 8;
/// Rows that are several positions are so many at least: columns of the same channel have to be joined.
const SHORT: usize = 16;

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
        // As few positions as fill whole vectors, and those as often as columns are too few; or, where these would be
        // too many, or positions are few, as many as may be.
        let vectors = LANES >> channels.trailing_zeros().min(LANES.ilog2());
        let whole = if vectors * channels <= WIDTH { vectors } else { 1 };
        let enough = whole * NARROW.div_ceil(whole * channels);
        let most = positions / SHORT / whole * whole;
        let repeats = if channels < NARROW { enough.min(most).max(1) } else { 1 };
        let rest = positions % repeats * channels;
        Self { channels, columns: channels * repeats, rows: positions / repeats, rest }
    }

    /// Pieces of about the same width, each in blocks from the first row to the last; then what is no whole row.
    fn pieces(&self) -> Vec<Vec<Block>> {
        let beside = self.columns.div_ceil(WIDTH);
        let width = self.columns.div_ceil(beside).next_multiple_of(LANES);
        let height =
            self.rows.div_ceil(TASKS.div_ceil(beside)).next_multiple_of(STREAMS).max(HEIGHT);
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
