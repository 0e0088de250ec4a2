//! Channels first: a channel's values are *segments*, `inner` neighbours in each sample.

use super::accumulate::{Moments, MomentsOf, Sums, SumsOf};
use super::maps::{Affine, InputGradient};
use super::{NORMALIZED, Saved, TASKS, TURN, in_parallel, threads};
use crate::Shape;
use multiversion::multiversion;
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

/// Elements of each of the equal ranges that a tensor is cut into, whatever they cut through.
fn range(shape: Shape) -> usize {
    (shape.elements() as usize).div_ceil(TASKS).max(1)
}

/// What of a segment is in some elements in a row, or of it as much as is taken at a time.
struct Span {
    /// Counted from the first channel of the band, or from 0.
    channel: usize,
    values: Range<usize>,
    /// The same counted from the first element of what is written.
    written: Range<usize>,
}

/// The spans of some elements in a row, one after the other.
struct Spans {
    channels: usize,
    inner: usize,
    /// Of a span at most.
    most: usize,
    /// The first element of what is written.
    origin: usize,
    end: usize,
    /// The next.
    first: usize,
    channel: usize,
    /// Where the next starts in its segment.
    into: usize,
}

impl Spans {
    /// Of elements that start and end anywhere.
    fn of_range(shape: Shape, elements: Range<usize>) -> Self {
        let (channels, inner) = (shape.channels() as usize, shape.inner() as usize);
        let Range { start, end } = elements;
        let (channel, into) = (start / inner % channels, start % inner);
        Self { channels, inner, most: inner, origin: start, end, first: start, channel, into }
    }

    /// Of some channels in a sample, counted from the first of these.
    fn of_band(shape: Shape, channels: &Range<usize>, sample: usize) -> Self {
        let (all, inner) = (shape.channels() as usize, shape.inner() as usize);
        let [first, end] =
            [channels.start, channels.end].map(|channel| (sample * all + channel) * inner);
        let (channels, channel, into) = (channels.len(), 0, 0);
        Self { channels, inner, most: inner, origin: first, end, first, channel, into }
    }

    /// Of a range that is dealt to streams, which take turns.
    fn of_streams(shape: Shape, elements: Range<usize>) -> [Self; NORMALIZED] {
        let each = elements.len().div_ceil(NORMALIZED);
        std::array::from_fn(|stream| {
            let [first, end] =
                [stream, stream + 1].map(|k| elements.end.min(elements.start + k * each));
            Self { most: TURN, origin: elements.start, ..Self::of_range(shape, first..end) }
        })
    }
}

impl Iterator for Spans {
    type Item = Span;

