//! A batch in parts: on several devices (synchronized batch norm), or one after the other, because it
//! is larger than memory.
//!
//! Each part goes through four passes, of which two give partial results and two merge those of all
//! parts: moments, normalise; sums, input gradient. k parts give what the whole batch would, up to
//! rounding.

use crate::forward::{Bound, check_momentum};
use crate::plan::{
    Access, FLAG_ACCUMULATE, FLAG_RECORD, Kernel, Mapping, Params, Pass, Path, Piece, Plan,
    Request, SAVED_ROWS, Step, grid, row_stride,
};
use crate::record::{Configuration, Record, Tensors};
use crate::shader::Features;
use crate::{
    BackwardPass, BatchNorm, BufferRange, Element, Error, Extras, Forward, Gradients, Momentum,
    Shape, State, Training, Weights, device,
};

/// What the parts of a batch exchange, on one device: moments, then sums, a place for each part; and
/// the statistics that follow from them.
///
/// Cloning is cheap and shares the buffer. One `Parts` serves one layer.
#[derive(Clone, Debug)]
pub struct Parts {
    work: wgpu::Buffer,
    channels: u32,
    count: u32,
    /// Partials that a part has room for before they are merged.
    scratch: u32,
}

/// Words of a part's moments (count, pivot, Σ(x − pivot), Σ(x − pivot)²), and of its sums (Σdz,
/// Σdz·(x − mean)), in rows a channel.
const MOMENT_ROWS: u64 = 4;
const SUM_ROWS: u64 = 2;
/// Bytes for partials before they are merged.
const SCRATCH_BYTES: u64 = 1 << 20;

impl Parts {
    /// Room for `count` parts of a layer of `channels` channels: 60 + 16 · `count` bytes a channel, and
    /// 1 MiB.
    ///
    /// # Errors
    /// [`Error::InvalidChannels`]; [`Error::LimitExceeded`] if one binding does not cover it;
    /// [`Error::Wgpu`] if the device is out of memory.
    pub fn new(device: &wgpu::Device, channels: u32, count: u32) -> Result<Self, Error> {
        Shape::nc(1, channels).validate()?;
        let row = row_stride(channels) * 4;
        let scratch = (SCRATCH_BYTES / (MOMENT_ROWS * row)).max(1);
        let rows = SAVED_ROWS + MOMENT_ROWS * (count as u64 + 1 + scratch);
        let size = rows.saturating_mul(row);
        let limits = device.limits();
        let limit = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        if size > limit {
            let what = "the parts of a batch in one storage binding, in bytes";
            return Err(Error::LimitExceeded { what, need: size, limit });
        }
        let work = device::scoped(device, || {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("batch_norm.parts"),
                size,
                usage: wgpu::BufferUsages::STORAGE
                    | wgpu::BufferUsages::COPY_SRC
                    | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        })?;
        Ok(Self { work, channels, count, scratch: scratch as u32 })
    }

    /// Number of parts.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Where a part's moments are: four rows of `f32`, each a value a channel, 256-byte multiples
    /// apart: count, a pivot near the mean, Σ(x − pivot), Σ(x − pivot)²; with weights the sums of each
    /// times its weight. What synchronized batch norm exchanges before it normalises.
    ///
    /// `None` if there is no such part.
    pub fn moments(&self, part: u32) -> Option<BufferRange> {
        self.range(part, MOMENT_ROWS)
    }

    /// Where a part's sums are: two rows as in [`moments`](Self::moments), Σdz and Σdz·(x − mean).
    /// What is exchanged in the backward pass. They take the place of the moments.
    ///
    /// `None` if there is no such part.
    pub fn sums(&self, part: u32) -> Option<BufferRange> {
        self.range(part, SUM_ROWS)
    }

    fn range(&self, part: u32, rows: u64) -> Option<BufferRange> {
        let row = row_stride(self.channels) * 4;
        let offset = (SAVED_ROWS + rows * part as u64) * row;
        (part < self.count).then(|| BufferRange::new(&self.work, offset, rows * row))
    }

