//! A shape as the kernels see it: in which pieces, and in workgroups of which size.

use super::adapter::previous_power_of_two;
use super::choice::{Choice, RUN_CHANNELS};
use super::rounds::{MAX_ROUNDS, rounds_of_whole_strip};
use super::{Access, Adapter, BLOCK, Kernel, Mapping, Params, Piece, Request};
use super::{FLAG_RECORD, row_stride};
use crate::{Element, Error, Shape};

/// How a workgroup keeps the values of its channels.
#[derive(Clone, Copy)]
pub(super) struct OnChip {
    pub workgroup: u32,
    pub lanes: u32,
    /// Quads of a lane.
    pub kept: u32,
}

/// The runs of a split.
pub(super) struct Runs {
    /// Side by side.
    pub across: u64,
    /// Of a workgroup, which go on in the next split.
    pub a_workgroup: u64,
}

/// A shape as the kernels see it.
pub(super) struct Geometry {
    pub shape: Shape,
    element: Element,
    /// Whether every value is for itself.
    pub elementwise: bool,
    pub mapping: Mapping,
    /// Likewise, where moments are all that is wanted.
    moments: Mapping,
    pub access: Access,
    /// Pairs of quads of an invocation in a strip's row.
    pub pairs: u64,
    /// How many of these, in the last strip, may be beyond the row.
    pub missing: u64,
    /// Partials of a split that are merged for a column of a strip, in the average.
    pub merges: u64,
    /// Invocations that share a line where its gradients are summed.
    sharers: u64,
    /// Samples that are one, in lines and runs.
    samples: u64,
    /// Channels of a tile, or of an invocation's run.
    group: u64,
    /// Channels of a band of lines that invocations share.
    band: u64,
    /// Whether the columns of a channel in a tile or strip are apart, and those of all channels interleave.
    interleaved: bool,
    /// Bytes that a window covers before its tensor.
    slack: u64,
    /// First element of all these.
    start: u64,
    /// Samples that it leaves over.
    pub rest: u64,
    /// Extents that the kernels use: channels last has no inner axis.
    outer: u64,
    channels: u64,
    pub inner: u64,
}

impl Geometry {
    pub fn new(adapter: &Adapter, shape: Shape, request: &Request<'_>) -> Self {
        let (shape, choice) = Choice::new(adapter, shape, request);
        Self::of(adapter, shape, request, choice)
    }

    /// Of what this leaves over.
    pub fn rest(&self, adapter: &Adapter, request: &Request<'_>) -> Option<Self> {
        (self.rest > 0).then(|| {
            let rest = self.shape.with_outer(self.rest);
            let choice = Choice::of_rest(adapter, rest, request);
            let start = self.shape.with_outer(self.shape.outer() - self.rest).elements();
            Self { shape: self.shape, start, ..Self::of(adapter, rest, request, choice) }
        })
    }

    /// Whether this is what another one leaves over, which is little.
    pub fn is_rest(&self) -> bool {
        self.start > 0
    }

    fn of(adapter: &Adapter, shape: Shape, request: &Request<'_>, choice: Choice) -> Self {
        // A window starts at the aligned offset before its tensor.
        let slack = request.offsets.iter().map(|o| o % adapter.alignment).max().unwrap_or(0);
        Self {
            shape,
            element: request.element,
            elementwise: request.is_elementwise(),
            mapping: choice.mapping,
            moments: choice.moments,
            access: choice.access,
            pairs: choice.pairs,
            missing: choice.missing,
            merges: choice.merges,
            sharers: choice.sharers,
            samples: choice.samples,
            group: choice.group,
            band: choice.band,
            interleaved: match choice.mapping {
                Mapping::Tiles => choice.rows > 1,
                Mapping::Strips => shape.inner() == 1,
                _ => false,
            },
            slack,
            start: 0,
            rest: choice.rest,
            outer: (shape.outer() - choice.rest) / choice.rows / choice.samples,
            channels: shape.channels() as u64 * choice.samples,
            inner: shape.inner() * choice.rows,
        }
    }

