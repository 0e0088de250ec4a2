//! Channels first: a channel's values are *segments*, `inner` neighbours in each sample.

use super::accumulate::{Moments, MomentsOf, Sums, SumsOf};
use super::maps::{Affine, Differentiate, InputGradient, Normalize};
use super::{Saved, TASKS, in_parallel, threads};
use crate::Shape;
use std::ops::Range;

/// From so many channels on, a task takes a band of them whole, and mostly finds their values in its caches
/// when it goes over them again. Of fewer, a task takes a part of all.
const MANY: usize = TASKS / 2;

/// Values of a band in a sample, about: a stream that is worth its start.
const BAND: usize = 12_288;
/// Bands for each thread, if channels are enough.
const A_THREAD: usize = 4;

/// Channels side by side, and what is to be written of them in each sample.
struct Band<'v> {
    channels: Range<usize>,
    out: Vec<&'v mut [f32]>,
}

/// How wide they are changes no sum: each is one task's, sample after sample.
fn bands(shape: Shape, out: &mut [f32]) -> Vec<Band<'_>> {
    let (channels, inner) = (shape.channels() as usize, shape.inner() as usize);
    let most = channels.div_ceil(A_THREAD * threads(shape));
    let width = BAND.div_ceil(inner).min(most);
    let band = |first| Band {
        channels: first..channels.min(first + width),
        out: Vec::with_capacity(shape.outer() as usize),
    };
    let mut all: Vec<_> = (0..channels).step_by(width).map(band).collect();
    for sample in out.chunks_exact_mut(channels * inner) {
        for (band, out) in all.iter_mut().zip(sample.chunks_mut(width * inner)) {
            band.out.push(out);
        }
    }
    all
}

/// The segments of a few channels in a sample.
fn segments<'v>(
    shape: Shape,
    channels: &Range<usize>,
    values: &'v [f32],
    sample: usize,
) -> std::slice::ChunksExact<'v, f32> {
    let (all, inner) = (shape.channels() as usize, shape.inner() as usize);
    let [start, end] =
        [channels.start, channels.end].map(|channel| (sample * all + channel) * inner);
    values[start..end].chunks_exact(inner)
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
    let inner = shape.inner() as usize;
    let moments = in_parallel(shape, bands(shape, y), |_, Band { channels, out }| {
        let x = |sample| segments(shape, &channels, x, sample);
        let mut moments = vec![MomentsOf::default(); channels.len()];
        for sample in 0..out.len() {
            x(sample).zip(&mut moments).for_each(|(x, moments)| moments.add(x));
        }
        let moments: Vec<_> = moments.into_iter().map(MomentsOf::finish).collect();
        let maps: Vec<_> = channels.clone().zip(&moments).map(|(c, m)| map(c, m)).collect();
        for (sample, y) in out.into_iter().enumerate() {
            let segments = x(sample).zip(y.chunks_exact_mut(inner));
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
    let inner = shape.inner() as usize;
    let sums = in_parallel(shape, bands(shape, dx), |_, Band { channels, out }| {
        let of = |values, sample| segments(shape, &channels, values, sample);
        let both = |sample| of(x, sample).zip(of(dy, sample));
        let around = |c| SumsOf::around(saved.center(c));
        let mut sums: Vec<_> = channels.clone().map(around).collect();
        for sample in 0..out.len() {
            both(sample).zip(&mut sums).for_each(|((x, dy), sums)| sums.add(x, dy));
        }
        let sums: Vec<_> = sums.into_iter().map(SumsOf::finish).collect();
        let maps: Vec<_> = channels.clone().zip(&sums).map(|(c, s)| map(c, s)).collect();
        for (sample, dx) in out.into_iter().enumerate() {
            let segments = both(sample).zip(dx.chunks_exact_mut(inner)).zip(&maps);
            segments.for_each(|(((x, dy), dx), map)| map.apply(x, dy, dx));
        }
        sums
    });
    sums.concat()
}
