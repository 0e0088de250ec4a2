//! Forward: training and inference.

mod bound;

use crate::plan::{Adapter, Kernel, Params, Pass, Plan, Request, SAVED_ROWS, row_stride};
use crate::record::{Configuration, Record, Tensors};
use crate::shader::Features;
use crate::{
    Activation, BatchNorm, BufferRange, Element, Error, Momentum, Shape, State, Weights, device,
};
use bound::check_batch;
pub(crate) use bound::{Bound, check_momentum};

/// Tensors and momentum of a training step.
#[derive(Clone, Debug)]
pub struct Training {
    /// Input, as many elements as the shape has, of the type that the configuration names.
    pub x: BufferRange,
    /// Output, as `x`. The range of `x` itself computes in place; any other must not overlap it.
    pub y: BufferRange,
    /// Weight of this batch in the running statistics.
    pub momentum: Momentum,
}

/// Tensors of inference.
#[derive(Clone, Debug)]
pub struct Inference {
    /// Input, as many elements as the shape has, of the type that the configuration names.
    pub x: BufferRange,
    /// Output, as `x`. The range of `x` itself computes in place; any other must not overlap it.
    pub y: BufferRange,
}

/// Tensors that a forward pass may have beside its own; none by default.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// Added before the activation, as x: y = act(γ·x̂ + β + residual).
    pub residual: Option<BufferRange>,
    /// Weights of samples or positions: a mask, where they are 0 and 1.
    pub weights: Option<Weights>,
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
    /// What x − μ is multiplied by: γ·inv_std, with batch renormalization γ·r·inv_std.
    Scale = 4,
    /// What is added then: β, with batch renormalization β + γ·d.
    Shift = 5,
    /// m, the number of values; with weights their sum.
    Count = 6,
    /// r of batch renormalization, else 1.
    RenormR = 7,
    /// d of batch renormalization, else 0.
    RenormD = 8,
}