    /// What lies side by side across the channel axis: channels, or quads of columns.
    pub fn across(&self, piece: &Piece) -> u64 {
        match self.mapping {
            Mapping::Rows | Mapping::Tiles | Mapping::Lines | Mapping::Runs => piece.channels,
            Mapping::Columns => (piece.channels * piece.inner).div_ceil(4),
            Mapping::Strips => piece.channels * piece.inner,
        }
    }

    /// Partials of a channel that a split leaves: strips have one of each column, lines and runs of each of several
    /// samples, lines whose gradients are summed also of each invocation.
    pub fn partials_a_split(&self) -> u64 {
        match self.mapping {
            Mapping::Strips => self.inner,
            Mapping::Lines => self.sharers * self.samples,
            Mapping::Runs => self.samples,
            Mapping::Rows | Mapping::Columns | Mapping::Tiles => 1,
        }
    }

    /// Whether a workgroup may own channels whole, where it has all of their values in one piece.
    /// In strips, lines and runs no thread waits for another, so what several of them know is for a second dispatch.
    pub fn can_own(&self, whole: bool) -> bool {
        let has_channels = match self.mapping {
            Mapping::Rows | Mapping::Columns | Mapping::Tiles => true,
            // A column each, which a thread goes over twice.
            Mapping::Strips => {
                let rounds = self.outer * rounds_of_whole_strip();
                self.inner == 1 && rounds <= MAX_ROUNDS
            }
            Mapping::Lines | Mapping::Runs => false,
        };
        whole && has_channels
    }

    /// Channels that are one tile in a kernel, or one invocation's run, or one band.
    pub fn group(&self, kernel: Kernel) -> u64 {
        if self.mapping(kernel) == Mapping::Lines { self.band } else { self.group }
    }

    /// Which elements form a quad in a kernel.
    pub fn mapping(&self, kernel: Kernel) -> Mapping {
        if kernel == Kernel::ForwardMoments { self.moments } else { self.mapping }
    }

    /// How much of that a workgroup owns. A line or a run for each invocation, but where these would be more
    /// streams than a core follows.
    pub fn owned(&self, kernel: Kernel, workgroup: u32, lanes: u32) -> u64 {
        match self.mapping(kernel) {
            Mapping::Rows | Mapping::Columns => (workgroup / lanes) as u64,
            Mapping::Tiles => self.group,
            Mapping::Lines if kernel == Kernel::ForwardMoments => workgroup as u64,
            Mapping::Lines => self.band,
            Mapping::Runs if kernel == Kernel::BackwardInput => RUN_CHANNELS,
            Mapping::Runs => workgroup as u64 * self.group,
            Mapping::Strips => self.pairs * workgroup as u64 * 8,
        }
    }

    /// Workgroups over `across`, the walks of which are split.
    pub fn workgroups(&self, kernel: Kernel, across: u64, owned: u64, splits: u64) -> u64 {
        match self.mapping(kernel) {
            Mapping::Runs => {
                let Runs { across, a_workgroup } = self.runs(kernel, across, owned);
                (across * splits).div_ceil(a_workgroup)
            }
            _ => across.div_ceil(owned) * splits,
        }
    }

    /// The runs of `across` channels. Those that an invocation has for itself follow one another through all
    /// splits, so that channels may be fewer than a workgroup could own.
    pub fn runs(&self, kernel: Kernel, across: u64, owned: u64) -> Runs {
        let most = if kernel == Kernel::BackwardInput { RUN_CHANNELS } else { self.group };
        Runs { across: across.div_ceil(most), a_workgroup: owned / most }
    }

    /// Quads that the lanes of a channel walk, along its line; or rows, down which they do; or samples.
    pub fn walk(&self, piece: &Piece) -> u64 {
        match self.mapping {
            Mapping::Rows => (piece.outer * piece.inner).div_ceil(4),
            _ => piece.outer,
        }
    }

    /// Of a walk, what a split has a multiple of for each lane.
    pub fn unit(&self) -> u64 {
        match self.mapping {
            Mapping::Lines | Mapping::Runs | Mapping::Strips => 1,
            Mapping::Rows | Mapping::Columns | Mapping::Tiles => BLOCK,
        }
    }

