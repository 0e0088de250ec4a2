//! Tiles: columns of any number, swept row by row.

use super::{Choice, Question};
use crate::plan::rounds::rounds_of_tile;
use crate::plan::{Access, BLOCK, MAX_COLUMNS, Mapping};

/// Columns from which on a tile has a quad for each of 8 invocations.
const MIN_TILE_COLUMNS: u64 = 32;
/// `MAX_QUADS` of shaders/tile/map.wgsl: quads of an invocation.
pub(crate) const MAX_QUADS: u64 = 32;
/// Inner extents up to which the rows of a channel are short enough to be columns of a tile: longer ones
/// are streams themselves.
const LONGEST_ROW: u64 = 512;

impl Question<'_> {
    /// Columns of any number, of whole channels.
    pub fn tile(&self) -> Option<Choice> {
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
