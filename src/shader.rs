//! WGSL: the only place that names shader sources.
//!
//! A variant is a kernel, a mapping, an access and a few numbers. Files choose what code there is
//! and are joined in order; override constants choose the numbers.

#[cfg(test)]
mod barriers;
pub mod fold;
mod pipeline;
#[cfg(test)]
mod tests;

use crate::plan::{Access, Adapter, Kernel, Mapping, Pass, Plan};
use crate::{Activation, Element};
pub use pipeline::Pipelines;

#[cfg(not(wgpu_batchnorm_mutate))]
macro_rules! wgsl {
    ($($file:literal),*) => { &[$(include_str!(concat!("../shaders/", $file, ".wgsl"))),*] };
}

/// For `cargo xtask mutate`, which is alone to set this: files as they are when a kernel is compiled.
#[cfg(wgpu_batchnorm_mutate)]
macro_rules! wgsl {
    ($($file:literal),*) => { &*Box::leak(Box::new([$(mutate::text_of($file)),*])) };
}

#[cfg(wgpu_batchnorm_mutate)]
mod mutate {
    pub fn text_of(file: &str) -> &'static str {
        let folder = std::env::var("WGPU_BATCHNORM_SHADERS").expect("a folder of shaders");
        std::fs::read_to_string(format!("{folder}/{file}.wgsl")).expect("a shader").leak()
    }
}

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

