//! A batch in parts: on several devices (synchronized batch norm), or one after the other, because it
//! is larger than memory.
//!
//! Each part goes through four passes, of which two give partial results and two merge those of all
//! parts: moments, normalise; sums, input gradient. k parts give what the whole batch would, up to
//! rounding.

mod bind;

use crate::plan::{
    Access, FLAG_RECORD, Kernel, Mapping, Params, Path, Piece, Plan, SAVED_ROWS, Step, grid,
    row_stride,
};
use crate::record::Record;
use crate::{BufferRange, Error, Forward, Shape, device};

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
            period: self.channels,
            inner: 1,
            row_stride: row_stride(self.channels) as u32,
            lanes: 1,
            splits: 1,
            ..params
        };
        let workgroups = grid(total, max_workgroups)?;
        let (mapping, access) = (Mapping::Rows, Access::Vec4);
        let steps = [Kernel::MergeMoments, Kernel::MergeSums, Kernel::RecordStatistics]
            .map(|kernel| Step { kernel, mapping, access, piece: 0, workgroups, params });
        Ok(Plan {
            mapping,
            access,
            workgroup,
            lanes: 1,
            path: Path::Split,
            kept: 0,
            pairs: 0,
            missing: 0,
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
