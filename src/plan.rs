//! From shape and adapter to dispatches: pure arithmetic, no device.
//!
//! A channel's values are walked in *quads* of four neighbouring elements. Two mappings bring
//! threads to quads: [`Mapping::Rows`] where a quad belongs to one channel, and
//! [`Mapping::Columns`] where its elements belong to four. Either a workgroup owns its channels
//! whole ([`Path::Fused`], one dispatch), or they are split over workgroups ([`Path::Split`], two).

use crate::{Error, Layout, Shape};

/// What of an adapter the plan depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// A software adapter: a workgroup is a loop on one core, best one subgroup wide.
    pub is_cpu: bool,
    /// Invocations that run in step.
    pub subgroup: u32,
    /// Bytes that one binding may cover.
    pub max_binding: u64,
    /// What the offset of a binding must be a multiple of, in bytes.
    pub alignment: u64,
    /// Workgroups in one dimension of a dispatch.
    pub max_workgroups: u32,
    /// Invocations in a workgroup.
    pub max_invocations: u32,
    /// Bytes of workgroup memory.
    pub max_workgroup_memory: u32,
}

impl Adapter {
    /// From what wgpu reports of a device.
    pub fn new(info: &wgpu::AdapterInfo, limits: &wgpu::Limits) -> Self {
        Self {
            is_cpu: info.device_type == wgpu::DeviceType::Cpu,
            subgroup: info.subgroup_max_size.clamp(4, 128),
            max_binding: limits.max_storage_buffer_binding_size,
            alignment: limits.min_storage_buffer_offset_alignment.max(4) as u64,
            max_workgroups: limits.max_compute_workgroups_per_dimension,
            max_invocations: limits
                .max_compute_invocations_per_workgroup
                .min(limits.max_compute_workgroup_size_x),
            max_workgroup_memory: limits.max_compute_workgroup_storage_size,
        }
    }

    /// Invocations of a full workgroup.
    ///
    /// A software adapter runs the subgroups of a workgroup in turn and pays for each barrier:
    /// one subgroup is 3 to 10 times faster than 256 invocations. A GPU hides the latency of
    /// memory with many threads.
    fn workgroup(&self) -> u32 {
        let wanted = if self.is_cpu { self.subgroup } else { 256 };
        let memory = self.max_workgroup_memory / BYTES_A_THREAD;
        previous_power_of_two(wanted.min(self.max_invocations).min(memory).max(1))
    }

    /// Workgroups from which on the adapter is busy, so that channels need not be split.
    fn enough_workgroups(&self) -> u64 {
        if self.is_cpu { 8 } else { 256 }
    }

    /// Workgroups to aim at where channels are split.
    fn wanted_workgroups(&self) -> u64 {
        if self.is_cpu { 64 } else { 512 }
    }
}

/// Workgroup memory of the largest reduction: a count and three vectors.
const BYTES_A_THREAD: u32 = 4 + 3 * 16;
/// `BLOCK` of shaders/params.wgsl: quads that a thread loads before it uses them.
pub const BLOCK: u64 = 8;
/// Rows of saved statistics in the work buffer, before the partials.
pub const SAVED_ROWS: u64 = 4;
/// Rows of one partial in the work buffer: four for moments; the two for sums take less.
const PARTIAL_ROWS: u64 = 4;
/// Most partials of a channel.
const MAX_SLOTS: u64 = 512;
/// Bytes that partials may take in all.
const MAX_PARTIAL_BYTES: u64 = 1 << 20;

/// Which elements form a quad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mapping {
    /// Four neighbours of one channel.
    Rows,
    /// Four neighbours of different channels.
    Columns,
}

/// How a quad is loaded and stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// As one `vec4`.
    Vec4,
    /// As four elements; serves every extent and offset.
    Scalar,
}

/// Whether a workgroup owns its channels whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    /// Yes: one dispatch, which reads its input twice, the second time from the caches.
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
}