impl Kernel {
    /// Entry point; also the file's name, and the label after `batch_norm.`.
    pub fn name(self) -> &'static str {
        match self {
            Kernel::ForwardOnChip => "forward_on_chip",
            Kernel::ForwardFused => "forward_fused",
            Kernel::ForwardMoments => "forward_moments",
            Kernel::ForwardNormalize => "forward_normalize",
            Kernel::Inference => "inference",
            Kernel::BackwardOnChip => "backward_on_chip",
            Kernel::BackwardFused => "backward_fused",
            Kernel::BackwardSums => "backward_sums",
            Kernel::BackwardInput => "backward_input",
            Kernel::MergeMoments => "merge_moments",
            Kernel::MergeSums => "merge_sums",
            Kernel::RecordStatistics => "record_statistics",
        }
    }

    /// The kernel's file, after those that it needs besides parameters, tensor, mapping and weights.
    fn files(self, mapping: Mapping) -> &'static [&'static str] {
        match mapping {
            Mapping::Rows | Mapping::Columns => self.walk_files(),
            Mapping::Tiles => self.tile_files(),
            Mapping::Strips => self.strip_files(),
            Mapping::Lines => self.line_files(),
            Mapping::Runs => self.run_files(),
        }
    }

    #[rustfmt::skip]
    fn walk_files(self) -> &'static [&'static str] {
        match self {
            Kernel::ForwardOnChip => wgsl!(
                "moments", "block_moments", "normalize", "quads/residual", "quads/normalize",
                "settings", "statistics",
                "walk/merge_lanes", "walk/kept", "walk/forward_on_chip"
            ),
            Kernel::ForwardFused => wgsl!(
                "moments", "block_moments", "normalize", "quads/residual", "quads/normalize",
                "settings", "statistics",
                "walk/merge_lanes", "walk/moments", "walk/normalize", "walk/forward_fused"
            ),
            Kernel::ForwardMoments => wgsl!(
                "moments", "block_moments", "partial_moments",
                "walk/merge_lanes", "walk/moments", "walk/forward_moments"
            ),
            Kernel::ForwardNormalize => wgsl!(
                "moments", "partial_moments", "normalize", "quads/residual", "quads/normalize",
                "settings", "statistics",
                "walk/merge_lanes", "walk/normalize", "walk/forward_normalize"
            ),
            Kernel::Inference => wgsl!(
                "normalize", "quads/residual", "quads/normalize",
                "walk/normalize", "walk/inference"
            ),
            Kernel::BackwardOnChip => wgsl!(
                "normalize", "gradient_sums", "gradient_input",
                "quads/residual", "quads/gradient_sums", "quads/gradient_input",
                "settings", "optimizer", "affine_gradients",
                "walk/add_lanes", "walk/backward_on_chip"
            ),
            Kernel::BackwardFused => wgsl!(
                "normalize", "gradient_sums", "gradient_input",
                "quads/residual", "quads/gradient_sums", "quads/gradient_input",
                "settings", "optimizer", "affine_gradients",
                "walk/add_lanes", "walk/sums", "walk/input", "walk/backward_fused"
            ),
            Kernel::BackwardSums => wgsl!(
                "normalize", "gradient_sums", "partial_sums",
                "quads/residual", "quads/gradient_sums",
                "walk/add_lanes", "walk/sums", "walk/backward_sums"
            ),
            Kernel::BackwardInput => wgsl!(
                "normalize", "gradient_sums", "partial_sums", "gradient_input",
                "quads/residual", "quads/gradient_sums", "quads/gradient_input",
                "settings", "optimizer", "affine_gradients",
                "walk/add_lanes", "walk/input", "walk/backward_input"
            ),
            Kernel::MergeMoments => wgsl!("moments", "partial_moments", "walk/merge_moments"),
            Kernel::MergeSums => wgsl!(
                "normalize", "gradient_sums", "partial_sums",
                "walk/merge_sums"
            ),
            Kernel::RecordStatistics => wgsl!(
                "moments", "partial_moments", "normalize", "settings", "statistics",
                "walk/record_statistics"
            ),
        }
    }

    #[rustfmt::skip]
    fn tile_files(self) -> &'static [&'static str] {
        match self {
            Kernel::ForwardFused => wgsl!(
                "moments", "block_moments", "normalize", "quads/residual", "quads/normalize",
                "settings", "statistics",
                "tile/moments", "quads/affine", "tile/share_affine", "tile/normalize",
                "tile/forward_fused"
            ),
            Kernel::ForwardMoments => wgsl!(
                "moments", "block_moments", "partial_moments",
                "tile/moments", "tile/forward_moments"
            ),
            Kernel::ForwardNormalize => wgsl!(
                "moments", "partial_moments", "normalize", "quads/residual", "quads/normalize",
                "settings", "statistics",
                "quads/affine", "tile/share_affine", "tile/normalize", "tile/forward_normalize"
            ),
            Kernel::Inference => wgsl!(
                "normalize", "quads/residual", "quads/normalize",
                "quads/affine", "tile/load_affine", "tile/normalize", "tile/inference"
            ),
            Kernel::BackwardFused => wgsl!(
                "normalize", "gradient_sums", "gradient_input",
                "quads/residual", "quads/gradient_sums", "quads/gradient_input",
                "settings", "optimizer", "affine_gradients",
                "quads/affine", "tile/load_affine", "tile/sums", "tile/input", "tile/backward_fused"
            ),
            Kernel::BackwardSums => wgsl!(
                "normalize", "gradient_sums", "partial_sums",
                "quads/residual", "quads/gradient_sums",
                "quads/affine", "tile/load_affine", "tile/sums", "tile/backward_sums"
            ),
            Kernel::BackwardInput => wgsl!(
                "normalize", "gradient_sums", "partial_sums", "gradient_input",
                "quads/residual", "quads/gradient_sums", "quads/gradient_input",
                "settings", "optimizer", "affine_gradients",
                "quads/affine", "tile/load_affine", "tile/sums", "tile/input", "tile/backward_input"
            ),
            // A tile is kept by nothing but the caches; the others have channels, and no quads.
            Kernel::ForwardOnChip
            | Kernel::BackwardOnChip
            | Kernel::MergeMoments | Kernel::MergeSums | Kernel::RecordStatistics => {
                self.walk_files()
            }
        }
    }

    #[rustfmt::skip]
    fn strip_files(self) -> &'static [&'static str] {
        match self {
            Kernel::ForwardMoments => wgsl!(
                "moments", "block_moments", "partial_moments",
                "strip/rows", "strip/moments", "strip/forward_moments"
            ),
            Kernel::ForwardNormalize => wgsl!(
                "moments", "partial_moments", "normalize", "settings", "statistics",
                "quads/affine", "pairs/residual", "pairs/normalize",
                "strip/normalize", "strip/forward_normalize"
            ),
            Kernel::Inference => wgsl!(
                "normalize",
                "quads/affine", "pairs/residual", "pairs/normalize",
                "strip/normalize", "strip/inference"
            ),
            Kernel::BackwardSums => wgsl!(
                "normalize", "gradient_sums", "partial_sums",
                "quads/affine", "pairs/residual", "pairs/gradient_sums",
                "strip/gradients", "strip/rows", "strip/sums", "strip/backward_sums"
            ),
            Kernel::BackwardInput => wgsl!(
                "normalize", "gradient_sums", "partial_sums", "gradient_input",
                "settings", "optimizer", "affine_gradients",
                "quads/affine", "pairs/residual", "pairs/gradient_sums", "pairs/gradient_input",
                "strip/gradients", "strip/input", "strip/backward_input"
            ),
            // A strip's threads wait for no other, and so have no channel whole; the others have no quads.
            Kernel::ForwardOnChip | Kernel::ForwardFused
            | Kernel::BackwardOnChip | Kernel::BackwardFused
            | Kernel::MergeMoments | Kernel::MergeSums | Kernel::RecordStatistics => {
                self.walk_files()
            }
        }
    }

    #[rustfmt::skip]
    fn line_files(self) -> &'static [&'static str] {
        match self {
            Kernel::ForwardMoments => wgsl!(
                "moments", "block_moments", "partial_moments",
                "pairs/moments", "line/cursor", "line/moments", "line/forward_moments"
            ),
            Kernel::ForwardNormalize => wgsl!(
                "moments", "partial_moments", "normalize", "settings", "statistics",
                "pairs/residual", "pairs/normalize",
                "pairs/affine", "line/normalize", "line/forward_normalize"
            ),
            Kernel::Inference => wgsl!(
                "normalize", "pairs/residual", "pairs/normalize",
                "pairs/affine", "line/normalize", "line/inference"
            ),
            Kernel::BackwardSums => wgsl!(
                "normalize", "gradient_sums", "partial_sums",
                "pairs/residual", "pairs/gradient_sums",
                "pairs/affine", "pairs/channel_sums", "line/sums", "line/backward_sums"
            ),
            Kernel::BackwardInput => wgsl!(
                "normalize", "gradient_sums", "partial_sums", "gradient_input",
                "settings", "optimizer", "affine_gradients",
                "pairs/residual", "pairs/gradient_sums", "pairs/gradient_input",
                "pairs/affine", "pairs/corrections", "line/input", "line/backward_input"
            ),
            // As in strips.
            Kernel::ForwardOnChip | Kernel::ForwardFused
            | Kernel::BackwardOnChip | Kernel::BackwardFused
            | Kernel::MergeMoments | Kernel::MergeSums | Kernel::RecordStatistics => {
                self.walk_files()
            }
        }
    }

    #[rustfmt::skip]
    fn run_files(self) -> &'static [&'static str] {
        match self {
            Kernel::ForwardMoments => wgsl!(
                "moments", "block_moments", "partial_moments",
                "pairs/moments", "run/moments", "run/forward_moments"
            ),
            Kernel::ForwardNormalize => wgsl!(
                "moments", "partial_moments", "normalize", "settings", "statistics",
                "pairs/residual", "pairs/normalize",
                "pairs/affine", "run/cut", "run/normalize", "run/forward_normalize"
            ),
            Kernel::Inference => wgsl!(
                "normalize", "pairs/residual", "pairs/normalize",
                "pairs/affine", "run/cut", "run/normalize", "run/inference"
            ),
            Kernel::BackwardSums => wgsl!(
                "normalize", "gradient_sums", "partial_sums",
                "pairs/residual", "pairs/gradient_sums",
                "pairs/affine", "pairs/channel_sums", "run/cut", "run/sums", "run/backward_sums"
            ),
            Kernel::BackwardInput => wgsl!(
                "normalize", "gradient_sums", "partial_sums", "gradient_input",
                "settings", "optimizer", "affine_gradients",
                "pairs/residual", "pairs/gradient_sums", "pairs/gradient_input",
                "pairs/affine", "pairs/corrections", "run/cut", "run/input", "run/backward_input"
            ),
            // As in strips.
            Kernel::ForwardOnChip | Kernel::ForwardFused
            | Kernel::BackwardOnChip | Kernel::BackwardFused
            | Kernel::MergeMoments | Kernel::MergeSums | Kernel::RecordStatistics => {
                self.walk_files()
            }
        }
    }
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

