//! y and dx. Streams take turns of a few values each: what is known of their columns is still in the nearest cache when
//! it is the next one's.

use super::Matrix;
use crate::Shape;
use crate::cpu::maps::{Differentiate, Normalize};
use crate::cpu::{NORMALIZED, TURN, in_parallel};
use multiversion::multiversion;

/// Streams each of x, dy and dx.
const DIFFERENTIATED: usize = 2;

/// Neighbouring values of a row.
pub(super) struct Turn {
    pub value: usize,
    pub column: usize,
    pub count: usize,
}

/// The turns of streams that are equally long, one after the other in memory.
pub(super) struct Turns {
    columns: usize,
    start: usize,
    streams: usize,
    each: usize,
    /// The next: whose it is, and where it starts in each stream, and in a row.
    stream: usize,
    at: usize,
    column: usize,
}

impl Turns {
    fn new(columns: usize, start: usize, streams: usize, each: usize) -> Self {
        Self { columns, start, streams, each, stream: 0, at: 0, column: 0 }
    }

    /// Of so many streams of whole rows, and of what is left, in order.
    pub fn over(values: usize, columns: usize, streams: usize) -> [Self; 2] {
        let each = values / (streams * columns) * columns;
        let left = streams * each;
        [Self::new(columns, 0, streams, each), Self::new(columns, left, 1, values - left)]
    }
}

impl Iterator for Turns {
    type Item = Turn;

    #[inline(always)]
    fn next(&mut self) -> Option<Turn> {
        let Self { columns, start, streams, each, stream, at, column } = *self;
        let value = start + stream * each + at;
        let count = TURN.min(columns - column).min(each - at);
        self.stream += 1;
        if self.stream == streams {
            let next = column + count;
            self.stream = 0;
            self.at += count;
            self.column = if next == columns { 0 } else { next };
        }
        (count > 0).then_some(Turn { value, column, count })
    }
}

pub fn normalize(shape: Shape, x: &[f32], y: &mut [f32], maps: &Normalize) {
    let matrix = Matrix::new(shape);
    let Normalize { mean, scale, shift } = maps;
    let [mean, scale, shift] = [mean, scale, shift].map(|all| matrix.of_columns(all));
    in_parallel(shape, y.chunks_mut(matrix.range()).collect(), |task, y: &mut [f32]| {
        let x = &x[task * matrix.range()..][..y.len()];
        normalize_range(x, y, &mean, &scale, &shift);
    });
}

#[multiversion(targets("x86_64+avx2"))]
pub(super) fn normalize_range(
    x: &[f32],
    y: &mut [f32],
    mean: &[f32],
    scale: &[f32],
    shift: &[f32],
) {
    for turns in Turns::over(y.len(), mean.len(), NORMALIZED) {
        for Turn { value, column, count } in turns {
            let (x, y) = (&x[value..][..count], &mut y[value..][..count]);
            let mean = &mean[column..][..count];
            let (scale, shift) = (&scale[column..][..count], &shift[column..][..count]);
            for k in 0..count {
                y[k] = (x[k] - mean[k]) * scale[k] + shift[k];
            }
        }
    }
}

pub fn differentiate(shape: Shape, x: &[f32], dy: &[f32], dx: &mut [f32], maps: &Differentiate) {
    let matrix = Matrix::new(shape);
    let Differentiate { mean, scale, offset, slope } = maps;
    let [mean, scale, offset, slope] =
        [mean, scale, offset, slope].map(|all| matrix.of_columns(all));
    in_parallel(shape, dx.chunks_mut(matrix.range()).collect(), |task, dx: &mut [f32]| {
        let start = task * matrix.range();
        let (x, dy) = (&x[start..][..dx.len()], &dy[start..][..dx.len()]);
        differentiate_range(x, dy, dx, &mean, &scale, &offset, &slope);
    });
}

#[multiversion(targets("x86_64+avx2"))]
pub(super) fn differentiate_range(
    x: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    mean: &[f32],
    scale: &[f32],
    offset: &[f32],
    slope: &[f32],
) {
    for turns in Turns::over(dx.len(), mean.len(), DIFFERENTIATED) {
        for Turn { value, column, count } in turns {
            let (x, dy) = (&x[value..][..count], &dy[value..][..count]);
            let dx = &mut dx[value..][..count];
            let (mean, scale) = (&mean[column..][..count], &scale[column..][..count]);
            let (offset, slope) = (&offset[column..][..count], &slope[column..][..count]);
            for k in 0..count {
                dx[k] = scale[k] * ((dy[k] - offset[k]) - (x[k] - mean[k]) * slope[k]);
            }
        }
    }
}