/// A compute kernel of the crate: a file in `shaders`, its entry point and its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Kernel {
    ForwardFused,
    ForwardMoments,
    ForwardNormalize,
    Inference,
    BackwardFused,
    BackwardSums,
    BackwardInput,
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
    /// On which of [`Plan::pieces`].
    pub piece: usize,
    /// Workgroups along x and y.
    pub workgroups: [u32; 2],
    /// The parameter block, but for offsets, ε, momentum and flags.
    pub params: Params,
}

/// How a pass runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Which elements form a quad.
    pub mapping: Mapping,
    /// How quads are loaded and stored.
    pub access: Access,
    /// Invocations of a workgroup.
    pub workgroup: u32,
    /// Those of them that share a channel, or a quad of channels.
    pub lanes: u32,
    /// Whether channels are split over workgroups.
    pub path: Path,
    /// What the tensor is walked in.
    pub pieces: Vec<Piece>,
    /// Partial results of a channel; 0 for a fused path.
    pub slots: u32,
    /// The dispatches, in order.
    pub steps: Vec<Step>,
}

/// The parameter block of a dispatch: `Params` of shaders/params.wgsl, field by field.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[allow(missing_docs)]
pub struct Params {
    pub outer: u32,
    pub channels: u32,
    pub inner: u32,
    pub outer_stride: u32,
    pub first_channel: u32,
    pub all_channels: u32,
    pub row_stride: u32,
    pub x_at: u32,
    pub y_at: u32,
    pub dy_at: u32,
    pub dx_at: u32,
    pub chunk: u32,
    pub splits: u32,
    pub first_slot: u32,
    pub slots: u32,
    pub step_at: u32,
    pub step_inner: u32,
    pub flags: u32,
    pub epsilon: f32,
    pub momentum: f32,
    pub count: f32,
    pub running_divisor: f32,
    pub pad0: u32,
    pub pad1: u32,
}

/// Values from one row of the state or work buffer to the next: rows start at multiples of 256
/// bytes, the largest offset alignment there is, so that each can be bound by itself.
pub fn row_stride(channels: u32) -> u64 {
    (channels as u64).next_multiple_of(64)
}

impl Plan {
    /// Plans `pass` over `shape`, for tensors that start at `offsets` in their buffers, in bytes;
    /// none stands for offsets of 0.
    ///
    /// # Errors
    /// [`Error::InvalidChannels`], [`Error::ShapeOverflow`], [`Error::LimitExceeded`].
    pub fn new(
        adapter: &Adapter,
        shape: Shape,
        pass: Pass,
        offsets: &[u64],
    ) -> Result<Self, Error> {
        shape.validate()?;
        let geometry = Geometry::new(adapter, shape, pass, offsets);
        let pieces = geometry.pieces(adapter)?;
        let widest = pieces.iter().fold((0, 0), |(c, v), p| {
            (
                c.max(p.channels * if geometry.mapping == Mapping::Columns { p.inner } else { 1 }),
                v.max(geometry.walk(p)),
            )
        });
        let (workgroup, lanes) = geometry.workgroup(adapter, widest.0, widest.1);

        let whole = pieces.iter().all(|p| p.turn == 0);
        let owned = workgroup as u64 / lanes as u64;
        let groups = geometry.quads_across(widest.0).div_ceil(owned);
        let unit = lanes as u64 * BLOCK;
        let room = MAX_PARTIAL_BYTES.min(adapter.max_binding / 2)
            / (PARTIAL_ROWS * 4 * row_stride(shape.channels()));
        let turns = pieces.iter().map(|p| p.turn).max().unwrap_or(0) + 1;
        let most_splits = match pass {
            Pass::Inference => u64::MAX,
            _ => (room.min(MAX_SLOTS) / turns).max(1),
        };
        let splits = if groups >= adapter.enough_workgroups() && pass != Pass::Inference {
            1
        } else {
            (adapter.wanted_workgroups() * if pass == Pass::Inference { 4 } else { 1 })
                .div_ceil(groups.max(1))
                .min(widest.1.div_ceil(unit))
                .min(most_splits)
                .max(1)
        };
        let path = if splits == 1 && whole { Path::Fused } else { Path::Split };

        let mut plan = Self {
            mapping: geometry.mapping,
            access: geometry.access,
            workgroup,
            lanes,
            path,
            slots: 0,
            steps: Vec::new(),
            pieces,
        };
        if shape.elements() == 0 {
            plan.pieces.clear();
            return Ok(plan);
        }
        if path == Path::Split && pass != Pass::Inference {
            plan.slots = (splits * turns) as u32;
        }
        let kernels: &[Kernel] = match (pass, path) {
            (Pass::Inference, _) => &[Kernel::Inference],
            (Pass::Training, Path::Fused) => &[Kernel::ForwardFused],
            (Pass::Training, Path::Split) => &[Kernel::ForwardMoments, Kernel::ForwardNormalize],
            (_, Path::Fused) => &[Kernel::BackwardFused],
            (_, Path::Split) => &[Kernel::BackwardSums, Kernel::BackwardInput],
        };
        for &kernel in kernels {
            for (index, piece) in plan.pieces.iter().enumerate() {
                let merges_only = kernel == Kernel::BackwardInput && pass == Pass::BackwardFrozen;
                if merges_only && piece.turn > 0 {
                    continue;
                }
                let splits = if merges_only { 1 } else { splits };
                let params = geometry.params(piece, lanes, splits, plan.slots);
                let across = geometry.quads_across(piece.channels * geometry.columns_inner(piece));
                let total = across.div_ceil(owned) * splits;
                let workgroups = grid(total, adapter.max_workgroups)?;
                plan.steps.push(Step { kernel, piece: index, workgroups, params });
            }
        }
        Ok(plan)
    }