/// The file of an activation; its parameters are numbers elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActivationFile {
    Identity,
    Relu,
    LeakyRelu,
    Sigmoid,
    Tanh,
    Silu,
    Gelu,
    GeluTanh,
    HardSwish,
}

impl ActivationFile {
    fn files(self) -> &'static [&'static str] {
        match self {
            ActivationFile::Identity => wgsl!("activation/identity"),
            ActivationFile::Relu => wgsl!("activation/relu"),
            ActivationFile::LeakyRelu => wgsl!("activation/leaky_relu"),
            ActivationFile::Sigmoid => wgsl!("activation/sigmoid"),
            ActivationFile::Tanh => wgsl!("activation/tanh"),
            ActivationFile::Silu => wgsl!("activation/silu"),
            ActivationFile::Gelu => wgsl!("activation/gelu"),
            ActivationFile::GeluTanh => wgsl!("activation/gelu_tanh"),
            ActivationFile::HardSwish => wgsl!("activation/hard_swish"),
        }
    }
}

impl From<Activation> for ActivationFile {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::Identity => ActivationFile::Identity,
            Activation::Relu => ActivationFile::Relu,
            Activation::LeakyRelu(_) => ActivationFile::LeakyRelu,
            Activation::Sigmoid => ActivationFile::Sigmoid,
            Activation::Tanh => ActivationFile::Tanh,
            Activation::Silu => ActivationFile::Silu,
            Activation::Gelu => ActivationFile::Gelu,
            Activation::GeluTanh => ActivationFile::GeluTanh,
            Activation::HardSwish => ActivationFile::HardSwish,
        }
    }
}

