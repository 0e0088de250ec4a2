//! From shape and adapter to dispatches: pure arithmetic, no device.
//!
//! A channel's values are visited in *quads* of four neighbouring elements. Six mappings bring
//! threads to quads: [`Mapping::Rows`] where a quad belongs to one channel, [`Mapping::Columns`]
//! where its elements belong to four, and [`Mapping::Lines`], [`Mapping::Runs`],
//! [`Mapping::Strips`] or [`Mapping::Tiles`] where a software adapter should see memory in order.
//! Either a workgroup owns its channels whole, and keeps their values ([`Path::OnChip`], one
//! dispatch) or reads them twice ([`Path::Fused`], one dispatch), or they are split over workgroups
//! ([`Path::Split`], two).

mod adapter;
mod choice;
mod geometry;
mod params;
mod rounds;
mod splits;
mod stretch;
#[cfg(test)]
mod tests;

use crate::{Element, Error, Shape};
pub use adapter::Adapter;
pub(crate) use adapter::BYTES_A_THREAD;
#[cfg(test)]
pub(crate) use choice::{
    BAND_CHANNELS, MAX_MISSING, MAX_PAIRS, MAX_QUADS, MAX_RUN_CHANNELS, RUN_CHANNELS,
};
pub(crate) use geometry::grid;
pub use params::Params;
pub(crate) use params::{
    FLAG_ACCUMULATE, FLAG_BETA, FLAG_CUMULATIVE, FLAG_GAMMA, FLAG_RECORD, FLAG_TRACK, FLAG_UNBIASED,
};
use stretch::Stretch;

/// `BLOCK` of shaders/params.wgsl: quads that a thread makes a block of.
pub const BLOCK: u64 = 8;
/// `MAX_COLUMNS` of shaders/tile/map.wgsl: columns of a tile.
pub const MAX_COLUMNS: u64 = 1024;
/// Rows of the work buffer before the partials: `ROW_PARTIALS` of shaders/buffers.wgsl.
pub const SAVED_ROWS: u64 = 11;
/// Rows of one partial in the work buffer: four for moments; the two for sums take less.
const PARTIAL_ROWS: u64 = 4;

/// Which elements form a quad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mapping {
    /// Four neighbours of one channel.
    Rows,
    /// Four neighbours of different channels.
    Columns,
    /// As columns, of whole channels side by side, swept row by row: for software adapters.
    Tiles,
    /// As tiles, of as many columns as each invocation can keep account of in registers; the four of a quad may be
    /// of any channels.
    Strips,
    /// As rows, long ones: each invocation takes the moments of a channel of its own, and all sum gradients
    /// and write side by side: for software adapters.
    Lines,
    /// As lines, of any length: each invocation sums, and normalizes, a multiple of eight channels in a row; dx
    /// all write side by side.
    Runs,
}

/// How a quad is loaded and stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// As one `vec4`.
    Vec4,
    /// As four elements; serves every extent and offset.
    Scalar,
    /// With the quad that follows it.
    Pairs,
    /// With the quad that follows it, which may be of the next channel.
    Halves,
    /// The same, of lines that may end anywhere in a pair.
    Cut,
}

/// Whether a workgroup owns its channels whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    /// Yes, and its threads keep their values: one dispatch, which reads its input once.
    OnChip,
    /// Yes: one dispatch, which reads its input twice, the second time from the caches, as far as it is there.
    Fused,
    /// No: one dispatch for partial results, one that merges them and writes.
    Split,
}

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pass {
    /// Batch statistics, y, running statistics.
    Training,
    /// y from the running statistics.
    Inference,
    /// dx, dγ, dβ through batch statistics.
    Backward,
    /// dx, dγ, dβ through running statistics.
    BackwardFrozen,
    /// Partial results to fewer, or to statistics: channels alone, no tensor.
    Merge,
}

/// What is planned, beside the shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// What is computed.
    pub pass: Pass,
    /// How tensors are stored.
    pub element: Element,
    /// Where tensors start in their buffers, in bytes; none stands for offsets of 0.
    pub offsets: &'a [u64],
    /// Whether positions have weights.
    pub weighted: bool,
    /// Backward: whether dx (or dresidual) is wanted.
    pub input_gradient: bool,
    /// Backward: whether dγ and dβ are wanted.
    pub affine_gradients: bool,
    /// Whether statistics and sums go through partial results even where a workgroup could own a
    /// channel whole: for batches in parts.
    pub in_parts: bool,
}

impl<'a> Request<'a> {
    /// A pass over `f32` tensors, everything that it can give, nothing fused.
    pub const fn new(pass: Pass, offsets: &'a [u64]) -> Self {
        Self {
            pass,
            element: Element::F32,
            offsets,
            weighted: false,
            input_gradient: true,
            affine_gradients: true,
            in_parts: false,
        }
    }