    /// Words of the work buffer: saved statistics and partials.
    pub fn work_words(&self, channels: u32) -> u64 {
        (SAVED_ROWS + PARTIAL_ROWS * self.slots as u64) * row_stride(channels)
    }
}

/// A shape as the kernels see it.
struct Geometry {
    shape: Shape,
    mapping: Mapping,
    access: Access,
    /// Bytes that a window covers before its tensor.
    slack: u64,
    /// Extents that the kernels use: channels last has no inner axis.
    outer: u64,
    channels: u64,
    inner: u64,
}

impl Geometry {
    fn new(adapter: &Adapter, shape: Shape, pass: Pass, offsets: &[u64]) -> Self {
        let (outer, channels, inner) = (shape.outer(), shape.channels() as u64, shape.inner());
        // An elementwise pass may take rows that are no multiple of four as columns, if the
        // whole sample is one: then all its quads are whole. A binding must hold a row of columns.
        let whole_quads =
            pass == Pass::Inference && inner % 4 != 0 && (channels * inner).is_multiple_of(4);
        let fits = channels * inner <= elements_a_binding(adapter);
        let by_column =
            shape.layout() == Layout::ChannelsLast || ((inner == 1 || whole_quads) && fits);
        let (mapping, line) =
            if by_column { (Mapping::Columns, channels * inner) } else { (Mapping::Rows, inner) };
        let whole = line % 4 == 0 && offsets.iter().all(|offset| offset % 16 == 0);
        let access = if whole { Access::Vec4 } else { Access::Scalar };
        // A window starts at the aligned offset before its tensor.
        let slack = offsets.iter().map(|offset| offset % adapter.alignment).max().unwrap_or(0);
        Self { shape, mapping, access, slack, outer, channels, inner }
    }

    fn columns_inner(&self, piece: &Piece) -> u64 {
        if self.mapping == Mapping::Columns { piece.inner } else { 1 }
    }

    /// Quads, or single channels, side by side across the channel axis.
    fn quads_across(&self, extent: u64) -> u64 {
        match self.mapping {
            Mapping::Rows => extent,
            Mapping::Columns => extent.div_ceil(4),
        }
    }