/// What is fused into the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Features {
    pub activation: ActivationFile,
    pub residual: bool,
    pub weighted: bool,
    /// y over x, or dx over dy.
    pub in_place: bool,
    /// What a backward pass gives.
    pub affine: bool,
    pub dx: bool,
    pub dresidual: bool,
}

impl Features {
    /// Nothing fused, and all gradients.
    pub fn plain() -> Self {
        Self {
            activation: ActivationFile::Identity,
            residual: false,
            weighted: false,
            in_place: false,
            affine: true,
            dx: true,
            dresidual: false,
        }
    }

    /// Those that matter to a kernel, so that none is compiled twice.
    fn of(self, kernel: Kernel, pass: Pass) -> Self {
        let plain = Self::plain();
        match kernel {
            Kernel::ForwardMoments => Self { weighted: self.weighted, ..plain },
            Kernel::BackwardSums if pass == Pass::Backward => {
                let Self { affine, dx, dresidual, in_place, .. } = plain;
                Self { affine, dx, dresidual, in_place, ..self }
            }
            _ => self,
        }
    }
}

/// What memory is loaded and stored in, where quads are whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Words {
    /// As every device can.
    #[default]
    Bits32,
    /// For software adapters, whose compilers make a loop over the lanes of a vector of each load and
    /// store, and of each word a test and a branch in it. The device must have 64-bit integers.
    Bits64,
}

impl Words {
    /// Those that suit an adapter on a device.
    pub fn new(adapter: &Adapter, device: &wgpu::Device) -> Self {
        let has_64 = device.features().contains(wgpu::Features::SHADER_INT64);
        if adapter.is_cpu && has_64 { Self::Bits64 } else { Self::Bits32 }
    }
}

