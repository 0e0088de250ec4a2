//! Samples that one mapping goes over: all of a tensor, or all but a rest, or the rest.

use super::geometry::{Geometry, OnChip, grid};
use super::splits::Walks;
use super::{Adapter, Kernel, Piece, Request, Step};
use crate::{Error, Shape};

/// Neighbouring samples, and how threads come to their values.
pub(super) struct Stretch {
    pub geometry: Geometry,
    pub pieces: Vec<Piece>,
    /// Pieces that share channels.
    pub turns: u64,
    pub workgroup: u32,
    pub lanes: u32,
    /// What lies side by side across the channel axis, and the walk of a channel, in the largest piece.
    across: u64,
    walk: u64,
}

impl Stretch {
    /// The first samples of a tensor: all of them, but for a rest that the mapping leaves over.
    pub fn new(adapter: &Adapter, shape: Shape, request: &Request<'_>) -> Result<Self, Error> {
        Self::of(adapter, Geometry::new(adapter, shape, request))
    }

    /// That rest. Its pieces come after those of the others.
    pub fn rest(&self, adapter: &Adapter, request: &Request<'_>) -> Result<Option<Self>, Error> {
        let Some(geometry) = self.geometry.rest(adapter, request) else { return Ok(None) };
        let mut rest = Self::of(adapter, geometry)?;
        for piece in &mut rest.pieces {
            piece.turn += self.turns;
        }
        Ok(Some(rest))
    }

    fn of(adapter: &Adapter, geometry: Geometry) -> Result<Self, Error> {
        let pieces = geometry.pieces(adapter)?;
        let across = pieces.iter().map(|p| geometry.across(p)).max().unwrap_or(0);
        let walk = pieces.iter().map(|p| geometry.walk(p)).max().unwrap_or(0);
        let turns = pieces.iter().map(|p| p.turn + 1).max().unwrap_or(0);
        let (workgroup, lanes) = geometry.workgroup(adapter, across, walk);
        Ok(Self { geometry, pieces, turns, workgroup, lanes, across, walk })
    }

    /// Lets each lane keep up to `most` quads, if these are all that it walks; and returns how many it does.
    pub fn keep(&mut self, adapter: &Adapter, most: u64) -> Option<u32> {
        let OnChip { workgroup, lanes, kept } =
            self.geometry.on_chip(adapter, self.across, self.walk, most)?;
        (self.workgroup, self.lanes) = (workgroup, lanes);
        Some(kept)
    }

    fn owned(&self, kernel: Kernel) -> u64 {
        self.geometry.owned(kernel, self.workgroup, self.lanes)
    }

    /// Over how many workgroups a channel is split in a kernel.
    pub fn splits(&self, adapter: &Adapter, kernel: Kernel) -> u64 {
        let Self { across, walk, lanes, turns, .. } = *self;
        let walks = Walks { across, owned: self.owned(kernel), walk, lanes, turns };
        self.geometry.splits(adapter, kernel, &walks)
    }

    /// The same in one of the pieces. No split is without work: lavapipe runs its loops all the same, with all lanes
    /// off, and what Mesa 25.2 makes of some of these then loads from nowhere, which ends the process.
    pub fn splits_of(&self, adapter: &Adapter, kernel: Kernel, piece: &Piece) -> u64 {
        self.splits(adapter, kernel).min(self.geometry.units(piece, self.lanes))
    }

    /// A dispatch over a piece, the `index`-th of the plan's, in so many splits.
    pub fn step(
        &self,
        adapter: &Adapter,
        kernel: Kernel,
        (index, piece): (usize, &Piece),
        splits: u64,
    ) -> Result<Step, Error> {
        let geometry = &self.geometry;
        let across = geometry.across(piece);
        let total = geometry.workgroups(kernel, across, self.owned(kernel), splits);
        Ok(Step {
            kernel,
            mapping: geometry.mapping(kernel),
            access: geometry.access,
            piece: index,
            workgroups: grid(total, adapter.max_workgroups)?,
            params: geometry.params(kernel, piece, self.lanes, splits),
        })
    }
}