    /// Whether the last dispatch of a backward pass walks its tensors, and does not only merge sums.
    fn walks_twice(&self) -> bool {
        self.is_elementwise() || (self.pass == Pass::Backward && self.input_gradient)
    }

    /// Quads that a thread may keep, so that the second walk does not read them again: about 64
    /// registers either way. Weights would be read twice, and parts of a batch never meet. Which
    /// gradients are wanted does not matter, so that none changes another's last bits.
    fn most_kept(&self, is_cpu: bool) -> u64 {
        match self.pass {
            _ if self.weighted || self.in_parts => 0,
            // Each further block takes the compiler of a software adapter as long again.
            Pass::Training if !is_cpu => 2 * BLOCK,
            Pass::Training | Pass::Backward => BLOCK,
            Pass::Inference | Pass::BackwardFrozen | Pass::Merge => 0,
        }
    }

    /// Whether sums over x and dy are needed.
    fn sums_gradients(&self) -> bool {
        matches!(self.pass, Pass::Backward | Pass::BackwardFrozen) && !self.is_elementwise()
    }

    /// What runs, in order.
    fn kernels(&self, path: Path) -> &'static [Kernel] {
        match (self.pass, path) {
            (Pass::Inference, _) => &[Kernel::Inference],
            (Pass::BackwardFrozen, _) if self.is_elementwise() => &[Kernel::BackwardInput],
            (Pass::Training, Path::OnChip) => &[Kernel::ForwardOnChip],
            (Pass::Training, Path::Fused) => &[Kernel::ForwardFused],
            (Pass::Training, Path::Split) => &[Kernel::ForwardMoments, Kernel::ForwardNormalize],
            (_, Path::OnChip) => &[Kernel::BackwardOnChip],
            (_, Path::Fused) => &[Kernel::BackwardFused],
            (_, Path::Split) => &[Kernel::BackwardSums, Kernel::BackwardInput],
        }
    }

    /// Whether no sum over a channel is needed.
    fn is_elementwise(&self) -> bool {
        match self.pass {
            Pass::Inference => true,
            Pass::BackwardFrozen => !self.affine_gradients,
            Pass::Training | Pass::Backward | Pass::Merge => false,
        }
    }
}

/// A compute kernel of the crate: a file in `shaders`, its entry point and its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Kernel {
    ForwardOnChip,
    ForwardFused,
    ForwardMoments,
    ForwardNormalize,
    Inference,
    BackwardOnChip,
    BackwardFused,
    BackwardSums,
    BackwardInput,
    MergeMoments,
    MergeSums,
    RecordStatistics,
}

/// A part of a tensor that one binding covers: a contiguous range of elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// First element.
    pub start: u64,
    /// Elements from the first to the last.
    pub length: u64,
    /// Extent along the outer axis.
    pub outer: u64,
    /// First channel.
    pub first_channel: u64,
    /// Extent along the channel axis.
    pub channels: u64,
    /// Extent along the inner axis.
    pub inner: u64,
    /// Its place among the pieces that share its channels.
    pub turn: u64,
}

/// One dispatch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// What runs.
    pub kernel: Kernel,
    /// Which elements form a quad in it.
    pub mapping: Mapping,
    /// How its quads are loaded and stored.
    pub access: Access,
    /// On which of [`Plan::pieces`].
    pub piece: usize,
    /// Workgroups along x and y.
    pub workgroups: [u32; 2],
    /// The parameter block, but for offsets, ε, momentum and flags.
    pub params: Params,
}

impl Step {
    /// Whether any invocation of a walk has quads that are no whole block.
    pub(crate) fn has_tail(&self) -> bool {
        let Params { outer, inner, lanes, .. } = self.params;
        let [outer, inner, lanes] = [outer, inner, lanes].map(u64::from);
        match self.mapping {
            // Lanes take blocks of rows in turn.
            Mapping::Columns => outer % BLOCK != 0,
            _ => outer * inner % (4 * BLOCK * lanes) != 0,
        }
    }

    /// Whether each quad, of a mapping in which it may be of four channels, is of four neighbours, the first of which
    /// is a multiple of four.
    pub(crate) fn has_neighbours(&self) -> bool {
        let Params { channels, first_channel, inner, channel_step, .. } = self.params;
        let neighbours = match self.mapping {
            Mapping::Columns => inner == 1,
            Mapping::Strips => channel_step == 1,
            _ => false,
        };
        neighbours && channels % 4 == 0 && first_channel % 4 == 0
    }
}

