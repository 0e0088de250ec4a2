//! Which mapping serves a shape on an adapter, and the constants that measurements decided of that.

use super::rounds::{
    MAX_ROUNDS, most_to_merge, places_of_lines, places_of_strip, rounds_of_lines, rounds_of_strip,
    rounds_of_tile,
};
use super::splits::room_for_partials;
use super::{Access, Adapter, BLOCK, MAX_COLUMNS, Mapping, Pass, Request};
use crate::{Layout, Shape};
use std::ops::RangeInclusive;

/// Columns from which on a tile has a quad for each of 8 invocations.
const MIN_TILE_COLUMNS: u64 = 32;
/// `MAX_QUADS` of shaders/tile/map.wgsl: quads of an invocation.
pub(crate) const MAX_QUADS: u64 = 32;
/// Inner extents up to which the rows of a channel are short enough to be columns of a tile: longer ones
/// are streams themselves.
const LONGEST_ROW: u64 = 512;
/// `PAIRS` of shaders/strip/map.wgsl, at most: pairs of quads that an invocation has of a strip's row. What it
/// knows of more columns would not fit the first of the caches.
pub(crate) const MAX_PAIRS: u64 = 32;
/// The same of a tensor of less than [`MANY_PAIRS_FROM`] times `Adapter::tiles_from` elements: twice as many take the
/// compiler three times as long.
const USUAL_PAIRS: u64 = 16;
const MANY_PAIRS_FROM: u64 = 8;
/// Pairs of an invocation that a row's last strip may lack. Each is a branch, and some thirty branches in a row take
/// SwiftShader minutes to compile.
pub(crate) const MAX_MISSING: u64 = 16;
/// Pairs from which on the loop around them is little of the work.
const ENOUGH_PAIRS: u64 = 4;
/// Rows from which on a strip is faster than what else there is, if they are only written; one more, if they are summed
/// first, since so many an invocation of a walk keeps. First pivots are of eight.
const MIN_STRIP_ROWS: u64 = BLOCK;
/// The same of lines of whole quads, which a tile loads whole, too.
const FEWEST_LINES: u64 = 16;
/// Rows that a strip has at least for each partial result that is merged for a column: merging takes as long as
/// half a dozen and more.
pub(super) const ROWS_A_MERGE: u64 = 8;
/// How many times as long walks take that load and store value by value.
const TIMES_BY_VALUE: u64 = 3;
/// Strips are worth compiling for tensors that are so many times smaller, where walks are such.
const SMALLER_BY_VALUE: u64 = 4;
/// Strips and tiles are worth compiling only for tensors that are so many times larger, where a walk takes one dispatch,
/// in which no thread waits for another.
const LARGER_ALONE: u64 = 2;
/// Rows from which on that does not hold of gradients in strips: walks read x and dy twice.
const MANY_ROWS_ALONE: u64 = 64;
/// Rows below which, then, a tile is slower, however many columns there are.
const FEW_ROWS_ALONE: u64 = 2 * BLOCK;
/// What more dispatches take, for rows that are left over, in quarters of a pair of a strip.
const WORK_OF_REST: u64 = 1 << 12;
/// `MAX_CHANNELS` of shaders/line/map.wgsl: channels of a band that invocations go over side by side, at most.
pub(crate) const BAND_CHANNELS: u64 = 32;
/// The same where bands would be too few to be busy, down to.
const FEW_BAND_CHANNELS: u64 = 8;
/// The same of lines that are too long for an invocation to go through more of, down to.
const FEWEST_BAND_CHANNELS: u64 = 2;
/// Invocations that read a line each, or share one.
const LINE_INVOCATIONS: RangeInclusive<u64> = 2..=16;
/// Inner extents up to which the moments of lines are taken in runs: eight streams of one line each end too soon.
const SHORT_LINES: u64 = 400;
/// `MAX_CHANNELS` of shaders/run/map.wgsl: channels of a run at most, one run an invocation.
pub(crate) const MAX_RUN_CHANNELS: u64 = 32;
/// `SHARED_CHANNELS` of shaders/run/map.wgsl: channels of a run that invocations share, and of which others are a
/// multiple.
pub(crate) const RUN_CHANNELS: u64 = 8;
/// Values of a run in a sample at most, but for those of eight channels: what is longer is no better a stream.
const RUN_VALUES: u64 = 1 << 11;
/// Samples of a run that is split, at least: each split finds pivots for itself.
const RUN_SAMPLES: u64 = 32;
/// Least inner extent of runs: lines have a pair of their own.
const MIN_RUN_LINE: u64 = 16;
/// Inner extents from which on lines that end anywhere are shared: the pair at their end, which one invocation has, is
/// little of their work.
const LONG_LINE: u64 = 1_000;
/// Workgroups whose invocations have a run each, at least, where they might as well keep their values.
const FEW_RUNS: u64 = 2;
/// Cores that are as fast, walking over single values, as one is that has a band.
const SCALAR_CORES: u64 = 4;
/// Values of a line, where all are of one channel.
const LINE_OF_ONE: u64 = 1 << 10;
/// Inner extents of less than four pairs: the two at a line's ends are much of it.
const SHORT_LINE: u64 = 32;