    #[inline(always)]
    fn next(&mut self) -> Option<Span> {
        let (channel, first) = (self.channel, self.first);
        let count = (self.inner - self.into).min(self.most).min(self.end - first);
        self.first += count;
        self.into += count;
        if self.into == self.inner {
            self.into = 0;
            self.channel = if channel + 1 == self.channels { 0 } else { channel + 1 };
        }
        let (values, start) = (first..first + count, first - self.origin);
        (count > 0).then_some(Span { channel, values, written: start..start + count })
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn add_values(channels: &mut [MomentsOf], spans: Spans, x: &[f32]) {
    for Span { channel, values, .. } in spans {
        channels[channel].add(&x[values]);
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn write_y(maps: &[Affine], spans: Spans, x: &[f32], y: &mut [f32]) {
    for Span { channel, values, written } in spans {
        maps[channel].apply(&x[values], &mut y[written]);
    }
}

/// The same of streams of about the same length, which take turns until one has none left.
#[multiversion(targets("x86_64+avx2"))]
fn write_y_in_turns(maps: &[Affine], mut streams: [Spans; NORMALIZED], x: &[f32], y: &mut [f32]) {
    'turns: loop {
        for spans in &mut streams {
            let Some(Span { channel, values, written }) = spans.next() else { break 'turns };
            maps[channel].apply(&x[values], &mut y[written]);
        }
    }
    for spans in streams {
        for Span { channel, values, written } in spans {
            maps[channel].apply(&x[values], &mut y[written]);
        }
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn add_gradients(channels: &mut [SumsOf], spans: Spans, x: &[f32], dy: &[f32]) {
    for Span { channel, values, .. } in spans {
        channels[channel].add(&x[values.clone()], &dy[values]);
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn write_dx(maps: &[InputGradient], spans: Spans, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    for Span { channel, values, written } in spans {
        maps[channel].apply(&x[values.clone()], &dy[values], &mut dx[written]);
    }
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
            let end = x.len().min(start + range(shape));
            add_values(&mut moments, Spans::of_range(shape, start..end), x);
            moments.into_iter().map(MomentsOf::finish).collect::<Vec<_>>()
        });
        let merge = |c| partials.iter().fold(Moments::default(), |all, part| all.merge(part[c]));
        let moments: Vec<Moments> = (0..channels).map(merge).collect();
        let maps: Vec<_> = (0..channels).map(|c| map(c, &moments[c])).collect();
        normalize(shape, x, y, &maps);
        return moments;
    }
    let moments = in_parallel(shape, bands(shape, y), |_, Band { channels, out }| {
        let spans = |sample| Spans::of_band(shape, &channels, sample);
        let mut moments = vec![MomentsOf::default(); channels.len()];
        for sample in 0..out.len() {
            add_values(&mut moments, spans(sample), x);
        }
        let moments: Vec<_> = moments.into_iter().map(MomentsOf::finish).collect();
        let maps: Vec<_> = channels.clone().zip(&moments).map(|(c, m)| map(c, m)).collect();
        for (sample, y) in out.into_iter().enumerate() {
            write_y(&maps, spans(sample), x, y);
        }
        moments
    });
    moments.concat()
}

pub fn normalize(shape: Shape, x: &[f32], y: &mut [f32], maps: &[Affine]) {
    let ranges = y.chunks_mut(range(shape)).collect();
    in_parallel(shape, ranges, |task, y: &mut [f32]| {
        let start = task * range(shape);
        let elements = start..start + y.len();
        // Lines that are shorter than a turn are not worth it.
        if shape.inner() < TURN as u64 {
            write_y(maps, Spans::of_range(shape, elements), x, y);
        } else {
            write_y_in_turns(maps, Spans::of_streams(shape, elements), x, y);
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
    let around = |c| SumsOf::around(saved.center(c));
    if channels < MANY {
        let starts = (0..x.len()).step_by(range(shape)).collect();
        let partials = in_parallel(shape, starts, |_, start: usize| {
            let mut sums: Vec<_> = (0..channels).map(around).collect();
            let end = x.len().min(start + range(shape));
            add_gradients(&mut sums, Spans::of_range(shape, start..end), x, dy);
            sums.into_iter().map(SumsOf::finish).collect::<Vec<_>>()
        });
        let add = |c| partials.iter().fold(Sums::default(), |all, part| all.add(part[c]));
        let sums: Vec<Sums> = (0..channels).map(add).collect();
        let maps: Vec<_> = (0..channels).map(|c| map(c, &sums[c])).collect();
        let ranges = dx.chunks_mut(range(shape)).collect();
        in_parallel(shape, ranges, |task, dx: &mut [f32]| {
            let start = task * range(shape);
            write_dx(&maps, Spans::of_range(shape, start..start + dx.len()), x, dy, dx);
        });
        return sums;
    }
    let sums = in_parallel(shape, bands(shape, dx), |_, Band { channels, out }| {
        let spans = |sample| Spans::of_band(shape, &channels, sample);
        let mut sums: Vec<_> = channels.clone().map(around).collect();
        for sample in 0..out.len() {
            add_gradients(&mut sums, spans(sample), x, dy);
        }
        let sums: Vec<_> = sums.into_iter().map(SumsOf::finish).collect();
        let maps: Vec<_> = channels.clone().zip(&sums).map(|(c, s)| map(c, s)).collect();
        for (sample, dx) in out.into_iter().enumerate() {
            write_dx(&maps, spans(sample), x, dy, dx);
        }
        sums
    });
    sums.concat()
}