/// What makes one pipeline differ from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Variant {
    pub kernel: Kernel,
    pub pass: Pass,
    pub mapping: Mapping,
    pub access: Access,
    pub words: Words,
    pub workgroup: u32,
    /// Quads that each invocation keeps.
    pub kept: u32,
    /// Chunks of a strip.
    pub chunks: u32,
    pub element: Element,
    pub features: Features,
}

impl Variant {
    pub fn new(
        plan: &Plan,
        pass: Pass,
        element: Element,
        words: Words,
        features: Features,
        kernel: Kernel,
    ) -> Self {
        let Plan { mapping, access, workgroup, kept, chunks, .. } = *plan;
        let features = features.of(kernel, pass);
        Self { kernel, pass, mapping, access, words, workgroup, kept, chunks, element, features }
    }

    /// The module's text.
    pub fn source(&self) -> String {
        let element: &[&str] = match self.element {
            Element::F32 => &[],
            Element::F16 => wgsl!("element/f16"),
            Element::BF16 => wgsl!("element/bf16"),
        };
        use {Access::*, Element::F32, Words::*};
        let tensor: &[&str] = match (self.access, self.element, self.words) {
            (Pairs | Halves, F32, Bits32) => wgsl!("words/pair_f32", "tensor/pairs"),
            (Pairs | Halves, F32, Bits64) => wgsl!("words/pair_f32_64", "tensor/pairs"),
            (Pairs | Halves, _, Bits32) => wgsl!("words/pair_half", "tensor/pairs"),
            (Pairs | Halves, _, Bits64) => wgsl!("words/pair_half_64", "tensor/pairs"),
            (Vec4, F32, Bits32) => wgsl!("words/f32", "tensor/vec4"),
            (Vec4, F32, Bits64) => wgsl!("words/f32_64", "tensor/vec4"),
            (Vec4, _, Bits32) => wgsl!("words/half", "tensor/vec4"),
            (Vec4, _, Bits64) => wgsl!("words/half_64", "tensor/vec4"),
            (Scalar, F32, _) => wgsl!("tensor/scalar"),
            (Scalar, _, _) => wgsl!("tensor/scalar_half"),
        };
        let mapping: &[&str] = match self.mapping {
            Mapping::Rows => wgsl!("walk/map_rows", "channel_rows"),
            Mapping::Columns => wgsl!("walk/map_columns", "channel_quads"),
            Mapping::Tiles => wgsl!("tile/map", "channel_rows"),
            Mapping::Strips => match self.chunks {
                1 => wgsl!("strip/chunks_1", "strip/map", "channel_quads"),
                2 => wgsl!("strip/chunks_2", "strip/map", "channel_quads"),
                3 => wgsl!("strip/chunks_3", "strip/map", "channel_quads"),
                _ => wgsl!("strip/chunks_4", "strip/map", "channel_quads"),
            },
            Mapping::Lines => wgsl!("line/map", "channel_rows"),
            Mapping::Runs => wgsl!("run/map", "channel_rows"),
        };
        let kernel = self.kernel.files(self.mapping);
        let shared: &[&str] = wgsl!("weights", "exponential");
        let activation = self.features.activation.files();
        [wgsl!("params"), element, tensor, mapping, shared, activation, kernel].concat().join("\n")
    }

    /// The module's override constants.
    pub fn constants(&self) -> Vec<(&'static str, f64)> {
        let Features { residual, weighted, in_place, affine, dx, dresidual, .. } = self.features;
        let flag = |on: bool| on as u32 as f64;
        vec![
            ("WORKGROUP", self.workgroup as f64),
            ("KEPT", self.kept as f64),
            ("HALVES", flag(self.access == Access::Halves)),
            ("RESIDUAL", flag(residual)),
            ("WEIGHTED", flag(weighted)),
            ("IN_PLACE", flag(in_place)),
            ("FROZEN", flag(self.pass == Pass::BackwardFrozen)),
            ("AFFINE", flag(affine)),
            ("DX", flag(dx)),
            ("DRESIDUAL", flag(dresidual)),
        ]
    }
}
