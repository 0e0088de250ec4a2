//! Strips: rows of columns that each invocation sums for itself.

use super::{Choice, Question};
use crate::plan::rounds::{MAX_ROUNDS, most_to_merge, places_of_strip, rounds_of_strip};
use crate::plan::{Access, BLOCK, Mapping};

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
pub(crate) const ROWS_A_MERGE: u64 = 8;
/// What more dispatches take, for rows that are left over, in quarters of a pair of a strip.
const WORK_OF_REST: u64 = 1 << 12;

/// A row in strips.
struct StripRow {
    /// How many strips.
    strips: u64,
    /// Pairs of an invocation in each.
    pairs: u64,
    /// How many of an invocation's, in the last strip, may be beyond the row.
    missing: u64,
}

impl Question<'_> {
    /// Columns of which each invocation has as many pairs, or but for the last few: short rows of the tensor, as many
    /// as make a row of whole pairs, or the lines of all channels, where they do.
    pub fn strip(&self) -> Option<Choice> {
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
    pub fn strip_of_line(&self) -> Option<Choice> {
        let cores = self.adapter.even_cores();
        let fits = |strip: &Choice| {
            let walks = self.outer / strip.rows;
            walks * rounds_of_strip() <= cores * MAX_ROUNDS
                && cores * strip.rows <= most_to_merge(places_of_strip(strip.pairs))
        };
        self.strip().filter(fits)
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
}