    /// Empties all parts, before whatever is submitted next.
    pub fn clear(&self, queue: &wgpu::Queue) {
        let row = row_stride(self.channels) * 4;
        let zeros = vec![0; (MOMENT_ROWS * self.count as u64 * row) as usize];
        queue.write_buffer(&self.work, SAVED_ROWS * row, &zeros);
    }

    /// A plan of a part, whose partials go behind the parts: for `Kernel`s that write partials.
    fn scratch_plan(&self, mut plan: Plan) -> Result<Plan, Error> {
        if plan.slots > self.scratch {
            let what = "partial results of a part";
            let (need, limit) = (plan.slots as u64, self.scratch as u64);
            return Err(Error::LimitExceeded { what, need, limit });
        }
        for step in &mut plan.steps {
            step.params.first_slot += self.scratch_slot();
        }
        Ok(plan)
    }

    /// Behind the parts, where all of them are merged: one partial, so that each part's kernel, whatever
    /// its plan, has the same bits to start from.
    fn merged_slot(&self) -> u32 {
        self.count
    }

    /// Where partials of a part's splits begin.
    fn scratch_slot(&self) -> u32 {
        self.count + 1
    }

    /// A plan of a part that starts from all parts. The one that `leads` writes what there is one of a
    /// channel.
    fn merged_plan(&self, mut plan: Plan, leads: bool) -> Plan {
        plan.slots = 1;
        for step in &mut plan.steps {
            step.params.part = self.merged_slot();
            step.params.slots = 1;
            step.params.count = 0.0;
            if !leads {
                step.params.flags &= !FLAG_RECORD;
            }
        }
        plan
    }

    /// A plan of one dispatch over channels.
    fn channel_plan(
        &self,
        workgroup: u32,
        max_workgroups: u32,
        params: Params,
    ) -> Result<Plan, Error> {
        let total = (self.channels as u64).div_ceil(workgroup as u64);
        let piece = Piece {
            start: 0,
            length: 0,
            outer: 0,
            first_channel: 0,
            channels: self.channels as u64,
            inner: 1,
            turn: 0,
        };
        let params = Params {
            channels: self.channels,
            inner: 1,
            row_stride: row_stride(self.channels) as u32,
            lanes: 1,
            splits: 1,
            ..params
        };
        let workgroups = grid(total, max_workgroups)?;
        let steps = [Kernel::MergeMoments, Kernel::MergeSums, Kernel::RecordStatistics]
            .map(|kernel| Step { kernel, piece: 0, workgroups, params });
        Ok(Plan {
            mapping: Mapping::Rows,
            access: Access::Vec4,
            workgroup,
            lanes: 1,
            path: Path::Split,
            kept: 0,
            chunks: 1,
            pieces: vec![piece],
            slots: params.slots,
            steps: steps.into(),
        })
    }
}

/// What a part adds to what is exchanged: recorded before the exchange.
#[derive(Clone, Debug)]
pub struct PartPass {
    record: Record,
}

impl PartPass {
    /// Records the pass. Cannot fail, allocates nothing on the GPU, never submits, never waits.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        self.record.encode(encoder);
    }

    /// As [`encode`](Self::encode), into a compute pass of the caller's, whose pipeline and bind
    /// group 0 it replaces.
    pub fn encode_in(&self, pass: &mut wgpu::ComputePass<'_>) {
        self.record.encode_in(pass);
    }
}

/// Whether a part takes its place, or adds to what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The part with this index, replacing what was there.
    At(u32),
    /// Added to the part with this index: any number of batches in one place.
    AddTo(u32),
}

impl Part {
    fn check(self, parts: &Parts) -> Result<(), Error> {
        let (Part::At(part) | Part::AddTo(part)) = self;
        match part < parts.count {
            true => Ok(()),
            false => Err(Error::NoSuchPart { part, parts: parts.count }),
        }
    }
}

