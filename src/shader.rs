//! WGSL and pipelines: the only file that names shader sources.
//!
//! A variant is a kernel, a mapping, an access and a few numbers. Files choose what code there is
//! and are joined in order; override constants choose the numbers.

#[cfg(test)]
mod barriers;
pub mod fold;

use crate::plan::{Access, Kernel, Mapping, Pass, Plan};
use crate::{Activation, Element, Error};
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Mutex, OnceLock};

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
            Kernel::ForwardFused => "forward_fused",
            Kernel::ForwardMoments => "forward_moments",
            Kernel::ForwardNormalize => "forward_normalize",
            Kernel::Inference => "inference",
            Kernel::BackwardFused => "backward_fused",
            Kernel::BackwardSums => "backward_sums",
            Kernel::BackwardInput => "backward_input",
        }
    }

    /// The kernel's file, after those that it needs besides parameters, tensor, mapping and weights.
    fn files(self, mapping: Mapping) -> &'static [&'static str] {
        match mapping {
            Mapping::Rows | Mapping::Columns => self.walk_files(),
            Mapping::Tiles => self.tile_files(),
        }
    }

    #[rustfmt::skip]
    fn walk_files(self) -> &'static [&'static str] {
        match self {
            Kernel::ForwardFused => wgsl!(
                "moments", "normalize", "settings", "statistics",
                "walk/moments", "walk/normalize", "walk/forward_fused"
            ),
            Kernel::ForwardMoments => wgsl!(
                "moments", "partial_moments",
                "walk/moments", "walk/forward_moments"
            ),
            Kernel::ForwardNormalize => wgsl!(
                "moments", "partial_moments", "normalize", "settings", "statistics",
                "walk/moments", "walk/normalize", "walk/forward_normalize"
            ),
            Kernel::Inference => wgsl!(
                "normalize",
                "walk/normalize", "walk/inference"
            ),
            Kernel::BackwardFused => wgsl!(
                "normalize", "gradient_sums", "gradient_input",
                "settings", "optimizer", "affine_gradients",
                "walk/sums", "walk/input", "walk/backward_fused"
            ),
            Kernel::BackwardSums => wgsl!(
                "normalize", "gradient_sums", "partial_sums",
                "walk/sums", "walk/backward_sums"
            ),
            Kernel::BackwardInput => wgsl!(
                "normalize", "gradient_sums", "partial_sums", "gradient_input",
                "settings", "optimizer", "affine_gradients",
                "walk/sums", "walk/input", "walk/backward_input"
            ),
        }
    }

    #[rustfmt::skip]
    fn tile_files(self) -> &'static [&'static str] {
        match self {
            Kernel::ForwardFused => wgsl!(
                "moments", "normalize", "settings", "statistics",
                "tile/moments", "tile/normalize", "tile/forward_fused"
            ),
            Kernel::ForwardMoments => wgsl!(
                "moments", "partial_moments",
                "tile/moments", "tile/forward_moments"
            ),
            Kernel::ForwardNormalize => wgsl!(
                "moments", "partial_moments", "normalize", "settings", "statistics",
                "tile/normalize", "tile/forward_normalize"
            ),
            Kernel::Inference => wgsl!(
                "normalize",
                "tile/normalize", "tile/inference"
            ),
            Kernel::BackwardFused => wgsl!(
                "normalize", "gradient_sums", "gradient_input",
                "settings", "optimizer", "affine_gradients",
                "tile/sums", "tile/input", "tile/backward_fused"
            ),
            Kernel::BackwardSums => wgsl!(
                "normalize", "gradient_sums", "partial_sums",
                "tile/sums", "tile/backward_sums"
            ),
            Kernel::BackwardInput => wgsl!(
                "normalize", "gradient_sums", "partial_sums", "gradient_input",
                "settings", "optimizer", "affine_gradients",
                "tile/sums", "tile/input", "tile/backward_input"
            ),
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
            Pass::Backward | Pass::BackwardFrozen => {
                &[Params, State, Work, X, Dy, Dx, Residual, DResidual, Weights]
            }
        }
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

/// What makes one pipeline differ from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Variant {
    pub kernel: Kernel,
    pub pass: Pass,
    pub mapping: Mapping,
    pub access: Access,
    pub workgroup: u32,
    pub element: Element,
    pub features: Features,
}

