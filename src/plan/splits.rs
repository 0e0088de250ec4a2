//! Over how many workgroups a channel is split. The constants that measurements decided of that are here.

use super::choice::ROWS_A_MERGE;
use super::geometry::{Geometry, Runs};
use super::{Adapter, Kernel, Mapping, PARTIAL_ROWS, row_stride};

/// Most partials of a channel.
const MAX_SLOTS: u64 = 512;
/// Bytes that partials may take in all.
const MAX_PARTIAL_BYTES: u64 = 1 << 20;
/// Values of a channel in a split of a band, at least: merging a partial is as much work as 800.
const MIN_LINE_SPLIT: u64 = 1 << 13;
/// Likewise, where every value is for itself: each invocation finds the scales of a whole band.
const MIN_WRITE_SPLIT: u64 = 1 << 11;
/// The same as the first, in runs, where workgroups are not enough to be busy: each split finds a pivot for itself.
const MIN_BUSY_SPLIT: u64 = 1 << 9;
/// Elements of a tensor in a split of a band of runs, about: what a core fetches ahead of one band is then still
/// in its caches when the next one comes to it.
const MAX_RUN_SPLIT: u64 = 1 << 17;
/// Moments that a thread merges before it writes so many, of all of its run's channels, and sums of one channel:
/// more would take more than a twentieth of its time.
const MAX_RUN_MOMENTS: u64 = 128;
const MAX_RUN_SUMS: u64 = 64;
/// Rows of a strip or tile that is split at all.
const MIN_ROWS: u64 = 128;
/// n² times as many rows of a strip or tile, for each partial of a split that is merged for a column, are split over
/// about n workgroups.
const ROWS_TO_SPLIT: u64 = 1024;
/// Rows of a strip or tile, where all it does is write, that are split over one workgroup more: loading what normalises
/// its columns is as much work as ten.
const ROWS_TO_WRITE: u64 = 512;
/// The same where cores would have less work than others, and where they would have none.
const ROWS_TO_WRITE_EVENLY: u64 = 64;
const FEWEST_ROWS_TO_WRITE: u64 = 16;
/// Rows that a lane of columns has, where all it does is write and workgroups are enough: first it loads what
/// normalises four channels.
const MIN_WRITTEN: u64 = 32;
/// Splits that are not too many for any rows that are split at all.
const FEW_SPLITS: u64 = 4;

/// What is there to be split.
#[derive(Clone, Copy)]
pub(super) struct Walks {
    /// What lies side by side across the channel axis, and how much of that a workgroup owns.
    pub across: u64,
    pub owned: u64,
    /// The walk of a channel, in each of `turns` pieces.
    pub walk: u64,
    pub lanes: u32,
    pub turns: u64,
}

/// Partials of `channels` channels that scratch memory has room for.
pub(super) fn room_for_partials(adapter: &Adapter, channels: u32) -> u64 {
    let bytes = MAX_PARTIAL_BYTES.min(adapter.max_binding / 2);
    bytes / (PARTIAL_ROWS * 4 * row_stride(channels))
}

impl Geometry {
    /// Over how many workgroups a channel is split in a kernel. Workgroups that own `owned` of what is `across`
    /// would own it whole; the walk of a channel is `walk` long, in each of `turns` pieces.
    pub fn splits(&self, adapter: &Adapter, kernel: Kernel, walks: &Walks) -> u64 {
        let units = walks.walk.div_ceil(walks.lanes as u64 * self.unit());
        let fewest = self.fewest_splits(adapter, kernel, units);
        self.best_splits(adapter, kernel, walks, units).max(fewest)
    }