impl BatchNorm {
    /// Binds the moments of a part of a batch: count, sum and sum of squares of x, about a pivot and with
    /// weights, into its place.
    ///
    /// # Errors
    /// As [`bind_training`](Self::bind_training), but for those about y and the number of values: a
    /// part may have one. [`Error::NoSuchPart`]; [`Error::WeightCount`].
    pub fn bind_part_moments(
        &self,
        device: &wgpu::Device,
        shape: Shape,
        x: impl Into<BufferRange>,
        weights: Option<Weights>,
        parts: &Parts,
        place: Part,
    ) -> Result<PartPass, Error> {
        let x = x.into();
        let element = self.descriptor.element;
        place.check(parts)?;
        shape.validate()?;
        parts.check(shape)?;
        if shape.count() > u32::MAX as u64 {
            return Err(Error::ShapeOverflow(shape));
        }
        x.check("x", shape.elements(), element)?;
        x.check_apart("x", &parts.work, "parts")?;
        if let Some(weights) = &weights {
            weights.check(shape, self.adapter.largest_binding())?;
            weights.range.check_apart("weights", &parts.work, "parts")?;
        }
        let extras = Extras { residual: None, weights };
        let offsets = [x.offset];
        let weighted = extras.weights.is_some();
        let request =
            Request { element, weighted, in_parts: true, ..Request::new(Pass::Training, &offsets) };
        let plan = parts.scratch_plan(Plan::new(&self.adapter, shape, &request)?)?;
        let configuration = Configuration {
            pass: Pass::Training,
            element,
            features: Features { weighted, ..Features::plain() },
            common: Params::default(),
        };
        let tensors = Tensors {
            work: Some(&parts.work),
            x: Some(&x),
            weights: extras.weights.as_ref(),
            weight_span: extras.weight_span(shape),
            ..Tensors::default()
        };
        let kernels = [Kernel::ForwardMoments];
        let partials =
            Record::new(device, &self.pipelines, &plan, &kernels, &configuration, &tensors)?;
        let merge = self.bind_merge_part(device, parts, Kernel::MergeMoments, plan.slots, place)?;
        Ok(PartPass { record: merge.after(partials) })
    }

    /// Binds what follows the moments of all parts: y of one part, and, if this part `leads`, saved and
    /// running statistics of the whole batch. On each device one part leads; it is recorded before the
    /// others, which start from what it merges.
    ///
    /// Batch renormalization is not available in parts.
    ///
    /// # Errors
    /// As [`bind_training`](Self::bind_training), but for the number of values;
    /// [`Error::WeightCount`].
    #[allow(clippy::too_many_arguments)]
    pub fn bind_part_normalize(
        &self,
        device: &wgpu::Device,
        state: &State,
        shape: Shape,
        tensors: Training,
        extras: Extras,
        parts: &Parts,
        leads: bool,
    ) -> Result<Forward, Error> {
        parts.check(shape)?;
        if self.descriptor.renormalize {
            return Err(Error::NotInParts("batch renormalization"));
        }
        check_momentum(tensors.momentum)?;
        let bound = Bound::training(state, shape, tensors, extras);
        let merged = |plan| parts.merged_plan(plan, leads);
        let mut forward = self.bind_merged_forward(device, bound, &parts.work, merged)?;
        if leads {
            forward.record =
                forward.record.after(self.bind_merge_all(device, parts, Kernel::MergeMoments)?);
        }
        Ok(forward)
    }

    /// Binds the sums of a part, after its forward pass: Σdz and Σdz·(x − mean), into its place.
    ///
    /// # Errors
    /// As [`bind_backward`](Self::bind_backward), but for those about dx; [`Error::NoSuchPart`].
    pub fn bind_part_sums(
        &self,
        device: &wgpu::Device,
        forward: &Forward,
        dy: impl Into<BufferRange>,
        parts: &Parts,
        place: Part,
    ) -> Result<PartPass, Error> {
        place.check(parts)?;
        parts.check_forward(forward)?;
        let placed = |plan| parts.scratch_plan(plan);
        let (partials, slots) = self.bind_sums(device, forward, dy.into(), placed)?;
        let merge = self.bind_merge_part(device, parts, Kernel::MergeSums, slots, place)?;
        Ok(PartPass { record: merge.after(partials.record) })
    }