impl Variant {
    pub fn new(
        plan: &Plan,
        pass: Pass,
        element: Element,
        features: Features,
        kernel: Kernel,
    ) -> Self {
        let Plan { mapping, access, workgroup, .. } = *plan;
        let features = features.of(kernel, pass);
        Self { kernel, pass, mapping, access, workgroup, element, features }
    }

    /// The module's text.
    pub fn source(&self) -> String {
        let element: &[&str] = match self.element {
            Element::F32 => wgsl!("element/f32"),
            Element::F16 => wgsl!("element/f16"),
            Element::BF16 => wgsl!("element/bf16"),
        };
        let tensor: &[&str] = match (self.access, self.element) {
            (Access::Vec4, _) => wgsl!("tensor/vec4"),
            (Access::Scalar, Element::F32) => wgsl!("tensor/scalar"),
            (Access::Scalar, _) => wgsl!("tensor/scalar_half"),
        };
        let mapping: &[&str] = match self.mapping {
            Mapping::Rows => wgsl!("walk/map_rows", "channel_rows"),
            Mapping::Columns => wgsl!("walk/map_columns"),
            Mapping::Tiles => wgsl!("tile/map", "channel_rows"),
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

/// A compiled variant.
#[derive(Clone, Debug)]
pub struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// Compiles each variant once, when it is first bound.
#[derive(Debug, Default)]
pub struct Pipelines {
    compiled: Mutex<HashMap<Variant, Pipeline>>,
    dummies: OnceLock<Dummies>,
}

/// What is bound where a kernel has a binding that it leaves alone. Each has bytes of its own:
/// WebGPU rejects ranges that overlap.
#[derive(Debug)]
pub struct Dummies(wgpu::Buffer);

impl Dummies {
    const BYTES_EACH: u64 = 256;
    const COUNT: u64 = Binding::Weights as u64 + 1;

    fn new(device: &wgpu::Device) -> Result<Self, Error> {
        crate::device::scoped(device, || {
            Self(device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("batch_norm.dummy"),
                size: Self::BYTES_EACH * Self::COUNT,
                usage: wgpu::BufferUsages::STORAGE,
                mapped_at_creation: false,
            }))
        })
    }

    pub fn binding(&self, binding: Binding) -> wgpu::BufferBinding<'_> {
        wgpu::BufferBinding {
            buffer: &self.0,
            offset: binding as u64 * Self::BYTES_EACH,
            size: NonZeroU64::new(Self::BYTES_EACH),
        }
    }
}

impl Pipelines {
    pub fn dummies(&self, device: &wgpu::Device) -> Result<&Dummies, Error> {
        if let Some(dummies) = self.dummies.get() {
            return Ok(dummies);
        }
        let dummies = Dummies::new(device)?;
        Ok(self.dummies.get_or_init(|| dummies))
    }

    pub fn get(&self, device: &wgpu::Device, variant: Variant) -> Result<Pipeline, Error> {
        let mut compiled = self.compiled.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(pipeline) = compiled.get(&variant) {
            return Ok(pipeline.clone());
        }
        let pipeline = crate::device::scoped(device, || compile(device, variant))?;
        compiled.insert(variant, pipeline.clone());
        Ok(pipeline)
    }
}

/// The layout of a pass's bind groups: one group, a uniform block and storage buffers.
pub fn layout_entries(pass: Pass) -> Vec<wgpu::BindGroupLayoutEntry> {
    let entry = |&binding: &Binding| wgpu::BindGroupLayoutEntry {
        binding: binding as u32,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty: match binding {
                Binding::Params => wgpu::BufferBindingType::Uniform,
                _ => wgpu::BufferBindingType::Storage { read_only: false },
            },
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    };
    pass.bindings().iter().map(entry).collect()
}

