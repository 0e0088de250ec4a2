//! Pipelines: each variant compiled once, when it is first bound.

use super::{Binding, Memory, Variant, layout_entry};
use crate::Error;
use crate::plan::Pass;
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Mutex, OnceLock};

/// A compiled variant.
#[derive(Clone, Debug)]
pub struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// Compiles each variant once, when it is first bound.
#[derive(Debug, Default)]
pub struct Pipelines {
    memory: Memory,
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
    /// Of kernels that load and store so.
    pub fn of(memory: Memory) -> Self {
        Self { memory, ..Self::default() }
    }

    pub fn memory(&self) -> Memory {
        self.memory
    }

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
    let entry = |&binding: &Binding| layout_entry(binding as u32, binding == Binding::Params);
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
