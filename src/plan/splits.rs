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
/// Rows of a strip or tile that is only written, that are as much work as loading what normalises its columns.
const ROWS_TO_START: u64 = 10;
/// Such rows of a split, at least.
const MIN_WRITTEN_ROWS: u64 = 16;
/// Of rows that are only written, one in so many is what it costs to have strips of the same rows written by several
/// cores at a time: what each fetches ahead is the other's.
const SHARED_ROWS: u64 = 8;
/// Rows that a lane of columns has, where all it does is write and workgroups are enough: first it loads what
/// normalises four channels.
const MIN_WRITTEN: u64 = 32;

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
        let fewest = self.fewest_splits(adapter, kernel, units).max(1);
        // What is left over has one partial result.
        if self.is_rest() && !self.elementwise {
            return fewest;
        }
        match self.mapping(kernel) {
            Mapping::Tiles | Mapping::Strips => self.swept_splits(adapter, kernel, walks, fewest),
            _ => self.best_splits(adapter, kernel, walks, units).max(fewest),
        }
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

    /// As many, from `fewest` on, as leave the core that has most the least to do. Where values are only written, a
    /// workgroup loads what normalises its columns, and goes through its rows once: slower unless each core has rows of
    /// its own, which it has where splits are a multiple of cores, since strips of a split are neighbours and a core
    /// takes a range of workgroups. Else it goes through its rows twice, and, unless it owns its channels whole, merges
    /// all partials of its columns, each as much work as a few rows, so that n splits together have n² times the work
    /// of one to merge.
    fn swept_splits(&self, adapter: &Adapter, kernel: Kernel, walks: &Walks, fewest: u64) -> u64 {
        let Walks { across, owned, walk, turns, .. } = *walks;
        let groups = across.div_ceil(owned).max(1);
        let cores = adapter.even_cores();
        let work = |splits: &u64| {
            let rows = walk.div_ceil(*splits);
            let of_workgroup = match self.elementwise {
                true if groups == 1 || splits.is_multiple_of(cores) => rows + ROWS_TO_START,
                true => rows + rows / SHARED_ROWS + ROWS_TO_START,
                // But for parts, which leave one all the same.
                false if splits * turns == 1 && self.can_own(true) => 2 * rows,
                false => 2 * rows + ROWS_A_MERGE * self.merges * splits * turns,
            };
            (groups * splits).div_ceil(cores) * of_workgroup
        };
        let is_tile = self.mapping(kernel) == Mapping::Tiles;
        let most = match self.elementwise {
            true => walk / MIN_WRITTEN_ROWS,
            // Each split finds pivots for itself; and a tile of one is one dispatch.
            false if walk < MIN_ROWS || is_tile && groups >= adapter.enough_workgroups() => 1,
            false => self.most_partials(adapter) / self.partials_a_split() / turns,
        };
        // As many as there are cores give each as many.
        let most = most.min(fewest + cores - 1).max(fewest);
        (fewest..=most).min_by_key(work).unwrap_or(fewest)
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