fn compile(device: &wgpu::Device, variant: Variant) -> Pipeline {
    let name = variant.kernel.name();
    let label = format!("batch_norm.{name}");
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(&label),
        source: wgpu::ShaderSource::Wgsl(variant.source().into()),
    });
    let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some(&label),
        entries: &layout_entries(variant.pass),
    });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(&label),
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(&label),
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some(name),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: &variant.constants(),
            // Every word of workgroup memory is written before it is read.
            zero_initialize_workgroup_memory: false,
        },
        cache: None,
    });
    Pipeline { pipeline, layout }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{BLOCK, MAX_COLUMNS, MAX_QUADS, Params};
    use std::mem::offset_of;
    use wgpu::naga;

    /// Every combination of files, for each pass that a kernel serves.
    pub(super) fn variants() -> Vec<Variant> {
        let kernels = [
            (Kernel::ForwardFused, Pass::Training),
            (Kernel::ForwardMoments, Pass::Training),
            (Kernel::ForwardNormalize, Pass::Training),
            (Kernel::Inference, Pass::Inference),
            (Kernel::BackwardFused, Pass::Backward),
            (Kernel::BackwardSums, Pass::Backward),
            (Kernel::BackwardInput, Pass::Backward),
        ];
        let mut variants = Vec::new();
        for (kernel, pass) in kernels {
            for mapping in [Mapping::Rows, Mapping::Columns, Mapping::Tiles] {
                for access in [Access::Vec4, Access::Scalar] {
                    for element in [Element::F32, Element::F16, Element::BF16] {
                        let (workgroup, features) = (64, Features::plain());
                        variants.push(Variant {
                            kernel,
                            pass,
                            mapping,
                            access,
                            workgroup,
                            element,
                            features,
                        });
                    }
                }
            }
        }
        variants
    }

    pub(super) fn parse(variant: &Variant) -> (naga::Module, naga::valid::ModuleInfo) {
        let source = variant.source();
        let module = naga::front::wgsl::parse_str(&source)
            .unwrap_or_else(|e| panic!("{variant:?}: {}", e.emit_to_string(&source)));
        let flags = naga::valid::ValidationFlags::all();
        // No capabilities: the kernels need nothing beyond the core of WebGPU.
        let mut validator = naga::valid::Validator::new(flags, naga::valid::Capabilities::empty());
        let info = validator.validate(&module).unwrap_or_else(|e| panic!("{variant:?}: {e:?}"));
        (module, info)
    }

    /// What `cargo xtask mutate` asks of the modules with a mutant, which starts with that word:
    /// whether they are valid, and whether they say anything new.
    #[cfg(wgpu_batchnorm_mutate)]
    #[test]
    fn modules_in_short() {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut variants = variants();
        variants.retain(|variant| variant.source().contains("// mutant\n"));
        if variants.is_empty() {
            // It is in an activation, which the table leaves out.
            use ActivationFile::*;
            let all = [Relu, LeakyRelu, Sigmoid, Tanh, Silu, Gelu, GeluTanh, HardSwish];
            let with = |variant: Variant, activation| Variant {
                features: Features { activation, ..variant.features },
                ..variant
            };
            let table = self::variants().into_iter().step_by(6);
            variants = table.flat_map(|v| all.map(|activation| with(v, activation))).collect();
            variants.retain(|variant| variant.source().contains("// mutant\n"));
        }
        let mut hasher = DefaultHasher::new();
        for variant in &variants {
            let (mut module, _) = parse(variant);
            naga::compact::compact(&mut module, naga::compact::KeepUnused::No);
            format!("{:?}{:?}", module.functions, module.entry_points).hash(&mut hasher);
            format!("{:?}{:?}", module.overrides, module.global_variables).hash(&mut hasher);
            format!("{:?}{:?}", module.constants, module.global_expressions).hash(&mut hasher);
        }
        println!("modules: {:x}", hasher.finish());
    }

    #[test]
    fn bindings_are_those_of_the_layout() {
        for variant in variants() {
            let (module, info) = parse(&variant);
            let bound: Vec<u32> =
                layout_entries(variant.pass).iter().map(|entry| entry.binding).collect();
            let used = info.get_entry_point(0);
            for (handle, global) in module.global_variables.iter() {
                let Some(binding) = &global.binding else { continue };
                assert_eq!(binding.group, 0);
                let is_uniform = global.space == naga::AddressSpace::Uniform;
                assert_eq!(is_uniform, binding.binding == Binding::Params as u32);
                if !used[handle].is_empty() {
                    assert!(bound.contains(&binding.binding), "{variant:?}: {:?}", global.name);
                }
            }
        }
    }

    #[test]
    fn entry_points_and_constants_are_named_alike() {
        for variant in variants() {
            let (module, _) = parse(&variant);
            assert_eq!(module.entry_points.len(), 1);
            assert_eq!(module.entry_points[0].name, variant.kernel.name());
            for (name, _) in variant.constants() {
                let declared =
                    module.overrides.iter().any(|(_, o)| o.name.as_deref() == Some(name));
                assert!(declared, "{variant:?}: {name}");
            }
        }
    }

    #[test]
    fn the_parameter_block_is_laid_out_alike() {
        let (module, _) = parse(&variants()[0]);
        let (_, ty) =
            module.types.iter().find(|(_, t)| t.name.as_deref() == Some("Params")).unwrap();
        let naga::TypeInner::Struct { members, span } = &ty.inner else { panic!("a struct") };
        assert_eq!(*span as usize, size_of::<Params>());
        macro_rules! fields {
            ($($field:ident),*) => { [$((stringify!($field), offset_of!(Params, $field))),*] };
        }
        let fields = fields!(
            outer,
            channels,
            inner,
            outer_stride,
            first_channel,
            row_stride,
            x_at,
            y_at,
            dy_at,
            dx_at,
            residual_at,
            dresidual_at,
            weights_at,
            first_position,
            weight_span,
            lanes,
            chunk,
            splits,
            first_slot,
            slots,
            group,
            channel_step,
            column_step,
            step_at,
            step_inner,
            flags,
            epsilon,
            momentum,
            count,
            slope,
            pad0,
            pad1
        );
        assert_eq!(members.len(), fields.len());
        for (member, (name, offset)) in members.iter().zip(fields) {
            assert_eq!(member.name.as_deref(), Some(name));
            assert_eq!(member.offset as usize, offset, "{name}");
        }
    }

    fn constant_of(module: &naga::Module, name: &str) -> u32 {
        let mut constants = module.constants.iter().map(|(_, c)| c);
        let constant = constants.find(|c| c.name.as_deref() == Some(name));
        match module.global_expressions[constant.expect("a constant of that name").init] {
            naga::Expression::Literal(naga::Literal::U32(value)) => value,
            ref other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn constants_of_both_sides_agree() {
        let (module, _) = parse(&variants()[0]);
        let constant = |name: &str| constant_of(&module, name);
        use crate::{Row, Saved, plan::SAVED_ROWS};
        assert_eq!(constant("BLOCK") as u64, BLOCK);
        let (tiles, _) = parse(variants().iter().find(|v| v.mapping == Mapping::Tiles).unwrap());
        assert_eq!(constant_of(&tiles, "MAX_COLUMNS") as u64, MAX_COLUMNS);
        assert_eq!(constant_of(&tiles, "MAX_QUADS") as u64, MAX_QUADS);
        assert_eq!(constant("ROW_PARTIALS") as u64, SAVED_ROWS);
        for (name, row) in [
            ("ROW_GAMMA", Row::Gamma as u32),
            ("ROW_BETA", Row::Beta as u32),
            ("ROW_RUNNING_MEAN", Row::RunningMean as u32),
            ("ROW_RUNNING_VAR", Row::RunningVar as u32),
            ("ROW_BATCHES", Row::Batches as u32),
            ("ROW_DGAMMA", Row::DGamma as u32),
            ("ROW_DBETA", Row::DBeta as u32),
            ("ROW_MEAN", Saved::Mean as u32),
            ("ROW_INV_STD", Saved::InvStd as u32),
            ("ROW_PIVOT", Saved::Pivot as u32),
            ("ROW_REMAINDER", Saved::Remainder as u32),
            ("FLAG_GAMMA", crate::plan::FLAG_GAMMA),
            ("FLAG_BETA", crate::plan::FLAG_BETA),
            ("FLAG_TRACK", crate::plan::FLAG_TRACK),
            ("FLAG_CUMULATIVE", crate::plan::FLAG_CUMULATIVE),
            ("FLAG_UNBIASED", crate::plan::FLAG_UNBIASED),
            ("FLAG_RECORD", crate::plan::FLAG_RECORD),
            ("FLAG_RENORM", crate::plan::FLAG_RENORM),
            ("FLAG_OPTIMIZE", crate::plan::FLAG_OPTIMIZE),
            ("FLAG_ACCUMULATE", crate::plan::FLAG_ACCUMULATE),
        ] {
            assert_eq!(constant(name), row, "{name}");
        }
    }
}
