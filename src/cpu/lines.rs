//! Channels first: a channel's values are *segments*, `inner` neighbours in each sample.

use super::accumulate::{Moments, MomentsOf, Sums, SumsOf};
use super::maps::{Affine, Differentiate, InputGradient, Normalize};
use super::{Saved, TASKS, in_parallel};
use crate::Shape;

/// From so many channels on, a task takes some of them whole, and finds their values in its caches
/// when it goes over them again. Of fewer, a task takes a part of all.
const MANY: usize = TASKS / 2;

/// Channels of a task, side by side.
fn width(shape: Shape) -> usize {
    (shape.channels() as usize).div_ceil(TASKS)
}

fn segments(shape: Shape, values: &[f32], c: usize) -> impl Iterator<Item = &[f32]> {
    let inner = shape.inner() as usize;
    values.chunks_exact(inner).skip(c).step_by(shape.channels() as usize)
}

/// For each task, in each sample its channels' values, to write.
fn by_task(shape: Shape, values: &mut [f32]) -> Vec<Vec<&mut [f32]>> {
    let (channels, inner) = (shape.channels() as usize, shape.inner() as usize);
    let tasks = channels.div_ceil(width(shape));
    let mut all: Vec<_> = (0..tasks).map(|_| Vec::with_capacity(shape.outer() as usize)).collect();
    for sample in values.chunks_exact_mut(channels * inner) {
        for (task, values) in all.iter_mut().zip(sample.chunks_mut(width(shape) * inner)) {
            task.push(values);
        }
    }
    all
}

/// Elements of each of the equal ranges that a tensor is cut into, whatever they cut through.
fn range(shape: Shape) -> usize {
    (shape.elements() as usize).div_ceil(TASKS).max(1)
}

/// The segments, or what of them is there, in `length` elements from `start`: channel and extent.
fn parts(shape: Shape, start: usize, length: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let (channels, inner) = (shape.channels() as usize, shape.inner() as usize);
    let (mut at, mut c, mut into) = (start, start / inner % channels, start % inner);
    std::iter::from_fn(move || {
        let taken = (start + length - at).min(inner - into);
        let part = (taken > 0).then_some((c, at, at + taken));
        (at, into) = (at + taken, into + taken);
        if into == inner {
            (c, into) = ((c + 1) % channels, 0);
        }
        part
    })
}

/// Statistics of all channels, and y by what `map` makes of them.
pub fn training(
    shape: Shape,
    x: &[f32],
    y: &mut [f32],
    map: impl Fn(usize, &Moments) -> Affine + Sync,
) -> Vec<Moments> {
    let channels = shape.channels() as usize;
    if channels < MANY {
        let starts = (0..x.len()).step_by(range(shape)).collect();
        let partials = in_parallel(shape, starts, |_, start: usize| {
            let mut moments = vec![MomentsOf::default(); channels];
            for (c, first, end) in parts(shape, start, range(shape).min(x.len() - start)) {
                moments[c].add(&x[first..end]);
            }
            moments.into_iter().map(MomentsOf::finish).collect::<Vec<_>>()
        });
        let merge = |c| partials.iter().fold(Moments::default(), |all, part| all.merge(part[c]));
        let moments: Vec<Moments> = (0..channels).map(merge).collect();
        normalize(shape, x, y, &Normalize::new((0..channels).map(|c| map(c, &moments[c]))));
        return moments;
    }
    let of_channel = |c| {
        let mut moments = MomentsOf::default();
        segments(shape, x, c).for_each(|segment| moments.add(segment));
        moments.finish()
    };
    let (inner, stride) = (shape.inner() as usize, channels * shape.inner() as usize);
    let moments = in_parallel(shape, by_task(shape, y), |task, samples: Vec<&mut [f32]>| {
        let first = task * width(shape);
        let moments: Vec<Moments> =
            (first..channels.min(first + width(shape))).map(of_channel).collect();
        let maps: Vec<Affine> =
            moments.iter().enumerate().map(|(k, m)| map(first + k, m)).collect();
        for (sample, y) in samples.into_iter().enumerate() {
            let x = &x[sample * stride + first * inner..];
            let segments = x.chunks_exact(inner).zip(y.chunks_exact_mut(inner));
            segments.zip(&maps).for_each(|((x, y), map)| map.apply(x, y));
        }
        moments
    });
    moments.concat()
}

pub fn normalize(shape: Shape, x: &[f32], y: &mut [f32], maps: &Normalize) {
    let ranges = y.chunks_mut(range(shape)).collect();
    in_parallel(shape, ranges, |task, y: &mut [f32]| {
        let start = task * range(shape);
        for (c, first, end) in parts(shape, start, y.len()) {
            maps.of(c).apply(&x[first..end], &mut y[first - start..end - start]);
        }
    });
}

/// Sums of all channels, and dx by what `map` makes of them.
pub fn backward(
    shape: Shape,
    x: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    saved: &Saved,
    map: impl Fn(usize, &Sums) -> InputGradient + Sync,
) -> Vec<Sums> {
    let channels = shape.channels() as usize;
    if channels < MANY {
        let starts = (0..x.len()).step_by(range(shape)).collect();
        let partials = in_parallel(shape, starts, |_, start: usize| {
            let mut sums: Vec<SumsOf> =
                (0..channels).map(|c| SumsOf::around(saved.center(c))).collect();
            for (c, first, end) in parts(shape, start, range(shape).min(x.len() - start)) {
                sums[c].add(&x[first..end], &dy[first..end]);
            }
            sums.into_iter().map(SumsOf::finish).collect::<Vec<_>>()
        });
        let add = |c| partials.iter().fold(Sums::default(), |all, part| all.add(part[c]));
        let sums: Vec<Sums> = (0..channels).map(add).collect();
        let maps = Differentiate::new((0..channels).map(|c| map(c, &sums[c])));
        let ranges = dx.chunks_mut(range(shape)).collect();
        in_parallel(shape, ranges, |task, dx: &mut [f32]| {
            let start = task * range(shape);
            for (c, first, end) in parts(shape, start, dx.len()) {
                let dx = &mut dx[first - start..end - start];
                maps.of(c).apply(&x[first..end], &dy[first..end], dx);
            }
        });
        return sums;
    }
    let of_channel = |c| {
        let mut sums = SumsOf::around(saved.center(c));
        let both = segments(shape, x, c).zip(segments(shape, dy, c));
        both.for_each(|(x, dy)| sums.add(x, dy));
        sums.finish()
    };
    let (inner, stride) = (shape.inner() as usize, channels * shape.inner() as usize);
    let sums = in_parallel(shape, by_task(shape, dx), |task, samples: Vec<&mut [f32]>| {
        let first = task * width(shape);
        let sums: Vec<Sums> = (first..channels.min(first + width(shape))).map(of_channel).collect();
        let maps: Vec<InputGradient> =
            sums.iter().enumerate().map(|(k, s)| map(first + k, s)).collect();
        for (sample, dx) in samples.into_iter().enumerate() {
            let at = sample * stride + first * inner;
            let inputs = x[at..].chunks_exact(inner).zip(dy[at..].chunks_exact(inner));
            let segments = inputs.zip(dx.chunks_exact_mut(inner)).zip(&maps);
            segments.for_each(|(((x, dy), dx), map)| map.apply(x, dy, dx));
        }
        sums
    });
    sums.concat()
}
