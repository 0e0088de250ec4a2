//! Batch normalization on the GPU, for programs that use [`wgpu`]: training, inference and the
//! backward pass, as WGSL compute kernels that record into your encoder, on your device and your
//! buffers.
//!
//! - [`BatchNorm`] is a configuration and its kernels; all layers of a network share one.
//! - [`State`] is what a layer keeps: γ, β, running statistics, the batch count, and gradients.
//! - [`Shape`] tells where the channel axis is: channels first (`[N, C]`, `[N, C, L]`, NCHW, NCDHW)
//!   or channels last.
//! - [`BatchNorm::bind_training`], [`bind_inference`](BatchNorm::bind_inference) and
//!   [`bind_backward`](BatchNorm::bind_backward) tie these to your buffers. They check everything;
//!   what they return only records, and cannot fail.
//! - [`Context`] is the easy path for programs that have no device yet.
//!
//! Beyond the plain layer:
//!
//! - [`BatchNormDescriptor`] also names the [`Activation`] that follows, the [`Element`] type of the
//!   tensors, and batch renormalization.
//! - [`Extras`] has what a forward pass may take besides: a residual, and [`Weights`] of samples or
//!   positions, as masks are. [`Gradients`] chooses what the backward pass gives, and lets an
//!   [`Optimizer`] step γ and β in the same dispatch.
//! - [`Parts`] is a batch in parts, on several devices or one after the other;
//!   [`BatchNorm::bind_ghost_training`] has statistics for groups of samples.
//! - [`Snapshot`] is a layer's state on the host and in files, [`convention`] how other frameworks state
//!   it, and [`fold`](mod@fold) makes it part of the layer before.
//!
//! ```no_run
//! use wgpu_batchnorm::{Backward, BatchNorm, BatchNormDescriptor, Momentum, Shape, State, Training};
//!
//! # fn main() -> Result<(), wgpu_batchnorm::Error> {
//! # let context = wgpu_batchnorm::Context::new()?;
//! # let (device, queue) = (context.device(), context.queue());
//! # let shape = Shape::nchw(32, 64, 56, 56);
//! # let [x, y, dy, dx] = [(); 4].map(|_| context.zeros(shape.elements()).unwrap());
//! // Once.
//! let bn = BatchNorm::new(device, &BatchNormDescriptor { epsilon: 1e-5, ..Default::default() })?;
//! let shape = Shape::nchw(32, 64, 56, 56);
//! let state = State::new(device, shape.channels());
//! let training = Training { x: x.into(), y: y.into(), momentum: Momentum::Exponential(0.1) };
//! let forward = bn.bind_training(device, &state, shape, training)?;
//! let tensors = Backward { dy: dy.into(), dx: dx.into() };
//! let backward = bn.bind_backward(device, &forward, tensors)?;
//!
//! // Each step, among everything else that you record.
//! let mut encoder = device.create_command_encoder(&Default::default());
//! forward.encode(&mut encoder);
//! backward.encode(&mut encoder);
//! queue.submit([encoder.finish()]);
//! # Ok(())
//! # }
//! ```
//!
//! # What is computed
//!
//! For each channel, over its m values in the batch (S. Ioffe, C. Szegedy, "Batch Normalization:
//! Accelerating Deep Network Training by Reducing Internal Covariate Shift", 2015):
//!
//! ```text
//! μ = Σx/m    σ² = Σ(x − μ)²/m    inv_std = 1/√(σ² + ε)    x̂ = (x − μ)·inv_std    y = γ·x̂ + β
//! running ← (1 − α)·running + α·(batch value)
//! dβ = Σdy    dγ = Σdy·x̂    dx = γ·inv_std·(dy − dβ/m − x̂·dγ/m)
//! ```
//!
//! Some course notes print √(σ² − ε). It is + ε: ε keeps the root away from zero.
//!
//! # Accuracy
//!
//! Statistics are sums about a pivot, a value near the mean, and the mean is kept as a pair of numbers, so
//! results stay exact to a few units in the last place where the mean is thousands of times the standard
//! deviation. Of whole numbers, and others of few digits, the sums are exact, as long as they fit the
//! 24 bits of an `f32`. The same input, shape, adapter and driver give the same bits: nothing depends on
//! the order in which workgroups run. (Work is shared out to the cores of a software adapter, so that a machine
//! of another number of them may round otherwise: [`plan::Adapter::cores`].)
//!
//! # Features
//!
//! `vulkan`, `metal`, `dx12`, `gles` and `webgpu` pass through to wgpu; `cpu` adds the module
//! `cpu`, batch norm for programs without any adapter; `safetensors` lets a [`Snapshot`] be read from
//! and written to files of that format. All but `gles` are on by default.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod activation;
mod backward;
mod batch_norm;
mod context;
pub mod convention;
#[cfg(feature = "cpu")]
pub mod cpu;
mod device;
mod element;
mod error;
mod exchange;
pub mod fold;
mod forward;
mod ghost;
mod optimizer;
mod parts;
pub mod plan;
mod probe;
mod record;
pub mod reference;
mod shader;
mod shape;
mod snapshot;
mod state;
mod tensor;
mod weights;

pub use activation::Activation;
pub use backward::{Backward, BackwardPass, Gradients};
pub use batch_norm::{BatchNorm, BatchNormDescriptor, Momentum, RunningVariance};
pub use context::{Context, ContextOptions};
pub use convention::Convention;
pub use element::Element;
pub use error::Error;
pub use exchange::{Exchange, LocalExchange};
pub use forward::{Extras, Forward, Inference, Saved, Training};
pub use ghost::{GhostBackward, GhostForward};
pub use optimizer::{Optimizer, Rule};
pub use parts::{Part, PartPass, Parts};
#[cfg(feature = "safetensors")]
pub use safetensors;
pub use shape::{Layout, Shape};
pub use snapshot::Snapshot;
#[cfg(feature = "safetensors")]
pub use snapshot::SnapshotEntry;
pub use state::{Row, State};
pub use tensor::BufferRange;
pub use weights::Weights;
pub use wgpu;