/// A forward pass, bound to its buffers.
///
/// Holds everything that it needs alive; dropping it while recorded work is in flight is fine.
#[derive(Clone, Debug)]
pub struct Forward {
    pub(crate) record: Record,
    pub(crate) pass: Pass,
    /// What the backward pass needs of the layer: it must plan and scale as this pass did.
    pub(crate) adapter: Adapter,
    pub(crate) common: Params,
    pub(crate) element: Element,
    pub(crate) activation: Activation,
    pub(crate) in_place: bool,
    pub(crate) renormalize: bool,
    pub(crate) shape: Shape,
    pub(crate) state: State,
    pub(crate) x: BufferRange,
    pub(crate) extras: Extras,
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
    /// Normalization", 2015, algorithm 1), over the m = [`Shape::count`] values of each channel; then
    /// the configuration's activation.
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
        self.bind_training_with(device, state, shape, tensors, Extras::default())
    }

    /// As [`bind_training`](Self::bind_training), with a residual or weights.
    ///
    /// With weights w: m = Σw, μ = Σw·x/m, σ² = Σw·(x − μ)²/m, and the unbiased running variance takes
    /// σ²·m/(m − 1), or σ² where m ≤ 1. Where w is 0, y is 0 and nothing stored there matters. A batch
    /// whose weights are all 0 leaves the running statistics as they are.
    ///
    /// # Errors
    /// As [`bind_training`](Self::bind_training); [`Error::WeightCount`].
    pub fn bind_training_with(
        &self,
        device: &wgpu::Device,
        state: &State,
        shape: Shape,
        tensors: Training,
        extras: Extras,
    ) -> Result<Forward, Error> {
        check_batch(shape, tensors.momentum)?;
        self.bind_forward(device, Bound::training(state, shape, tensors, extras))
    }

    /// Binds inference: y = γ·(x − running mean)/√(running variance + ε) + β, then the
    /// configuration's activation.
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
        self.bind_inference_with(device, state, shape, tensors, Extras::default())
    }

    /// As [`bind_inference`](Self::bind_inference), with a residual, or weights: where they are 0, y
    /// is 0.
    ///
    /// # Errors
    /// As [`bind_inference`](Self::bind_inference); [`Error::WeightCount`].
    pub fn bind_inference_with(
        &self,
        device: &wgpu::Device,
        state: &State,
        shape: Shape,
        tensors: Inference,
        extras: Extras,
    ) -> Result<Forward, Error> {
        let Inference { x, y } = tensors;
        let (pass, momentum) = (Pass::Inference, Momentum::default());
        self.bind_forward(device, Bound { state, shape, pass, x, y, extras, momentum })
    }

    fn bind_forward(&self, device: &wgpu::Device, bound: Bound<'_>) -> Result<Forward, Error> {
        let in_place = self.check_forward(&bound)?;
        let element = self.descriptor.element;
        let offsets = bound.offsets();
        let request = Request {
            element,
            weighted: bound.extras.weights.is_some(),
            ..Request::new(bound.pass, &offsets)
        };
        let plan = Plan::new(&self.adapter, bound.shape, &request)?;
        let work = match bound.pass {
            Pass::Training => {
                // The backward pass shares the buffer. Where its tensors start decides whether one
                // binding covers them, and whether they do at a pair of quads: the extremes of both give
                // the most it takes.
                let channels = bound.shape.channels();
                let mut words = plan.work_words(channels);
                let last =
                    |elements| self.adapter.alignment.saturating_sub(elements * element.size());
                for offset in [0, element.size(), last(8), last(1)] {
                    let offsets = &[offset];
                    let request = Request { pass: Pass::Backward, offsets, ..request };
                    let backward = Plan::new(&self.adapter, bound.shape, &request)?;
                    words = words.max(backward.work_words(channels));
                }
                Some(self.work_buffer(device, words)?)
            }
            _ => None,
        };
        let kernels = [
            Kernel::ForwardOnChip,
            Kernel::ForwardFused,
            Kernel::ForwardMoments,
            Kernel::ForwardNormalize,
            Kernel::Inference,
        ];
        self.record_forward(device, bound, in_place, &plan, &kernels, work)
    }

    /// The second half of a forward pass, which takes moments of all parts of a batch from `work`.
    pub(crate) fn bind_merged_forward(
        &self,
        device: &wgpu::Device,
        bound: Bound<'_>,
        work: &wgpu::Buffer,
        merged: impl FnOnce(Plan) -> Plan,
    ) -> Result<Forward, Error> {
        let in_place = self.check_forward(&bound)?;
        for (name, tensor) in bound.tensors() {
            tensor.check_apart(name, work, "parts")?;
        }
        let offsets = bound.offsets();
        let request = Request {
            element: self.descriptor.element,
            weighted: bound.extras.weights.is_some(),
            in_parts: true,
            ..Request::new(bound.pass, &offsets)
        };
        let plan = merged(Plan::new(&self.adapter, bound.shape, &request)?);
        let (kernels, work) = ([Kernel::ForwardNormalize], Some(work.clone()));
        self.record_forward(device, bound, in_place, &plan, &kernels, work)
    }

    fn record_forward(
        &self,
        device: &wgpu::Device,
        bound: Bound<'_>,
        in_place: bool,
        plan: &Plan,
        kernels: &[Kernel],
        work: Option<wgpu::Buffer>,
    ) -> Result<Forward, Error> {
        let Bound { state, shape, pass, x, y, extras, momentum } = bound;
        let element = self.descriptor.element;
        let common = self.common_params(momentum);
        let renormalize = self.descriptor.renormalize && pass == Pass::Training;
        let configuration = Configuration {
            pass,
            element,
            features: Features {
                activation: self.descriptor.activation.into(),
                residual: extras.residual.is_some(),
                weighted: extras.weights.is_some(),
                in_place,
                renormalize,
                ..Features::plain()
            },
            common,
        };
        let tensors = Tensors {
            state: Some(state.buffer()),
            work: work.as_ref(),
            x: Some(&x),
            y: Some(&y).filter(|_| !in_place),
            residual: extras.residual.as_ref(),
            weights: extras.weights.as_ref(),
            weight_span: extras.weight_span(shape),
            ..Tensors::default()
        };
        let record = Record::new(device, &self.pipelines, plan, kernels, &configuration, &tensors)?;
        Ok(Forward {
            record,
            pass,
            adapter: self.adapter,
            common,
            element,
            activation: self.descriptor.activation,
            in_place,
            renormalize,
            shape,
            state: state.clone(),
            x,
            extras,
            work,
        })
    }

    /// Checks what a forward pass reads and writes; tells whether it computes in place.
    pub(crate) fn check_forward(&self, bound: &Bound<'_>) -> Result<bool, Error> {
        let Bound { state, shape, x, y, extras, .. } = bound;
        shape.validate()?;
        state.check(shape.channels())?;
        let element = self.descriptor.element;
        let (elements, bytes) = (shape.elements(), shape.elements() * element.size());
        let in_place = y.is_same(x);
        x.check("x", elements, element)?;
        y.check("y", elements, element)?;
        if !in_place {
            y.check_disjoint("y", x, "x", bytes, bytes)?;
        }
        if let Some(residual) = &extras.residual {
            residual.check("residual", elements, element)?;
            y.check_disjoint("y", residual, "residual", bytes, bytes)?;
        }
        if let Some(weights) = &extras.weights {
            weights.check(*shape, self.adapter.largest_binding())?;
            y.check_disjoint("y", &weights.range, "weights", bytes, weights.count * 4)?;
        }
        for (name, tensor) in bound.tensors() {
            tensor.check_apart(name, state.buffer(), "state")?;
        }
        Ok(in_place)
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

impl Extras {
    pub(crate) fn weight_span(&self, shape: Shape) -> u32 {
        self.weights.as_ref().map_or(1, |w| w.span(shape))
    }
}
