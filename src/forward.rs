//! Forward: training and inference.

use crate::plan::{Adapter, Params, Pass, Plan, SAVED_ROWS, row_stride};
use crate::record::{Record, Tensors};
use crate::{BatchNorm, BufferRange, Error, Momentum, Shape, State, device};

/// Tensors and momentum of a training step.
#[derive(Clone, Debug)]
pub struct Training {
    /// Input, `shape` elements of `f32`.
    pub x: BufferRange,
    /// Output, as `x`; must not share bytes with it.
    pub y: BufferRange,
    /// Weight of this batch in the running statistics.
    pub momentum: Momentum,
}

/// Tensors of inference.
#[derive(Clone, Debug)]
pub struct Inference {
    /// Input, `shape` elements of `f32`.
    pub x: BufferRange,
    /// Output, as `x`; must not share bytes with it.
    pub y: BufferRange,
}

/// A statistic that a training step saves for the backward pass: one `f32` a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Saved {
    /// μ, rounded to `f32`. The kernels themselves use [`Pivot`](Self::Pivot) +
    /// [`Remainder`](Self::Remainder), which is more exact.
    Mean = 0,
    /// 1/√(σ² + ε).
    InvStd = 1,
    /// A number near μ.
    Pivot = 2,
    /// μ minus the pivot.
    Remainder = 3,
}

/// A forward pass, bound to its buffers.
///
/// Holds everything that it needs alive; dropping it while recorded work is in flight is fine.
#[derive(Clone, Debug)]
pub struct Forward {
    record: Record,
    pub(crate) pass: Pass,
    /// What the backward pass needs of the layer: it must plan and scale as this pass did.
    pub(crate) adapter: Adapter,
    pub(crate) common: Params,
    pub(crate) shape: Shape,
    pub(crate) state: State,
    pub(crate) x: BufferRange,
    /// Saved statistics and partial results; training only.
    pub(crate) work: Option<wgpu::Buffer>,
}

impl Forward {
    /// Records the pass. Cannot fail, allocates nothing on the GPU, never submits, never waits.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        self.record.encode(encoder);
    }

    /// As [`encode`](Self::encode), into a compute pass of the caller's, whose pipeline and bind
    /// group 0 it replaces.
    pub fn encode_in(&self, pass: &mut wgpu::ComputePass<'_>) {
        self.record.encode_in(pass);
    }

    /// The shape of x and y.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Where a saved statistic is: 4 · C bytes at a multiple of 256, in a buffer with `STORAGE`
    /// and `COPY_SRC`. `None` for inference, which saves nothing.
    pub fn saved(&self, statistic: Saved) -> Option<BufferRange> {
        let channels = self.shape.channels();
        let offset = statistic as u64 * row_stride(channels) * 4;
        self.work.as_ref().map(|work| BufferRange::new(work, offset, channels as u64 * 4))
    }
}

impl BatchNorm {
    /// Binds a training step: y from the statistics of the batch, which are saved for the backward
    /// pass and, if tracked, enter the running statistics.
    ///
    /// μ = Σx/m; σ² = Σ(x − μ)²/m; y = γ·(x − μ)/√(σ² + ε) + β (S. Ioffe, C. Szegedy, "Batch
    /// Normalization", 2015, algorithm 1), over the m = [`Shape::count`] values of each channel.
    ///
    /// # Errors
    /// [`Error::TooFewValues`] if m < 2; [`Error::InvalidMomentum`]; [`Error::InvalidChannels`] and
    /// [`Error::ShapeOverflow`]; [`Error::ChannelMismatch`]; what is wrong with a tensor's range
    /// ([`Error::BufferTooSmall`] and its neighbours, [`Error::Overlap`]); [`Error::LimitExceeded`];
    /// [`Error::Wgpu`] if the device is out of memory. A lost device may go unnoticed here: wgpu
    /// tells its device-lost callback alone. In a browser, what wgpu itself rejects goes to the
    /// device's uncaptured-error handler.
    pub fn bind_training(
        &self,
        device: &wgpu::Device,
        state: &State,
        shape: Shape,
        tensors: Training,
    ) -> Result<Forward, Error> {
        match tensors.momentum {
            Momentum::Exponential(alpha) if !(0.0..=1.0).contains(&alpha) => {
                return Err(Error::InvalidMomentum(alpha));
            }
            _ => {}
        }
        shape.validate()?;
        if shape.count() > u32::MAX as u64 {
            return Err(Error::ShapeOverflow(shape));
        }
        if shape.count() < 2 {
            return Err(Error::TooFewValues { shape, count: shape.count() });
        }
        let Training { x, y, momentum } = tensors;
        self.bind_forward(device, state, shape, Pass::Training, x, y, momentum)
    }

    /// Binds inference: y = γ·(x − running mean)/√(running variance + ε) + β.
    ///
    /// An empty batch is no work and no error.
    ///
    /// # Errors
    /// As [`bind_training`](Self::bind_training), but for those about the batch.
    pub fn bind_inference(
        &self,
        device: &wgpu::Device,
        state: &State,
        shape: Shape,
        tensors: Inference,
    ) -> Result<Forward, Error> {
        let Inference { x, y } = tensors;
        self.bind_forward(device, state, shape, Pass::Inference, x, y, Momentum::default())
    }

    #[allow(clippy::too_many_arguments)]
    fn bind_forward(
        &self,
        device: &wgpu::Device,
        state: &State,
        shape: Shape,
        pass: Pass,
        x: BufferRange,
        y: BufferRange,
        momentum: Momentum,
    ) -> Result<Forward, Error> {
        shape.validate()?;
        state.check(shape.channels())?;
        let elements = shape.elements();
        x.check("x", elements)?;
        y.check("y", elements)?;
        y.check_disjoint("y", &x, "x", elements)?;
        for (name, tensor) in [("x", &x), ("y", &y)] {
            tensor.check_apart(name, state.buffer(), "state")?;
        }
        let plan = Plan::new(&self.adapter, shape, pass, &[x.offset, y.offset])?;
        let work = match pass {
            Pass::Training => {
                // The backward pass shares the buffer. Where its tensors start decides at most
                // whether one binding covers them, so the extremes give the most it takes.
                let channels = shape.channels();
                let mut words = plan.work_words(channels);
                for offset in [0, self.adapter.alignment - 4] {
                    let backward = Plan::new(&self.adapter, shape, Pass::Backward, &[offset])?;
                    words = words.max(backward.work_words(channels));
                }
                Some(self.work_buffer(device, words)?)
            }
            _ => None,
        };
        let common = self.common_params(momentum, shape.count());
        let record = Record::new(
            device,
            &self.pipelines,
            &plan,
            pass,
            common,
            &Tensors {
                state: state.buffer(),
                work: work.as_ref(),
                x: &x,
                y: Some(&y),
                dy: None,
                dx: None,
            },
        )?;
        Ok(Forward {
            record,
            pass,
            adapter: self.adapter,
            common,
            shape,
            state: state.clone(),
            x,
            work,
        })
    }

    pub(crate) fn work_buffer(
        &self,
        device: &wgpu::Device,
        words: u64,
    ) -> Result<wgpu::Buffer, Error> {
        let size = words.max(SAVED_ROWS) * 4;
        let limit = self.adapter.largest_binding();
        if size > limit {
            return Err(Error::LimitExceeded {
                what: "scratch memory, in bytes",
                need: size,
                limit,
            });
        }
        device::scoped(device, || {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("batch_norm.work"),
                size,
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            })
        })
    }
}
