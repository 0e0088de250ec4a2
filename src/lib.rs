#![doc = "Batch normalization on the GPU."]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod backward;
mod batch_norm;
mod context;
#[cfg(feature = "cpu")]
pub mod cpu;
mod device;
mod error;
mod forward;
pub mod plan;
mod record;
pub mod reference;
mod shader;
mod shape;
mod state;
mod tensor;

pub use backward::{Backward, BackwardPass};
pub use batch_norm::{BatchNorm, BatchNormDescriptor, Momentum, RunningVariance};
pub use context::{Context, ContextOptions};
pub use error::Error;
pub use forward::{Forward, Inference, Saved, Training};
pub use shape::{Layout, Shape};
pub use state::{Row, State};
pub use tensor::BufferRange;
pub use wgpu;