    /// What the splits of a channel in a piece share out.
    pub fn units(&self, piece: &Piece, lanes: u32) -> u64 {
        self.walk(piece).div_ceil(lanes as u64 * self.unit())
    }

    /// Workgroup size and lanes. Workgroups are full, whatever there is to do: see
    /// [`Adapter::narrowest_workgroup`].
    pub fn workgroup(&self, adapter: &Adapter, quads: u64, walk: u64) -> (u32, u32) {
        let full = adapter.full_workgroup();
        // A lane should have a block to load at least.
        let most_lanes = previous_power_of_two((walk / BLOCK).clamp(1, full as u64) as u32);
        match self.mapping {
            Mapping::Rows => (full, most_lanes),
            Mapping::Columns => {
                let side = (self.columns_beside(quads) as u32).min(full);
                (full, (full / side).min(most_lanes))
            }
            Mapping::Tiles | Mapping::Strips | Mapping::Lines | Mapping::Runs => (full, 1),
        }
    }

    /// Quads of a row, of `across`, that threads read side by side: 128 bytes, or 256 of a row of twice as many, which
    /// are whole lines of memory. Where a workgroup has more of them, it has fewer lanes for each; so the tensor has
    /// fewer workgroups, or channels more partials.
    fn columns_beside(&self, across: u64) -> u64 {
        let line = 128 / (4 * self.element.size());
        (across / 2).clamp(line, 2 * line).min(across.max(1)).next_power_of_two()
    }

    /// Lanes enough to keep what they walk, `most` quads each at most: `across` and `walk` are those
    /// of the largest piece, each of which has whole channels.
    pub fn on_chip(&self, adapter: &Adapter, across: u64, walk: u64, most: u64) -> Option<OnChip> {
        let sweeps = !matches!(self.mapping, Mapping::Rows | Mapping::Columns);
        if most == 0 || walk == 0 || sweeps {
            return None;
        }
        let full = adapter.full_workgroup() as u64;
        let (usual, useful, most_lanes) = match self.mapping {
            // On a GPU neighbouring lanes read neighbouring quads: 128 bytes in a row.
            Mapping::Rows => (if adapter.is_cpu { 1 } else { full.min(8) }, walk, full),
            // Lanes take blocks of rows in turn. On a GPU a few quads beside each other share a line
            // of memory; a software adapter is slower with lanes that it does not need.
            _ => {
                let beside = match adapter.is_cpu {
                    true => across.div_ceil(adapter.enough_workgroups()),
                    false => across.min(4),
                };
                let beside = beside.next_power_of_two();
                let side = self.columns_beside(across).min(full);
                (full / side, walk.div_ceil(BLOCK), (full / beside).max(1))
            }
        };
        let useful = useful.next_power_of_two();
        let fewest = walk.div_ceil(most).next_power_of_two();
        if fewest > most_lanes {
            return None;
        }
        let mut lanes = usual.min(useful).max(fewest);
        while lanes * 2 <= useful.min(most_lanes)
            && across.div_ceil(full / lanes) < adapter.enough_workgroups()
        {
            lanes *= 2;
        }
        let kept = walk.div_ceil(lanes * BLOCK) * BLOCK;
        Some(OnChip { workgroup: full as u32, lanes: lanes as u32, kept: kept as u32 })
    }

