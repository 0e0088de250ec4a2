//! WGSL: the only place that names shader sources.
//!
//! A variant is a kernel, a mapping, an access and a few numbers. Files choose what code there is
//! and are joined in order; override constants choose the numbers.

#[cfg(not(wgpu_batchnorm_mutate))]
macro_rules! wgsl {
    ($($file:literal),*) => { &[$(include_str!(concat!("../../shaders/", $file, ".wgsl"))),*] };
}

/// For `cargo xtask mutate`, which is alone to set this: files as they are when a kernel is compiled.
#[cfg(wgpu_batchnorm_mutate)]
macro_rules! wgsl {
    ($($file:literal),*) => { &*Box::leak(Box::new([$($crate::shader::mutate::text_of($file)),*])) };
}

#[cfg(wgpu_batchnorm_mutate)]
mod mutate {
    pub fn text_of(file: &str) -> &'static str {
        let folder = std::env::var("WGPU_BATCHNORM_SHADERS").expect("a folder of shaders");
        std::fs::read_to_string(format!("{folder}/{file}.wgsl")).expect("a shader").leak()
    }
}

#[cfg(test)]
mod barriers;
mod files;
pub mod fold;
mod pipeline;
#[cfg(test)]
mod tests;
mod variant;

use crate::plan::Pass;
pub use pipeline::Pipelines;
pub use variant::{Features, Memory, Variant};

/// The bindings of a tensor in the shaders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Binding {
    Params = 0,
    State = 1,
    Work = 2,
    X = 3,
    Y = 4,
    Dy = 5,
    Dx = 6,
    Residual = 7,
    DResidual = 8,
    Weights = 9,
}

impl Pass {
    /// What the kernels of the pass bind, in order.
    pub fn bindings(self) -> &'static [Binding] {
        use Binding::*;
        match self {
            Pass::Training => &[Params, State, Work, X, Y, Residual, Weights],
            Pass::Inference => &[Params, State, X, Y, Residual, Weights],
            Pass::Merge => &[Params, State, Work],
            Pass::Backward | Pass::BackwardFrozen => {
                &[Params, State, Work, X, Dy, Dx, Residual, DResidual, Weights]
            }
        }
    }
}

/// An entry of a layout: a uniform block, or a buffer that a kernel may write, since ranges of one
/// buffer must have one usage.
fn layout_entry(binding: u32, is_uniform: bool) -> wgpu::BindGroupLayoutEntry {
    let ty = match is_uniform {
        true => wgpu::BufferBindingType::Uniform,
        false => wgpu::BufferBindingType::Storage { read_only: false },
    };
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    }
}
