//! The device, the kernels of the example and of the crate, and how they are bound.

use crate::data::Digits;
use wgpu_batchnorm::{
    BackwardPass, BatchNorm, BatchNormDescriptor, BufferRange, Context, ContextOptions, Error,
    Forward,
    wgpu::{self, util::DeviceExt},
};

/// Everything that all runs share.
pub struct Gpu {
    pub context: Context,
    pub batch_norm: BatchNorm,
    pub gather: wgpu::ComputePipeline,
    pub forward: wgpu::ComputePipeline,
    pub input_gradient: wgpu::ComputePipeline,
    pub update: wgpu::ComputePipeline,
    pub loss: wgpu::ComputePipeline,
}

/// [`Digits`] on the GPU.
pub struct Samples {
    pub count: u32,
    pub images: wgpu::Buffer,
    pub labels: wgpu::Buffer,
}

/// What a command buffer is made of: a dispatch of the example's, or a pass of the crate.
pub enum Step {
    Dispatch(wgpu::ComputePipeline, wgpu::BindGroup, [u32; 2]),
    Forward(Box<Forward>),
    Backward(BackwardPass),
}

impl Step {
    /// Records it.
    pub fn encode_in(&self, pass: &mut wgpu::ComputePass<'_>) {
        match self {
            Step::Dispatch(pipeline, bind_group, [x, y]) => {
                pass.set_pipeline(pipeline);
                pass.set_bind_group(0, bind_group, &[]);
                pass.dispatch_workgroups(*x, *y, 1);
            }
            Step::Forward(forward) => forward.encode_in(pass),
            Step::Backward(backward) => backward.encode_in(pass),
        }
    }
}

impl Gpu {
    /// Takes an adapter, whose name contains `adapter` if given, and compiles the kernels.
    pub fn new(adapter: Option<String>) -> Result<Self, Error> {
        let context = Context::with_options(&ContextOptions { adapter, ..Default::default() })?;
        let device = context.device();
        let compile = |source: &str, entry_point: &str| {
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(entry_point),
                source: wgpu::ShaderSource::Wgsl(source.into()),
            });
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(entry_point),
                layout: None,
                module: &module,
                entry_point: Some(entry_point),
                compilation_options: Default::default(),
                cache: None,
            })
        };
        let dense = include_str!("dense.wgsl");
        Ok(Self {
            batch_norm: BatchNorm::new(device, &BatchNormDescriptor::default())?,
            gather: compile(include_str!("gather.wgsl"), "gather"),
            forward: compile(dense, "forward"),
            input_gradient: compile(dense, "input_gradient"),
            update: compile(dense, "update"),
            loss: compile(include_str!("loss.wgsl"), "loss"),
            context,
        })
    }

    /// A tensor of whole numbers.
    pub fn upload_integers(&self, values: &[u32]) -> Result<wgpu::Buffer, Error> {
        let buffer = self.context.zeros(values.len() as u64)?;
        self.context.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(values));
        Ok(buffer)
    }

    /// Images and labels, for all runs.
    pub fn upload(&self, digits: &Digits) -> Result<Samples, Error> {
        Ok(Samples {
            count: digits.len(),
            images: self.context.upload(&digits.images)?,
            labels: self.upload_integers(&digits.labels)?,
        })
    }

    /// A uniform that never changes.
    pub fn uniform<T: bytemuck::Pod>(&self, value: T) -> wgpu::Buffer {
        self.context.device().create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: None,
            contents: bytemuck::bytes_of(&value),
            usage: wgpu::BufferUsages::UNIFORM,
        })
    }

    /// Binds a kernel: `ranges` are its bindings, in order.
    pub fn bind(
        &self,
        kernel: &wgpu::ComputePipeline,
        ranges: &[BufferRange],
        workgroups: [u32; 2],
    ) -> Step {
        let entries: Vec<_> = (0..)
            .zip(ranges)
            .map(|(binding, range)| wgpu::BindGroupEntry { binding, resource: range.binding() })
            .collect();
        let bind_group = self.context.device().create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &kernel.get_bind_group_layout(0),
            entries: &entries,
        });
        Step::Dispatch(kernel.clone(), bind_group, workgroups)
    }
}