    /// Cuts the tensor into ranges that one binding covers.
    pub fn pieces(&self, adapter: &Adapter) -> Result<Vec<Piece>, Error> {
        let limit = adapter.elements_a_binding(self.element);
        let size = self.element.size();
        let sample = self.channels * self.inner;
        let whole = Piece {
            start: self.start,
            length: self.outer * sample,
            outer: self.outer,
            first_channel: 0,
            channels: self.channels,
            inner: self.inner,
            turn: 0,
        };
        let covered = self.element.words(whole.length) + self.slack <= adapter.largest_binding();
        if covered || whole.length == 0 {
            return Ok(vec![whole]);
        }
        debug_assert!(!self.is_rest(), "less than a sample of others, which a binding covers");
        // More than any device's memory holds; each piece is a few hundred bytes of the plan.
        const MAX_PIECES: u64 = 1 << 16;
        let need = whole.length.div_ceil(limit.max(1));
        if need > MAX_PIECES {
            let what = "pieces of a tensor";
            return Err(Error::LimitExceeded { what, need, limit: MAX_PIECES });
        }
        let mut pieces = Vec::new();
        if sample <= limit {
            let step = limit / sample;
            for (turn, first) in (0..self.outer).step_by(step as usize).enumerate() {
                let outer = step.min(self.outer - first);
                let (start, length) = (first * sample, outer * sample);
                pieces.push(Piece { start, length, outer, turn: turn as u64, ..whole });
            }
        } else if self.mapping != Mapping::Rows || limit == 0 {
            let what = "one row of channels in a storage binding, in bytes";
            return Err(Error::LimitExceeded { what, need: sample * size, limit: limit * size });
        } else if self.inner <= limit {
            let step = limit / self.inner;
            for n in 0..self.outer {
                for first_channel in (0..self.channels).step_by(step as usize) {
                    let channels = step.min(self.channels - first_channel);
                    let start = (n * self.channels + first_channel) * self.inner;
                    let length = channels * self.inner;
                    pieces.push(Piece {
                        start,
                        length,
                        outer: 1,
                        first_channel,
                        channels,
                        turn: n,
                        ..whole
                    });
                }
            }
        } else {
            let cuts = self.inner.div_ceil(limit);
            for line in 0..self.outer * self.channels {
                for cut in 0..cuts {
                    let inner = limit.min(self.inner - cut * limit);
                    pieces.push(Piece {
                        start: line * self.inner + cut * limit,
                        length: inner,
                        outer: 1,
                        first_channel: line % self.channels,
                        channels: 1,
                        inner,
                        turn: line / self.channels * cuts + cut,
                    });
                }
            }
        }
        Ok(pieces)
    }

    /// Where a piece starts in the line of a channel's values.
    fn position(&self, piece: &Piece) -> u64 {
        let outer = piece.start / (self.channels * self.inner).max(1);
        outer * self.inner + piece.start % self.inner.max(1)
    }

    pub fn params(&self, kernel: Kernel, piece: &Piece, lanes: u32, splits: u64) -> Params {
        let step = 4 * lanes as u64;
        // A piece of several samples has all of each; one of a single sample never comes to a second row.
        // What the parameter block counts lies within one binding, so it fits 32 bits.
        let stride = (piece.channels * piece.inner) as u32;
        let count = self.shape.count();
        Params {
            outer: piece.outer as u32,
            channels: piece.channels as u32,
            period: (piece.channels / self.samples) as u32,
            inner: piece.inner as u32,
            outer_stride: stride,
            first_channel: piece.first_channel as u32,
            row_stride: row_stride(self.shape.channels()) as u32,
            lanes,
            units: self.units(piece, lanes) as u32,
            splits: splits as u32,
            group: self.group(kernel) as u32,
            channel_step: if self.interleaved { 1 } else { self.inner as u32 },
            column_step: if self.interleaved { self.channels as u32 } else { 1 },
            step_at: ((step / piece.inner) as u32)
                .wrapping_mul(stride)
                .wrapping_add((step % piece.inner) as u32),
            step_inner: (step % piece.inner) as u32,
            count: count as f32,
            first_position: self.position(piece) as u32,
            half_word: 32,
            flags: if piece.turn == 0 { FLAG_RECORD } else { 0 },
            ..Params::default()
        }
    }
}

/// A grid of at least `total` workgroups, within the limit of each dimension.
pub(crate) fn grid(total: u64, limit: u32) -> Result<[u32; 2], Error> {
    let limit = limit as u64;
    let y = total.div_ceil(limit).max(1);
    if y > limit {
        let what = "workgroups of a dispatch";
        return Err(Error::LimitExceeded { what, need: total, limit: limit * limit });
    }
    Ok([total.div_ceil(y) as u32, y as u32])
}