/// How a pass runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Which elements form a quad, but for moments that another mapping is better at, and for samples that are left
    /// over.
    pub mapping: Mapping,
    /// How quads are loaded and stored, but for those of samples that are left over.
    pub access: Access,
    /// Invocations of a workgroup.
    pub workgroup: u32,
    /// Those of them that share a channel, or a quad of channels; but for samples that are left over.
    pub lanes: u32,
    /// Whether channels are split over workgroups.
    pub path: Path,
    /// What the tensor is walked in.
    pub pieces: Vec<Piece>,
    /// Quads that each invocation keeps; 0 but on chip.
    pub kept: u32,
    /// Pairs of quads that each invocation has of a strip's row; 0 but for [`Mapping::Strips`].
    pub pairs: u32,
    /// How many of these, in the last strip, may be beyond the row.
    pub missing: u32,
    /// Partial results of a channel; 0 where they are not split.
    pub slots: u32,
    /// The dispatches, in order.
    pub steps: Vec<Step>,
}

/// Values from one row of the state or work buffer to the next: rows start at multiples of 256
/// bytes, the largest offset alignment there is, so that each can be bound by itself.
pub fn row_stride(channels: u32) -> u64 {
    (channels as u64).next_multiple_of(64)
}

impl Plan {
    /// Plans what is requested over `shape`.
    ///
    /// # Errors
    /// [`Error::InvalidChannels`], [`Error::ShapeOverflow`], [`Error::LimitExceeded`].
    pub fn new(adapter: &Adapter, shape: Shape, request: &Request<'_>) -> Result<Self, Error> {
        shape.validate()?;
        let adapter = &adapter.within(&Adapter { alignment: 4, ..*adapter });
        let mut main = Stretch::new(adapter, shape, request)?;
        let whole = main.turns == 1;
        let most_kept = if whole { request.most_kept(adapter.is_cpu) } else { 0 };
        let on_chip = main.keep(adapter, most_kept);
        let elementwise = request.is_elementwise();
        let first_kernel = request.kernels(Path::Split)[0];
        let path = match on_chip {
            Some(_) => Path::OnChip,
            None if main.splits(adapter, first_kernel) == 1
                && main.geometry.can_own(whole)
                && !request.in_parts
                && !elementwise =>
            {
                Path::Fused
            }
            None => Path::Split,
        };

        let mut plan = Self {
            mapping: main.geometry.mapping,
            access: main.geometry.access,
            workgroup: main.workgroup,
            lanes: main.lanes,
            path,
            kept: on_chip.unwrap_or(0),
            pairs: main.geometry.pairs as u32,
            missing: main.geometry.missing as u32,
            slots: 0,
            steps: Vec::new(),
            pieces: Vec::new(),
        };
        if shape.elements() == 0 {
            return Ok(plan);
        }
        let rest = main.rest(adapter, request)?;
        let stretches = [Some(&main), rest.as_ref()].into_iter().flatten();
        let pieces: Vec<(&Stretch, Piece)> =
            stretches.flat_map(|s| s.pieces.iter().map(move |&piece| (s, piece))).collect();
        // Where the partials of each turn start, whose pieces are equally long, and where those of the last end.
        let turns = pieces.iter().map(|(_, piece)| piece.turn as usize + 1).max().unwrap_or(0);
        let mut first_slots = vec![0; turns + 1];
        if path == Path::Split && !elementwise {
            for (stretch, piece) in &pieces {
                first_slots[piece.turn as usize + 1] =
                    stretch.splits_of(adapter, first_kernel, piece)
                        * stretch.geometry.partials_a_split();
            }
            for turn in 0..turns {
                first_slots[turn + 1] += first_slots[turn];
            }
            plan.slots = first_slots[turns] as u32;
        }
        for &kernel in request.kernels(path) {
            for (index, (stretch, piece)) in pieces.iter().enumerate() {
                let merges_only = kernel == Kernel::BackwardInput && !request.walks_twice();
                if merges_only && piece.turn > 0 {
                    continue;
                }
                let splits = match path {
                    Path::Split if !merges_only => stretch.splits_of(adapter, kernel, piece),
                    _ => 1,
                };
                let mut step = stretch.step(adapter, kernel, (index, piece), splits)?;
                step.params.first_slot = first_slots[piece.turn as usize] as u32;
                step.params.slots = plan.slots;
                plan.steps.push(step);
            }
        }
        plan.pieces = pieces.into_iter().map(|(_, piece)| piece).collect();
        Ok(plan)
    }

    /// Words of the work buffer: saved statistics and partials.
    pub fn work_words(&self, channels: u32) -> u64 {
        (SAVED_ROWS + PARTIAL_ROWS * self.slots as u64) * row_stride(channels)
    }
}
