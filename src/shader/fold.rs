//! The WGSL and pipelines of folding.

const SOURCE: &str = include_str!("../../shaders/fold.wgsl");

/// `WORKGROUP` of shaders/fold.wgsl: invocations of a workgroup.
pub const WORKGROUP: u32 = 64;

// Bits of `Params::flags`, as in shaders/fold.wgsl.
pub const FLAG_GAMMA: u32 = 1;
pub const FLAG_BETA: u32 = 2;
pub const FLAG_SOURCE: u32 = 4;
pub const FLAG_IN_PLACE: u32 = 8;

/// The parameter block of a dispatch: `Params` of shaders/fold.wgsl, field by field.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    pub channels: u32,
    pub row_stride: u32,
    pub length: u32,
    pub inner: u32,
    pub first_channel: u32,
    pub first_inner: u32,
    pub source_at: u32,
    pub target_at: u32,
    pub flags: u32,
    pub epsilon: f32,
    pub pad0: u32,
    pub pad1: u32,
}

/// The bindings of both kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Binding {
    Params = 0,
    State = 1,
    Scales = 2,
    Source = 3,
    Folded = 4,
}

impl Binding {
    pub const ALL: [Self; 5] =
        [Self::Params, Self::State, Self::Scales, Self::Source, Self::Folded];

    /// Storage buffers among them.
    pub const STORAGE_BUFFERS: u32 = 4;
}

/// Both kernels, compiled. They share a layout.
#[derive(Clone, Debug)]
pub struct Pipelines {
    pub channels: wgpu::ComputePipeline,
    pub weights: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

impl Pipelines {
    /// Compiles them. Call it within [`scoped`](crate::device::scoped).
    pub fn compile(device: &wgpu::Device) -> Self {
        let label = Some("batch_norm.fold");
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label,
            source: wgpu::ShaderSource::Wgsl(SOURCE.into()),
        });
        let entries = Binding::ALL.map(layout_entry);
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label,
            entries: &entries,
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = |name: &str| {
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(&format!("batch_norm.{name}")),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some(name),
                compilation_options: Default::default(),
                cache: None,
            })
        };
        let (channels, weights) = (pipeline("fold_channels"), pipeline("fold_weights"));
        Self { channels, weights, layout }
    }
}

fn layout_entry(binding: Binding) -> wgpu::BindGroupLayoutEntry {
    super::layout_entry(binding as u32, binding == Binding::Params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Row;
    use std::mem::offset_of;
    use wgpu::naga;

    fn parse() -> naga::Module {
        let module = naga::front::wgsl::parse_str(SOURCE)
            .unwrap_or_else(|e| panic!("{}", e.emit_to_string(SOURCE)));
        let flags = naga::valid::ValidationFlags::all();
        let mut validator = naga::valid::Validator::new(flags, naga::valid::Capabilities::empty());
        validator.validate(&module).expect("a valid module");
        module
    }

    #[test]
    fn parameters_are_laid_out_alike() {
        let module = parse();
        let (_, params) = module
            .types
            .iter()
            .find(|(_, t)| t.name.as_deref() == Some("Params"))
            .expect("the parameter block");
        let naga::TypeInner::Struct { members, span } = &params.inner else { panic!() };
        assert_eq!(*span as usize, size_of::<Params>());
        macro_rules! fields {
            ($($field:ident),*) => { [$((stringify!($field), offset_of!(Params, $field))),*] };
        }
        let fields = fields!(
            channels,
            row_stride,
            length,
            inner,
            first_channel,
            first_inner,
            source_at,
            target_at,
            flags,
            epsilon,
            pad0,
            pad1
        );
        assert_eq!(members.len(), fields.len());
        for (member, (name, offset)) in members.iter().zip(fields) {
            assert_eq!(member.name.as_deref(), Some(name));
            assert_eq!(member.offset as usize, offset, "{name}");
        }
    }

    #[test]
    fn constants_of_both_sides_agree() {
        let module = parse();
        for (name, want) in [
            ("WORKGROUP", WORKGROUP),
            ("FLAG_GAMMA", FLAG_GAMMA),
            ("FLAG_BETA", FLAG_BETA),
            ("FLAG_SOURCE", FLAG_SOURCE),
            ("FLAG_IN_PLACE", FLAG_IN_PLACE),
            ("ROW_GAMMA", Row::Gamma as u32),
            ("ROW_BETA", Row::Beta as u32),
            ("ROW_RUNNING_MEAN", Row::RunningMean as u32),
            ("ROW_RUNNING_VAR", Row::RunningVar as u32),
        ] {
            let constant = module.constants.iter().map(|(_, c)| c);
            let constant = constant.into_iter().find(|c| c.name.as_deref() == Some(name));
            match module.global_expressions[constant.expect("a constant of that name").init] {
                naga::Expression::Literal(naga::Literal::U32(value)) => {
                    assert_eq!(value, want, "{name}");
                }
                ref other => panic!("{name}: {other:?}"),
            }
        }
    }

    #[test]
    fn bindings_and_entry_points_are_named_alike() {
        let module = parse();
        let mut bound: Vec<u32> = module
            .global_variables
            .iter()
            .filter_map(|(_, global)| global.binding.as_ref())
            .map(|binding| binding.binding)
            .collect();
        bound.sort_unstable();
        assert_eq!(bound, Binding::ALL.map(|binding| binding as u32));
        let names: Vec<_> = module.entry_points.iter().map(|e| e.name.as_str()).collect();
        assert_eq!(names, ["fold_channels", "fold_weights"]);
        let storage = Binding::ALL.iter().filter(|&&binding| binding != Binding::Params);
        assert_eq!(storage.count(), Binding::STORAGE_BUFFERS as usize);
    }
}
