//! Which mapping serves a shape on an adapter, and the constants that measurements decided of that.

mod lines;
mod strips;
mod tiles;

use super::rounds::{MAX_ROUNDS, most_to_merge};
use super::splits::room_for_partials;
use super::{Access, Adapter, BLOCK, Mapping, Pass, Request};
use crate::{Layout, Shape};
pub(crate) use lines::RUN_CHANNELS;
#[cfg(test)]
pub(crate) use lines::{BAND_CHANNELS, MAX_RUN_CHANNELS};
pub(super) use strips::ROWS_A_MERGE;
#[cfg(test)]
pub(crate) use strips::{MAX_MISSING, MAX_PAIRS};
#[cfg(test)]
pub(crate) use tiles::MAX_QUADS;

/// How many times as long walks take that load and store value by value.
const TIMES_BY_VALUE: u64 = 3;
/// Strips are worth compiling for tensors that are so many times smaller, where walks are such.
const SMALLER_BY_VALUE: u64 = 4;
/// Strips and tiles are worth compiling only for tensors that are so many times larger, where no thread of a walk waits
/// for another, either.
const LARGER_ALONE: u64 = 2;
/// Rows from which on that does not hold of gradients in strips: walks read x and dy twice.
const MANY_ROWS_ALONE: u64 = 64;
/// Rows below which, then, a tile is slower, however many columns there are.
const FEW_ROWS_ALONE: u64 = 2 * BLOCK;
/// Inner extents of less than four pairs: the two at a line's ends are much of it.
const SHORT_LINE: u64 = 32;

/// How threads come to the values of a shape.
pub(super) struct Choice {
    pub mapping: Mapping,
    /// Likewise, where moments are all that is wanted.
    pub moments: Mapping,
    pub access: Access,
    /// Short rows of the tensor that are one of a strip or tile; or values of a single channel that are a line.
    pub rows: u64,
    /// Samples that are one of as many times the channels, which repeat, in lines and runs.
    pub samples: u64,
    /// Channels of a tile, or of a run that an invocation has for itself.
    pub group: u64,
    /// Channels of a band of lines that invocations share.
    pub band: u64,
    /// Pairs of quads of an invocation in a strip's row.
    pub pairs: u64,
    /// How many of these, in the last strip, may be beyond the row.
    pub missing: u64,
    /// Partial results of a split that are merged for a column of a strip, in the average.
    pub merges: u64,
    /// Invocations that share a line, and leave a partial result each.
    pub sharers: u64,
    /// Samples at the end that are not enough for another row or sample of these, and are walked over by themselves.
    pub rest: u64,
}

impl Choice {
    /// The choice, and the shape that it is of: the same values of each channel, in the same order of memory.
    pub fn new(adapter: &Adapter, shape: Shape, request: &Request<'_>) -> (Shape, Self) {
        // Weights are by the axes of the shape.
        if shape.channels() == 1 && !request.weighted {
            return Self::of_one_channel(adapter, shape, request);
        }
        let question = Question::new(adapter, shape, request);
        (shape, question.in_order().unwrap_or_else(|| question.by_quad()))
    }

    /// The values of a channel alone are one line, whatever its axes, which may be cut into rows or lines of any
    /// length. What is small keeps the lines that it has.
    fn of_one_channel(adapter: &Adapter, shape: Shape, request: &Request<'_>) -> (Shape, Self) {
        let line = Shape::channels_last(shape.count(), 1);
        let of = |shape| Question::new(adapter, shape, request);
        let in_order = match adapter.is_cpu {
            true if of(line).is_large_for(Mapping::Strips) => {
                of(line).strip_of_line().or_else(|| of(line).lines_of_line()).map(|c| (line, c))
            }
            // Walks along the line are faster than short runs.
            true => {
                let in_lines = of(shape).in_order().filter(|c| c.mapping == Mapping::Lines);
                in_lines.map(|c| (shape, c))
            }
            false => None,
        };
        in_order.unwrap_or_else(|| (line, of(line).by_quad()))
    }

    /// Of samples that another choice leaves over.
    pub fn of_rest(adapter: &Adapter, rest: Shape, request: &Request<'_>) -> Self {
        Question::new(adapter, rest, request).by_quad()
    }

    fn of(mapping: Mapping, access: Access) -> Self {
        Self {
            mapping,
            moments: mapping,
            access,
            rows: 1,
            samples: 1,
            group: 0,
            band: 0,
            pairs: 0,
            missing: 0,
            merges: 1,
            sharers: 1,
            rest: 0,
        }
    }
}

/// What a choice depends on.
struct Question<'a> {
    adapter: &'a Adapter,
    request: &'a Request<'a>,
    layout: Layout,
    /// Extents of the tensor, of which `samples` are one, but for a rest of them.
    outer: u64,
    channels: u64,
    inner: u64,
    samples: u64,
    rest: u64,
    /// Elements that a binding covers.
    limit: u64,
}

impl<'a> Question<'a> {
    fn new(adapter: &'a Adapter, shape: Shape, request: &'a Request<'a>) -> Self {
        Self {
            adapter,
            request,
            layout: shape.layout(),
            outer: shape.outer(),
            channels: shape.channels() as u64,
            inner: shape.inner(),
            samples: 1,
            rest: 0,
            limit: adapter.elements_a_binding(request.element),
        }
    }

    fn elements(&self) -> u64 {
        self.outer * self.channels * self.inner
    }

    /// Whether kernels that take seconds to compile are worth it.
    fn is_large(&self) -> bool {
        self.elements() >= self.adapter.tiles_from
    }