    /// As many as are fast.
    fn best_splits(&self, adapter: &Adapter, kernel: Kernel, walks: &Walks, units: u64) -> u64 {
        let Walks { across, owned, walk, lanes, turns } = *walks;
        let room = self.most_partials(adapter) / self.partials_a_split();
        let groups = across.div_ceil(owned).max(1);
        let wanted = adapter.wanted_workgroups() * if self.elementwise { 4 } else { 1 };
        let busy = adapter.enough_workgroups().div_ceil(groups);
        let most = match (self.elementwise, self.mapping(kernel)) {
            (_, Mapping::Runs) => return self.run_splits(adapter, kernel, walks, room / turns),
            (true, Mapping::Tiles | Mapping::Strips) => written_splits(adapter, groups, walk),
            (true, Mapping::Lines) => {
                (walk * self.inner / MIN_WRITE_SPLIT).max(busy).next_power_of_two()
            }
            (true, Mapping::Columns) => (walk / (MIN_WRITTEN * lanes as u64)).max(busy),
            (true, _) => u64::MAX,
            (false, Mapping::Lines) => {
                let most = walk * self.inner / MIN_LINE_SPLIT;
                // Each of n splits merges the partials of all, so n² times the work of one. A power of two, so that
                // few cores have as many workgroups each.
                let balanced = most.isqrt().max(busy).next_power_of_two().min(most);
                let splits = if kernel == Kernel::ForwardMoments { most } else { balanced };
                splits.min(room / turns)
            }
            _ if groups >= adapter.enough_workgroups() => 1,
            (_, Mapping::Tiles | Mapping::Strips) if walk < MIN_ROWS => 1,
            (_, Mapping::Tiles | Mapping::Strips) => {
                self.swept_splits(adapter, groups, walk).min(room / turns)
            }
            _ => self.walk_splits(adapter, walk).max(busy).min(room.min(MAX_SLOTS) / turns),
        };
        let splits = wanted.div_ceil(groups).min(units).min(most).max(1);
        // Of a GPU all workgroups run at a time, so fewer that have as many units as the longest are as fast.
        let longest = units.div_ceil(splits).max(1);
        if adapter.is_cpu || self.elementwise { splits } else { units.div_ceil(longest).max(1) }
    }

    /// At most so many, of a channel, or of four, that `walk` quads are of. Each of n workgroups loads all n partials
    /// before it loads and stores its share of the quads: the former is to be no more than a sixteenth of the latter,
    /// or half on a GPU, which needs many workgroups to be busy.
    fn walk_splits(&self, adapter: &Adapter, walk: u64) -> u64 {
        let channels = if self.mapping == Mapping::Columns { 4 } else { 1 };
        let part = if adapter.is_cpu { 16 } else { 2 };
        (2 * walk / (part * PARTIAL_ROWS * channels)).isqrt()
    }

    /// As many as are fast of `groups` strips or tiles side by side, of `walk` rows. Each workgroup merges all partials
    /// of its columns, each of them as much work as a few rows, so that n splits together have n² times the work of one
    /// to merge: little of all, or no more than the rows of one split, where cores would have nothing to do. In the end
    /// each core has as many workgroups, unless a split leaves many partials.
    fn swept_splits(&self, adapter: &Adapter, groups: u64, walk: u64) -> u64 {
        let little = (walk / (ROWS_TO_SPLIT * self.merges)).isqrt();
        let most = (walk / (ROWS_A_MERGE * self.merges)).isqrt();
        let cores = adapter.even_cores();
        let splits = cores.div_ceil(groups).min(most).max(little).max(1);
        let is_few = self.merges == 1 || groups < cores;
        let even = if is_few { evened(splits, cores, groups) } else { splits };
        let most = if self.merges == 1 { most.max(FEW_SPLITS) } else { most };
        if even <= most { even } else { splits }
    }

    /// As many as are fast of runs, where `room` splits have room for partials.
    fn run_splits(&self, adapter: &Adapter, kernel: Kernel, walks: &Walks, room: u64) -> u64 {
        let Walks { across, owned, walk, .. } = *walks;
        let Runs { across: runs, a_workgroup } = self.runs(kernel, across, owned);
        let busy = (adapter.enough_workgroups() * a_workgroup).div_ceil(runs.max(1));
        let values = walk * self.inner;
        let elements = values * owned.min(across);
        let splits = match kernel {
            Kernel::ForwardMoments => {
                let most = (values / MIN_LINE_SPLIT).min(MAX_RUN_MOMENTS / self.group(kernel));
                most.max(busy.min(values / MIN_BUSY_SPLIT)).min(room)
            }
            Kernel::BackwardSums => {
                let most = (elements / MAX_RUN_SPLIT).min(MAX_RUN_SUMS).max(busy);
                most.next_power_of_two().min(room)
            }
            _ => (elements / MAX_RUN_SPLIT).max(busy).next_power_of_two(),
        };
        splits.clamp(1, walk.max(1))
    }
}

/// As many as are fast of `groups` strips or tiles side by side, of `walk` rows, where there is nothing to merge.
fn written_splits(adapter: &Adapter, groups: u64, walk: u64) -> u64 {
    let cores = adapter.even_cores();
    let busy = cores.div_ceil(groups).min(walk / FEWEST_ROWS_TO_WRITE);
    let splits = (walk / ROWS_TO_WRITE).max(busy).max(1);
    let even = evened(splits, cores, groups);
    if even <= walk / ROWS_TO_WRITE_EVENLY { even } else { splits }
}

/// So many splits, or as many more as give each core as many workgroups, of `groups` for each split.
fn evened(splits: u64, cores: u64, groups: u64) -> u64 {
    splits.next_multiple_of(cores / gcd(cores, groups))
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
