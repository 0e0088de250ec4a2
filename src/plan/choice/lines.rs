//! Lines and runs: the values of a channel in a sample, one after the other.

use super::{Choice, Question};
use crate::Layout;
use crate::plan::rounds::{MAX_ROUNDS, places_of_lines, rounds_of_lines};
use crate::plan::{Access, BLOCK, Mapping, Pass};
use std::ops::RangeInclusive;

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
/// Inner extents from which on lines that end anywhere are shared: pairs of two channels are little of their work. But
/// for gradients through constants, which are from the least on.
const LONG_LINE: u64 = 1_000;
/// Workgroups whose invocations have a run each, at least, where they might as well keep their values.
const FEW_RUNS: u64 = 2;
/// Cores that are as fast, walking over single values, as one is that has a band.
const SCALAR_CORES: u64 = 4;
/// Values of a line, where all are of one channel.
const LINE_OF_ONE: u64 = 1 << 10;

impl Question<'_> {
    pub fn along_lines(&self) -> Option<Choice> {
        let choice = self.line().or_else(|| self.run())?;
        Some(Choice { samples: self.samples, rest: self.rest, ..choice })
    }

    /// As few samples as one as have a multiple of eight channels then.
    pub fn several_samples(&self) -> Option<Self> {
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

    /// A single channel as several samples of a line each.
    pub fn lines_of_line(&self) -> Option<Choice> {
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

    /// Lines of two pairs for each invocation and more; channels enough for most of these to have one, where
    /// moments are wanted; and bands enough to be busy, or, of lines that end anywhere, to be faster than all cores are
    /// with single values. Where gradients through constants are written on the way to their sums, an invocation would
    /// follow three streams of a run.
    fn line(&self) -> Option<Choice> {
        let Self { outer, channels, inner, .. } = *self;
        let side = self.adapter.full_workgroup() as u64;
        let whole = inner.is_multiple_of(4);
        let moments = self.request.pass == Pass::Training;
        let frozen = self.request.pass == Pass::BackwardFrozen && self.request.sums_gradients();
        let cut = inner >= LONG_LINE || frozen;
        let cores = self.adapter.shared_cores();
        let busy = if whole { self.adapter.enough_workgroups() } else { cores / SCALAR_CORES };
        // Of a line that ends anywhere the first pair and the last may be another's as well.
        let shared = if whole { 0 } else { 7 };
        let able = inner >= 16 * side + shared
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
}
