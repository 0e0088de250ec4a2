//! How long an invocation may loop. lavapipe counts the rounds of all loops of an invocation together, and ends each
//! loop for good, without a word, once these are 65,535.

use super::choice::RUN_CHANNELS;
use super::geometry::Geometry;
use super::splits::room_for_partials;
use super::{Adapter, Kernel, Mapping};

/// Rounds over a tensor, of an invocation, at most; those over partial results; and what is left of lavapipe's is for
/// pivots.
pub(super) const MAX_ROUNDS: u64 = 55_000;
const MAX_MERGE_ROUNDS: u64 = 9_000;

/// Partial results of a channel that there may be, if an invocation merges those of `places`, in groups of eight and
/// more.
pub(super) fn most_to_merge(places: u64) -> u64 {
    MAX_MERGE_ROUNDS * 4 / 5 / places.max(1)
}

/// Rounds over a block of a tile's rows, both walks of it.
pub(super) fn rounds_of_tile(columns: u64, invocations: u64) -> u64 {
    3 * (columns.div_ceil(4 * invocations) + 1)
}

/// Rounds over a row of a strip, whose pairs are written out, with those around groups.
pub(super) fn rounds_of_strip() -> u64 {
    2
}

/// The same of both walks over it.
pub(super) fn rounds_of_whole_strip() -> u64 {
    3
}

/// Rounds over the lines of some channels in a sample, which `invocations` share, pair by pair: with those around
/// groups and segments of pairs, and over what of a line is in no round of all.
pub(super) fn rounds_of_lines(channels: u64, inner: u64, invocations: u64) -> u64 {
    channels * (inner.div_ceil(8 * invocations) * 17 / 16 + 6)
}

/// Quads of an invocation in a strip.
pub(super) fn places_of_strip(pairs: u64) -> u64 {
    2 * pairs
}

/// All channels of a band of lines, and those that the invocation records.
pub(super) fn places_of_lines(band: u64, invocations: u64) -> u64 {
    band + band.div_ceil(invocations)
}

impl Geometry {
    /// Partial results of a channel that there may be.
    pub fn most_partials(&self, adapter: &Adapter) -> u64 {
        let room = room_for_partials(adapter, self.shape.channels());
        let workgroup = adapter.full_workgroup() as u64;
        let places = match self.mapping {
            Mapping::Rows | Mapping::Columns => 1,
            Mapping::Tiles => self.group(Kernel::BackwardInput).div_ceil(workgroup),
            Mapping::Strips => places_of_strip(self.pairs),
            Mapping::Lines => places_of_lines(self.group(Kernel::BackwardInput), workgroup),
            Mapping::Runs => self.group(Kernel::BackwardInput),
        };
        let most = if adapter.is_cpu { room.min(most_to_merge(places)) } else { room };
        // The samples that are left over have one.
        most.saturating_sub(self.rest.min(1))
    }

    /// Splits of `units` that leave an invocation few enough rounds.
    pub fn fewest_splits(&self, adapter: &Adapter, kernel: Kernel, units: u64) -> u64 {
        if !adapter.is_cpu {
            return 1;
        }
        units.div_ceil((MAX_ROUNDS / self.rounds_a_unit(adapter, kernel)).max(1))
    }

    /// Rounds over a unit of a split: over both walks of it, where one dispatch may have both, but for strips, which
    /// may only where [`Geometry::can_own`] finds rounds enough.
    pub fn rounds_a_unit(&self, adapter: &Adapter, kernel: Kernel) -> u64 {
        let workgroup = adapter.full_workgroup() as u64;
        let group = self.group(kernel);
        match self.mapping(kernel) {
            Mapping::Rows | Mapping::Columns => 3,
            Mapping::Tiles => rounds_of_tile(group * self.inner, workgroup),
            Mapping::Strips => rounds_of_strip(),
            Mapping::Lines if kernel == Kernel::ForwardMoments => rounds_of_lines(1, self.inner, 2),
            Mapping::Lines => rounds_of_lines(group, self.inner, workgroup),
            Mapping::Runs if kernel == Kernel::BackwardInput => {
                rounds_of_lines(RUN_CHANNELS, self.inner, workgroup)
            }
            Mapping::Runs => rounds_of_lines(group, self.inner, 1),
        }
    }
}