    /// Quads that the lanes of a channel walk: along its line, or down its rows.
    fn walk(&self, piece: &Piece) -> u64 {
        match self.mapping {
            Mapping::Rows => (piece.outer * piece.inner).div_ceil(4),
            Mapping::Columns => piece.outer,
        }
    }

    /// Workgroup size and lanes. Workgroups are full, whatever there is to do: lavapipe (Mesa 22.3)
    /// leaves loops too early in a workgroup narrower than its vectors.
    fn workgroup(&self, adapter: &Adapter, across: u64, walk: u64) -> (u32, u32) {
        let full = adapter.workgroup();
        // A lane should have a block to load at least.
        let most_lanes = previous_power_of_two((walk / BLOCK).clamp(1, full as u64) as u32);
        match self.mapping {
            Mapping::Rows => (full, most_lanes),
            Mapping::Columns => {
                // Neighbouring threads read neighbouring quads: up to 1 KiB in a row.
                let quads = across.div_ceil(4).clamp(1, 64.min(full as u64)) as u32;
                let side = quads.next_power_of_two().min(full);
                (full, (full / side).min(most_lanes))
            }
        }
    }

    /// Cuts the tensor into ranges that one binding covers.
    fn pieces(&self, adapter: &Adapter) -> Result<Vec<Piece>, Error> {
        let limit = elements_a_binding(adapter);
        let sample = self.channels * self.inner;
        let whole = Piece {
            start: 0,
            length: self.outer * sample,
            outer: self.outer,
            first_channel: 0,
            channels: self.channels,
            inner: self.inner,
            turn: 0,
        };
        if whole.length * 4 + self.slack <= adapter.max_binding.min(1 << 32) {
            return Ok(vec![whole]);
        }
        let mut pieces = Vec::new();
        if sample <= limit {
            let step = limit / sample;
            for (turn, first) in (0..self.outer).step_by(step as usize).enumerate() {
                let outer = step.min(self.outer - first);
                let (start, length) = (first * sample, outer * sample);
                pieces.push(Piece { start, length, outer, turn: turn as u64, ..whole });
            }
        } else if self.mapping == Mapping::Columns || limit == 0 {
            let what = "one row of channels in a storage binding, in bytes";
            return Err(Error::LimitExceeded { what, need: sample * 4, limit: limit * 4 });
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

    fn params(&self, piece: &Piece, lanes: u32, splits: u64, slots: u32) -> Params {
        let stride = self.channels * self.inner;
        let chunk = self.walk(piece).div_ceil(splits).next_multiple_of(lanes as u64 * BLOCK);
        let step = 4 * lanes as u64;
        // All of these index within one binding, so they fit 32 bits; the stride alone may not,
        // where a piece has one outer index and never uses it.
        let stride =
            if piece.outer > 1 { stride as u32 } else { (piece.channels * piece.inner) as u32 };
        let count = self.shape.count();
        Params {
            outer: piece.outer as u32,
            channels: piece.channels as u32,
            inner: piece.inner as u32,
            outer_stride: stride,
            first_channel: piece.first_channel as u32,
            all_channels: self.channels as u32,
            row_stride: row_stride(self.shape.channels()) as u32,
            chunk: chunk as u32,
            splits: splits as u32,
            first_slot: (piece.turn * splits) as u32,
            slots,
            step_at: ((step / piece.inner) as u32)
                .wrapping_mul(stride)
                .wrapping_add((step % piece.inner) as u32),
            step_inner: (step % piece.inner) as u32,
            count: count as f32,
            running_divisor: count as f32,
            ..Params::default()
        }
    }
}

/// Elements that one binding covers wherever it starts, a multiple of four: the window starts at an
/// aligned offset before the piece, and bytes are counted in 32 bits.
fn elements_a_binding(adapter: &Adapter) -> u64 {
    adapter.max_binding.min(1 << 32).saturating_sub(adapter.alignment) / 16 * 4
}

/// A grid of at least `total` workgroups, within the limit of each dimension.
fn grid(total: u64, limit: u32) -> Result<[u32; 2], Error> {
    let limit = limit as u64;
    let y = total.div_ceil(limit).max(1);
    if y > limit {
        let what = "workgroups of a dispatch";
        return Err(Error::LimitExceeded { what, need: total, limit: limit * limit });
    }
    Ok([total.div_ceil(y) as u32, y as u32])
}

fn previous_power_of_two(n: u32) -> u32 {
    1 << n.max(1).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GPU: Adapter = Adapter {
        is_cpu: false,
        subgroup: 32,
        max_binding: 128 << 20,
        alignment: 256,
        max_workgroups: 65_535,
        max_invocations: 256,
        max_workgroup_memory: 16_384,
    };
    const LAVAPIPE: Adapter = Adapter { is_cpu: true, subgroup: 8, alignment: 32, ..GPU };
    /// Small enough that small tensors need pieces and grids of two dimensions.
    const TINY: Adapter = Adapter { max_binding: 4096, max_workgroups: 50, ..LAVAPIPE };
    const ADAPTERS: [Adapter; 3] = [GPU, LAVAPIPE, TINY];
    const PASSES: [Pass; 4] =
        [Pass::Training, Pass::Inference, Pass::Backward, Pass::BackwardFrozen];

    fn shapes() -> Vec<Shape> {
        let extents = [1u64, 2, 3, 5, 7, 8, 31, 49, 64, 196, 255, 256, 257, 1000];
        let mut shapes = Vec::new();
        for outer in extents {
            for channels in extents {
                for inner in extents {
                    if outer * channels * inner <= 4_000_000 {
                        shapes.push(Shape::channels_first(outer, channels as u32, inner));
                    }
                }
                shapes.push(Shape::channels_last(outer * 37, channels as u32));
            }
        }
        shapes
    }

    fn plans(check: impl Fn(&Adapter, Shape, Pass, &Plan)) {
        for adapter in &ADAPTERS {
            for shape in shapes() {
                for pass in PASSES {
                    for offsets in [&[0][..], &[0, 4]] {
                        if let Ok(plan) = Plan::new(adapter, shape, pass, offsets) {
                            check(adapter, shape, pass, &plan);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn pieces_cover_every_element_once() {
        plans(|_, shape, _, plan| {
            let mut end = 0;
            for piece in &plan.pieces {
                assert_eq!(piece.start, end, "{shape}: {piece:?}");
                assert_eq!(piece.length, piece.outer * piece.channels * piece.inner);
                end += piece.length;
            }
            assert_eq!(end, shape.elements(), "{shape}");
        });
    }

    #[test]
    fn splits_cover_every_walk_once_and_partials_have_a_slot_each() {
        plans(|_, shape, pass, plan| {
            for step in &plan.steps {
                let (piece, p) = (&plan.pieces[step.piece], step.params);
                let walk = match plan.mapping {
                    Mapping::Rows => (piece.outer * piece.inner).div_ceil(4),
                    Mapping::Columns => piece.outer,
                };
                let covered = p.chunk as u64 * p.splits as u64;
                assert!(covered >= walk, "{shape} {pass:?}: {step:?}");
                if pass != Pass::Inference && plan.path == Path::Split {
                    assert!(p.first_slot + p.splits <= plan.slots.max(1), "{shape}: {step:?}");
                }
                let across =
                    piece.channels * if plan.mapping == Mapping::Columns { piece.inner } else { 1 };
                let items = match plan.mapping {
                    Mapping::Rows => across,
                    Mapping::Columns => across.div_ceil(4),
                };
                let owned = (plan.workgroup / plan.lanes) as u64;
                let [x, y] = step.workgroups.map(u64::from);
                assert!(x * y * owned >= items * p.splits as u64, "{shape}: {step:?}");
                // Not many more than needed: a second row of the grid may be part empty.
                let needed = items.div_ceil(owned) * p.splits as u64;
                assert!(x * y < needed + x.max(y), "{shape}: {step:?}");
            }
        });
    }

    #[test]
    fn every_slot_is_filled_by_one_piece_and_split() {
        plans(|_, shape, pass, plan| {
            if pass == Pass::Inference || plan.slots == 0 {
                return;
            }
            let first = plan.steps[0].kernel;
            let mut filled = vec![0u32; plan.slots as usize * shape.channels() as usize];
            for step in plan.steps.iter().filter(|s| s.kernel == first) {
                let piece = &plan.pieces[step.piece];
                for c in piece.first_channel..piece.first_channel + piece.channels {
                    for split in 0..step.params.splits {
                        let slot = (step.params.first_slot + split) as u64;
                        filled[(c * plan.slots as u64 + slot) as usize] += 1;
                    }
                }
            }
            assert!(filled.iter().all(|&n| n == 1), "{shape} {pass:?}: {plan:?}");
        });
    }

    #[test]
    fn limits_are_kept() {
        plans(|adapter, shape, pass, plan| {
            assert!(plan.workgroup <= adapter.max_invocations);
            assert!(plan.workgroup * BYTES_A_THREAD <= adapter.max_workgroup_memory);
            assert!(plan.lanes.is_power_of_two() && plan.workgroup.is_multiple_of(plan.lanes));
            for piece in &plan.pieces {
                // Pieces after the first may start anywhere.
                let slack = if plan.pieces.len() > 1 { adapter.alignment - 4 } else { 0 };
                let worst = piece.length * 4 + slack;
                assert!(worst <= adapter.max_binding, "{shape} {pass:?}: {piece:?}");
            }
            for step in &plan.steps {
                assert!(step.workgroups.iter().all(|&n| (1..=adapter.max_workgroups).contains(&n)));
            }
            if plan.pieces.len() <= 1 {
                let scratch = plan.work_words(shape.channels()) * 4;
                let rows = SAVED_ROWS + PARTIAL_ROWS * plan.slots as u64;
                let padding = rows * 64 * 4;
                let limit = (1 << 20) + 64 * shape.channels() as u64 + padding;
                assert!(scratch <= limit, "{shape} {pass:?}: {scratch} bytes");
            }
        });
    }

    #[test]
    fn vectors_need_alignment_and_multiples_of_four() {
        let access = |shape, offset: u64| {
            Plan::new(&GPU, shape, Pass::Training, &[0, offset]).unwrap().access
        };
        assert_eq!(access(Shape::nchw(2, 3, 2, 2), 16), Access::Vec4);
        assert_eq!(access(Shape::nchw(2, 3, 2, 2), 8), Access::Scalar);
        assert_eq!(access(Shape::nchw(2, 4, 3, 3), 0), Access::Scalar);
        assert_eq!(access(Shape::channels_last(7, 8), 0), Access::Vec4);
        assert_eq!(access(Shape::channels_last(8, 7), 0), Access::Scalar);
    }

    #[test]
    fn any_pass_takes_two_dispatches_a_piece_at_most() {
        plans(|_, shape, pass, plan| {
            let most = match (pass, plan.path) {
                (Pass::Inference, _) | (_, Path::Fused) => 1,
                _ => 2,
            };
            assert!(plan.steps.len() <= most * plan.pieces.len(), "{shape} {pass:?}: {plan:?}");
        });
    }

    #[test]
    fn a_large_channel_is_split_and_small_ones_share_a_workgroup() {
        let one = Plan::new(&GPU, Shape::ncl(1, 1, 1 << 24), Pass::Training, &[]).unwrap();
        assert!(one.path == Path::Split && one.slots >= 256, "{one:?}");
        let many = Plan::new(&GPU, Shape::ncl(2, 1 << 20, 16), Pass::Training, &[]).unwrap();
        assert!(many.path == Path::Fused && many.lanes == 1, "{many:?}");
    }

    #[test]
    fn an_empty_batch_has_no_steps() {
        for shape in [Shape::nc(0, 4), Shape::ncl(3, 4, 0)] {
            for pass in PASSES {
                assert!(Plan::new(&GPU, shape, pass, &[]).unwrap().steps.is_empty());
            }
        }
    }
}