/// A row in strips.
struct StripRow {
    /// How many strips.
    strips: u64,
    /// Pairs of an invocation in each.
    pairs: u64,
    /// How many of an invocation's, in the last strip, may be beyond the row.
    missing: u64,
}

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

    fn along_lines(&self) -> Option<Choice> {
        let choice = self.line().or_else(|| self.run())?;
        Some(Choice { samples: self.samples, rest: self.rest, ..choice })
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

    /// As few samples as one as have a multiple of eight channels then.
    fn several_samples(&self) -> Option<Self> {
        let Self { outer, channels, .. } = *self;
        let samples = RUN_CHANNELS >> channels.trailing_zeros().min(RUN_CHANNELS.ilog2());
        let rest = outer % samples;
        (samples > 1 && self.may_leave(rest)).then(|| Self {
            outer: outer / samples,
            channels: channels * samples,
            samples,
            rest,
            ..*self
        })
    }

    /// Columns of which each invocation has as many pairs, or but for the last few: short rows of the tensor, as many
    /// as make a row of whole pairs, or the lines of all channels, where they do.
    fn strip(&self) -> Option<Choice> {
        let Self { outer, channels, inner, .. } = *self;
        if inner == 0 || !self.starts_at(8) {
            return None;
        }
        let row = channels * inner;
        let side = 8 * self.adapter.full_workgroup() as u64;
        // Rows that make one of whole pairs, and one of as many for each invocation.
        let [fewest, even] = [8, side].map(|of| of >> row.trailing_zeros().min(of.ilog2()));
        if inner > 1 && fewest > 1 {
            return None;
        }
        let reduces = !self.request.is_elementwise();
        let fewest_rows = match inner.is_multiple_of(4) {
            true => FEWEST_LINES,
            false => MIN_STRIP_ROWS + reduces as u64,
        };
        let enough = |rows: &u64| row * rows <= self.limit && outer / rows >= fewest_rows;
        // Lines are columns, and more of them no longer rows.
        let most = if inner == 1 { ENOUGH_PAIRS * even } else { 1 };
        let strips = (1..=most / fewest).map(|n| n * fewest).filter(enough).filter_map(|rows| {
            let (length, walks, rest) = (row * rows, outer / rows, outer % rows);
            // Each column leaves a partial result of its own.
            let but_rest = Self { rest, ..*self };
            let StripRow { strips, pairs, missing } = self.strip_row(length, |pairs| {
                let places = places_of_strip(pairs);
                but_rest.can_merge(rows * inner, walks, length, rounds_of_strip(), places)
            })?;
            let merges = self.strip_merges(rows, pairs);
            let worth_it = !reduces || walks >= ROWS_A_MERGE * merges;
            // Short pieces of a row are no better read than by tiles.
            let long = pairs >= ENOUGH_PAIRS || strips == 1;
            // A row in pieces is not in order.
            let slower = if strips == 1 { 4 } else { 5 };
            let work = (walks + ROWS_A_MERGE * merges) * strips * pairs * slower
                + if rest > 0 { WORK_OF_REST } else { 0 };
            let rank = (ENOUGH_PAIRS.saturating_sub(pairs), work, rows);
            let plain = Choice::of(Mapping::Strips, Access::Pairs);
            (worth_it && long)
                .then_some((rank, Choice { rows, pairs, missing, merges, rest, ..plain }))
        });
        // Pairs enough come first only among those that leave as much: a rest for longer rows must be worth its work.
        type Ranked = ((u64, u64, u64), Choice);
        let (whole, uneven): (Vec<Ranked>, Vec<Ranked>) = strips.partition(|(_, s)| s.rest == 0);
        let best = |strips: Vec<Ranked>| strips.into_iter().min_by_key(|&(rank, _)| rank);
        let best = match (best(whole), best(uneven)) {
            (Some(whole), Some(uneven)) if whole.0.1 <= uneven.0.1 => Some(whole),
            (whole, uneven) => uneven.or(whole),
        };
        best.map(|(_, strip)| strip)
    }

    /// A strip of a single channel, if each core can have a split whose columns leave a partial result each. Where
    /// nothing is merged, lines are as fast.
    fn strip_of_line(&self) -> Option<Choice> {
        let cores = self.adapter.even_cores();
        let fits = |strip: &Choice| {
            let walks = self.outer / strip.rows;
            walks * rounds_of_strip() <= cores * MAX_ROUNDS
                && cores * strip.rows <= most_to_merge(places_of_strip(strip.pairs))
        };
        self.strip().filter(fits)
    }

    /// A single channel as several samples of a line each.
    fn lines_of_line(&self) -> Option<Choice> {
        let values = RUN_CHANNELS * LINE_OF_ONE;
        let lines = Self {
            layout: Layout::ChannelsFirst,
            outer: self.outer / values,
            channels: RUN_CHANNELS,
            inner: LINE_OF_ONE,
            samples: RUN_CHANNELS,
            rest: self.outer % values,
            ..*self
        };
        Some(Choice { rows: LINE_OF_ONE, ..lines.along_lines()? })
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

    /// Partial results that an invocation merges for a column in the average: each of the channel's columns has one,
    /// and where its channels repeat, it does so once for all.
    fn strip_merges(&self, rows: u64, pairs: u64) -> u64 {
        let Self { channels, inner, .. } = *self;
        let step = 8 * self.adapter.full_workgroup() as u64;
        let repeats = |n: &u64| inner == 1 && (n * step).is_multiple_of(channels);
        let own = (1..=pairs).find(repeats).unwrap_or(pairs);
        (rows * inner * own).div_ceil(pairs)
    }

    /// A row of `length` columns in as few strips as there can be, equally wide, so that memory is read in order, or in
    /// long stretches of it: an invocation has as many pairs as are allowed and fit. The last strip may lack up to
    /// [`MAX_MISSING`] of an invocation's pairs, but not its first; where it would lack more, there are more strips.
    fn strip_row(&self, length: u64, fits: impl Fn(u64) -> bool) -> Option<StripRow> {
        let side = 8 * self.adapter.full_workgroup() as u64;
        let whole = length.div_ceil(side);
        let many = self.elements() / MANY_PAIRS_FROM >= self.adapter.tiles_from;
        let most = if many { MAX_PAIRS } else { USUAL_PAIRS };
        let of = |most_pairs| {
            let strips = whole.div_ceil(most_pairs);
            let pairs = whole.div_ceil(strips);
            let missing = (strips * pairs * side - length).div_ceil(side);
            StripRow { strips, pairs, missing }
        };
        let able = |s: &StripRow| s.missing < s.pairs && s.missing <= MAX_MISSING && fits(s.pairs);
        (1..=most).rev().map(of).find(able)
    }

    /// Lines of two pairs for each invocation and more; channels enough for most of these to have one, where
    /// moments are wanted; and bands enough to be busy, or, of lines that end anywhere, to be faster than all cores are
    /// with single values. Frozen gradients are written on the way to sums, channel by channel, so lines must not end
    /// in the middle of a pair.
    fn line(&self) -> Option<Choice> {
        let Self { outer, channels, inner, .. } = *self;
        let side = self.adapter.full_workgroup() as u64;
        let frozen = self.request.pass == Pass::BackwardFrozen && self.request.sums_gradients();
        let whole = inner.is_multiple_of(if frozen { 8 } else { 4 });
        let moments = self.request.pass == Pass::Training;
        let cut = !frozen && inner >= LONG_LINE;
        let cores = self.adapter.shared_cores();
        let busy = if whole { self.adapter.enough_workgroups() } else { cores / SCALAR_CORES };
        let able = inner >= 16 * side
            && LINE_INVOCATIONS.contains(&side)
            && (2 * channels > side || self.request.is_elementwise())
            && channels.div_ceil(side) * outer >= busy
            && (channels * inner).is_multiple_of(8)
            && channels * inner <= self.limit
            && rounds_of_lines(1, inner, 2) <= MAX_ROUNDS;
        let access = match inner {
            _ if inner.is_multiple_of(16) => Access::Pairs,
            _ if whole => Access::Halves,
            _ => Access::Cut,
        };
        // Eight lines of x and eight of dy would be more than a core follows at once.
        let sharers = if self.request.sums_gradients() { side } else { 1 };
        if !(able && (whole || cut) && self.starts_at(8)) {
            return None;
        }
        let even = channels.div_ceil(self.adapter.enough_workgroups());
        let mut band = even.next_power_of_two().clamp(FEW_BAND_CHANNELS, BAND_CHANNELS);
        while band > FEWEST_BAND_CHANNELS && rounds_of_lines(band, inner, side) > MAX_ROUNDS {
            band /= 2;
        }
        let rounds = rounds_of_lines(band, inner, side);
        if rounds > MAX_ROUNDS || band % 8 != 0 && access == Access::Cut {
            return None;
        }
        let (length, places) = (channels * inner, places_of_lines(band, side));
        if !self.can_merge(sharers * self.samples, outer, length, rounds, places) {
            return None;
        }
        let line = Choice { sharers, band, ..Choice::of(Mapping::Lines, access) };
        if !moments {
            return Some(line);
        }
        let group = self.run_channels();
        let rounds = rounds_of_lines(group, inner, 1);
        let fits = || self.can_merge(self.samples, outer, length, rounds, places);
        let in_runs = match access {
            // Runs are equally far apart, which lines that end anywhere are not.
            Access::Cut => self.has_runs(),
            _ => inner <= SHORT_LINES && self.runs_fill(),
        };
        let with_runs = Choice { moments: Mapping::Runs, group, ..line };
        Some(if in_runs && fits() { with_runs } else { line })
    }

    /// Whether channels are enough for most invocations to have eight.
    fn runs_fill(&self) -> bool {
        let side = self.adapter.full_workgroup() as u64;
        self.channels.is_multiple_of(RUN_CHANNELS) && 2 * self.channels > RUN_CHANNELS * side
    }

    /// Whether there is a run for each core, which would else walk over single values; or for each of a few
    /// invocations, where these might keep all of a channel's values.
    fn has_runs(&self) -> bool {
        let Self { outer, channels, inner, samples, .. } = *self;
        let side = self.adapter.full_workgroup() as u64;
        let is_short = samples * outer * inner <= 4 * BLOCK * side;
        let few = if is_short { FEW_RUNS * side } else { self.adapter.shared_cores() };
        channels.is_multiple_of(RUN_CHANNELS)
            && channels / RUN_CHANNELS * outer >= few
            && rounds_of_lines(RUN_CHANNELS, inner, 1) <= MAX_ROUNDS
    }

    /// Channels of a run, a multiple of eight: as many as are allowed where what the last run lacks is no more than an
    /// eighth of all channels, there is a run for each invocation of a workgroup, and samples are enough to share out
    /// what is then fewer runs.
    fn run_channels(&self) -> u64 {
        let Self { outer, channels, inner, .. } = *self;
        let side = self.adapter.full_workgroup() as u64;
        let busy = self.adapter.enough_workgroups() * side * RUN_SAMPLES;
        let most = MAX_RUN_CHANNELS.min(RUN_VALUES / inner).min(channels / side);
        let most = most.min(outer * channels / busy);
        let little_is_missing = |n: &u64| 8 * channels.next_multiple_of(*n) <= 9 * channels;
        let mut counts = (1..=most / RUN_CHANNELS).rev().map(|n| n * RUN_CHANNELS);
        counts.find(little_is_missing).unwrap_or(RUN_CHANNELS)
    }

    /// Lines of any length, of which a run has a pair for each invocation, since they share one where dx is written.
    fn run(&self) -> Option<Choice> {
        let Self { channels, inner, .. } = *self;
        let side = self.adapter.full_workgroup() as u64;
        let able = inner >= side.max(MIN_RUN_LINE)
            && self.layout == Layout::ChannelsFirst
            && self.has_runs()
            && channels * inner <= self.limit;
        if !(able && self.starts_at(8)) {
            return None;
        }
        let group = self.run_channels();
        let rounds = rounds_of_lines(group, inner, 1);
        let fits = self.can_merge(self.samples, self.outer, channels * inner, rounds, group);
        fits.then_some(Choice { group, ..Choice::of(Mapping::Runs, Access::Pairs) })
    }

    /// Columns of any number, of whole channels.
    fn tile(&self) -> Option<Choice> {
        let Self { outer, channels, inner, .. } = *self;
        // A tile takes several short rows as one.
        let rows = if inner == 1 { rows_in_one(outer, channels) } else { 1 };
        let group = if rows > 1 { channels } else { tile_group(channels, inner) };
        let line = channels * inner * rows;
        let side = self.adapter.full_workgroup() as u64;
        let narrow = MAX_COLUMNS <= MAX_QUADS * 4 * side;
        let memory = MAX_COLUMNS * 16 <= self.adapter.max_workgroup_memory as u64;
        let able = narrow
            && memory
            && group > 0
            && line >= MIN_TILE_COLUMNS
            && line <= self.limit
            && outer / rows >= BLOCK;
        let fits = || {
            let (rounds, places) =
                (rounds_of_tile(group * inner * rows, side), group.div_ceil(side));
            self.can_merge(1, (outer / rows).div_ceil(BLOCK), line * BLOCK, rounds, places)
        };
        let all_quads = group >= channels || (group * inner).is_multiple_of(4);
        let access = if all_quads { self.access(line) } else { Access::Scalar };
        (able && fits()).then_some(Choice { rows, group, ..Choice::of(Mapping::Tiles, access) })
    }
}

/// How many rows of few channels make one row of a tile: the largest divisor of `rows` that fits,
/// and leaves enough rows to fill blocks.
fn rows_in_one(rows: u64, channels: u64) -> u64 {
    let most = (MAX_COLUMNS / channels).min(rows / BLOCK).max(1);
    (1..=most).rev().find(|&n| rows.is_multiple_of(n)).unwrap_or(1)
}

/// Channels of a tile: as many as its columns hold, in tiles of like size, whose columns start at
/// multiples of four where that is possible. 0 where a channel is too wide.
fn tile_group(channels: u64, inner: u64) -> u64 {
    if inner == 0 || inner > LONGEST_ROW {
        return 0;
    }
    let most = MAX_COLUMNS / inner;
    let even = channels.div_ceil(channels.div_ceil(most));
    // Channels whose columns make whole quads.
    let unit = match inner % 4 {
        0 => 1,
        2 => 2,
        _ => 4,
    };
    let rounded = even.next_multiple_of(unit);
    if rounded <= most { rounded } else { even }
}