    /// Binds what follows the sums of all parts: dx (and dresidual) of one part, and, if this part
    /// `leads`, dγ, dβ and the optimizer's step. It is the part that leads the forward pass, and again
    /// recorded first.
    ///
    /// # Errors
    /// As [`bind_backward_with`](Self::bind_backward_with).
    pub fn bind_part_input(
        &self,
        device: &wgpu::Device,
        forward: &Forward,
        dy: impl Into<BufferRange>,
        gradients: Gradients,
        parts: &Parts,
        leads: bool,
    ) -> Result<BackwardPass, Error> {
        parts.check_forward(forward)?;
        let merged = |plan| parts.merged_plan(plan, leads);
        let mut pass = self.bind_merged_backward(device, forward, dy.into(), gradients, merged)?;
        if leads {
            pass.record =
                pass.record.after(self.bind_merge_all(device, parts, Kernel::MergeSums)?);
        }
        Ok(pass)
    }

    /// Binds running statistics from the moments of all parts, without y: for precise statistics, those
    /// of a set of batches under the weights as they are ([`Part::AddTo`] one place, then this with
    /// `Momentum::Exponential(1.0)`), which replaces what training tracked by an exact average.
    ///
    /// # Errors
    /// [`Error::ChannelMismatch`]; [`Error::InvalidMomentum`]; [`Error::Wgpu`].
    pub fn bind_part_statistics(
        &self,
        device: &wgpu::Device,
        state: &State,
        parts: &Parts,
        momentum: Momentum,
    ) -> Result<PartPass, Error> {
        state.check(parts.channels)?;
        check_momentum(momentum)?;
        let params = Params { slots: parts.count, flags: FLAG_RECORD, ..Params::default() };
        let kernel = Kernel::RecordStatistics;
        let record = self.bind_merge(device, Some(state), parts, kernel, params, Some(momentum))?;
        Ok(PartPass { record })
    }

    /// The partial results of a part's splits into its place.
    fn bind_merge_part(
        &self,
        device: &wgpu::Device,
        parts: &Parts,
        kernel: Kernel,
        slots: u32,
        place: Part,
    ) -> Result<Record, Error> {
        let (part, flags) = match place {
            Part::At(part) => (part, 0),
            Part::AddTo(part) => (part, FLAG_ACCUMULATE),
        };
        let first_slot = parts.scratch_slot();
        let params = Params { first_slot, slots, part, flags, ..Params::default() };
        self.bind_merge(device, None, parts, kernel, params, None)
    }

    /// All parts into one.
    fn bind_merge_all(
        &self,
        device: &wgpu::Device,
        parts: &Parts,
        kernel: Kernel,
    ) -> Result<Record, Error> {
        let (slots, part) = (parts.count, parts.merged_slot());
        let params = Params { slots, part, ..Params::default() };
        self.bind_merge(device, None, parts, kernel, params, None)
    }

    fn bind_merge(
        &self,
        device: &wgpu::Device,
        state: Option<&State>,
        parts: &Parts,
        kernel: Kernel,
        params: Params,
        momentum: Option<Momentum>,
    ) -> Result<Record, Error> {
        let (workgroup, most) = (self.adapter.full_workgroup(), self.adapter.max_workgroups);
        let plan = parts.channel_plan(workgroup, most, params)?;
        let configuration = Configuration {
            pass: Pass::Merge,
            element: Element::F32,
            features: Features::plain(),
            common: momentum.map_or(Params::default(), |momentum| self.common_params(momentum)),
        };
        let tensors = Tensors {
            state: state.map(|state| state.buffer()),
            work: Some(&parts.work),
            ..Tensors::default()
        };
        Record::new(device, &self.pipelines, &plan, &[kernel], &configuration, &tensors)
    }
}

impl Parts {
    fn check(&self, shape: Shape) -> Result<(), Error> {
        let (need, have) = (shape.channels(), self.channels);
        if need == have { Ok(()) } else { Err(Error::ChannelMismatch { need, have }) }
    }

    /// Refuses a forward pass that is not one of these parts.
    fn check_forward(&self, forward: &Forward) -> Result<(), Error> {
        match &forward.work {
            Some(work) if *work == self.work => Ok(()),
            _ => Err(Error::NotInParts("the backward pass of a whole batch")),
        }
    }
}
