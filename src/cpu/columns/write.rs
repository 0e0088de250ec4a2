//! y and dx, row by row.

use super::{Matrix, PAGE};
use crate::Shape;
use crate::cpu::in_parallel;
use crate::cpu::maps::{Differentiate, Normalize};
use multiversion::multiversion;

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
