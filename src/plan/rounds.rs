//! How long an invocation may loop. lavapipe counts the rounds of all loops of an invocation together, and ends each
//! loop for good, without a word, once these are 65,535.

use super::choice::RUN_CHANNELS;
use super::geometry::Geometry;
use super::{Adapter, Kernel, Mapping};

/// Rounds over a tensor, of an invocation, at most. What is left of lavapipe's is for partial results and pivots, of
/// which scratch memory has no room for many.
pub(super) const MAX_ROUNDS: u64 = 55_000;

/// Rounds over the lines of some channels in a sample, which `invocations` share, pair by pair: with those around
/// groups and segments of pairs, and at both ends of a line.
pub(super) fn rounds_of_lines(channels: u64, inner: u64, invocations: u64) -> u64 {
    channels * (inner.div_ceil(8 * invocations) * 17 / 16 + 6)
}

impl Geometry {
    /// Splits of `units` that leave an invocation few enough rounds.
    pub fn fewest_splits(&self, adapter: &Adapter, kernel: Kernel, units: u64) -> u64 {
        if !adapter.is_cpu {
            return 1;
        }
        units.div_ceil((MAX_ROUNDS / self.rounds_a_unit(adapter, kernel)).max(1))
    }

    /// Rounds over a unit of a split: over both walks of it, where one dispatch may have both.
    pub fn rounds_a_unit(&self, adapter: &Adapter, kernel: Kernel) -> u64 {
        let workgroup = adapter.full_workgroup() as u64;
        let group = self.group(kernel);
        match self.mapping(kernel) {
            Mapping::Rows | Mapping::Columns => 3,
            Mapping::Tiles => 3 * ((group * self.inner).div_ceil(4 * workgroup) + 1),
            Mapping::Strips => 2,
            Mapping::Lines if kernel == Kernel::ForwardMoments => rounds_of_lines(1, self.inner, 2),
            Mapping::Lines => rounds_of_lines(group, self.inner, workgroup),
            Mapping::Runs if kernel == Kernel::BackwardInput => {
                rounds_of_lines(RUN_CHANNELS, self.inner, workgroup)
            }
            Mapping::Runs => rounds_of_lines(group, self.inner, 1),
        }
    }
}