    /// The same of strips, or tiles; instead of walks that are slow already on smaller tensors, or fast on larger ones.
    fn is_large_for(&self, mapping: Mapping) -> bool {
        let Self { outer, channels, inner, .. } = *self;
        let from = self.adapter.tiles_from;
        let line = if channels == 1 { outer } else { channels };
        let one_by_one = inner == 1 && self.access(line) == Access::Scalar;
        // Each thread, of the vectors that there are, has its columns for itself, and walks twice in one dispatch.
        let workgroups = channels / (4 * self.adapter.full_workgroup() as u64);
        let alone = inner == 1
            && !one_by_one
            && !self.request.in_parts
            && workgroups >= 2 * self.adapter.enough_workgroups();
        // Who asks for strips and tiles of all sizes, from 0, gets them.
        let larger = |times| from.saturating_mul(times);
        let from = match (mapping, self.request.pass) {
            (Mapping::Strips, _) if one_by_one => from / SMALLER_BY_VALUE,
            (Mapping::Strips, Pass::Training) if alone => larger(LARGER_ALONE),
            (Mapping::Strips, Pass::Backward) if alone && outer < MANY_ROWS_ALONE => {
                larger(LARGER_ALONE)
            }
            (Mapping::Tiles, Pass::Training | Pass::Backward) if alone => match outer {
                // However many columns.
                0..FEW_ROWS_ALONE => larger(u64::MAX),
                _ => larger(LARGER_ALONE),
            },
            _ => from,
        };
        self.elements() >= from
    }

    /// Whether all tensors start at multiples of `elements`.
    fn starts_at(&self, elements: u64) -> bool {
        let bytes = elements * self.request.element.size();
        self.request.offsets.iter().all(|offset| offset % bytes == 0)
    }

    /// Whole quads as one `vec4`, if every line of memory that a workgroup starts at is a multiple.
    fn access(&self, line: u64) -> Access {
        match line.is_multiple_of(4) && self.starts_at(4) {
            true => Access::Vec4,
            false => Access::Scalar,
        }
    }

    /// Quads of one channel, or of four.
    fn by_quad(&self) -> Choice {
        let Self { outer, channels, inner, .. } = *self;
        if channels == 1 && !self.request.weighted {
            // One line, whatever its axes.
            return Choice {
                rows: outer.max(1),
                ..Choice::of(Mapping::Rows, self.access(outer * inner))
            };
        }
        let row = channels * inner;
        // An elementwise pass may take rows that are no multiple of four as columns, if the
        // whole sample is one: then all its quads are whole. A binding must hold a row of columns, and
        // each must have samples enough that finding four channels' scales is little of the work.
        let whole_quads = self.request.is_elementwise()
            && !self.request.weighted
            && outer >= BLOCK
            && !inner.is_multiple_of(4)
            && row.is_multiple_of(4);
        let columns = (inner == 1 || whole_quads) && row <= self.limit;
        match self.layout == Layout::ChannelsLast || columns {
            true => Choice::of(Mapping::Columns, self.access(row)),
            false => Choice::of(Mapping::Rows, self.access(inner)),
        }
    }

    /// What a software adapter does so that memory streams. Weights are by position, which is not kept
    /// there. The kernels for strips and tiles take so long to compile that only large tensors are worth
    /// it.
    fn in_order(&self) -> Option<Choice> {
        if !self.adapter.is_cpu || self.request.weighted {
            return None;
        }
        let strip = || self.is_large_for(Mapping::Strips).then(|| self.strip()).flatten();
        let tile = || self.is_large_for(Mapping::Tiles).then(|| self.tile()).flatten();
        // Short lines are faster as columns, where they may be.
        if self.inner < SHORT_LINE
            && let Some(swept) = strip().or_else(tile)
        {
            return Some(swept);
        }
        let several = || self.several_samples().and_then(|question| question.along_lines());
        self.along_lines().or_else(strip).or_else(several).or_else(tile)
    }

    /// Whether so many samples may be walked over by themselves. Value by value, and by no more cores than there are
    /// channels, that must not take longer than all samples would that all cores share; and an invocation must have
    /// rounds for it.
    fn may_leave(&self, rest: u64) -> bool {
        let Self { outer, channels, inner, .. } = *self;
        let cores = self.adapter.shared_cores();
        let a_round = 4 * BLOCK * self.adapter.full_workgroup() as u64;
        let is_little = TIMES_BY_VALUE * rest * cores <= outer * channels.min(cores);
        rest == 0 || self.is_large() && is_little && 3 * (rest * inner / a_round) < MAX_ROUNDS
    }

    /// Whether a channel's partial results, `partials` a split, find room, and an invocation rounds to merge those of
    /// `places`. A piece is of as many walks of `length` elements as a binding covers, and has as many splits as an
    /// invocation needs that has `rounds` for a walk. One for each piece is what there is at least; and one is of what
    /// is left over.
    fn can_merge(&self, partials: u64, walks: u64, length: u64, rounds: u64, places: u64) -> bool {
        let a_piece = (self.limit / length.max(1)).clamp(1, walks.max(1));
        let a_turn = partials * a_piece.div_ceil((MAX_ROUNDS / rounds).max(1));
        let all = a_turn * walks.div_ceil(a_piece) + self.rest.min(1);
        let room = room_for_partials(self.adapter, (self.channels / self.samples) as u32);
        all <= most_to_merge(places) && (all <= room || a_turn == 1)
            || self.request.is_elementwise()
    }
}
