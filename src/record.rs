//! A plan with its pipelines and bind groups: all that recording needs.

use crate::plan::{Params, Pass, Piece, Plan, Step};
use crate::shader::{Binding, Pipelines, Variant};
use crate::tensor::BufferRange;
use crate::{Error, device};

/// What a pass binds beside the parameter block.
pub struct Tensors<'a> {
    pub state: &'a wgpu::Buffer,
    pub work: Option<&'a wgpu::Buffer>,
    pub x: &'a BufferRange,
    pub y: Option<&'a BufferRange>,
    pub dy: Option<&'a BufferRange>,
    pub dx: Option<&'a BufferRange>,
}

/// The dispatches of a pass, ready to be recorded any number of times.
#[derive(Clone, Debug)]
pub struct Record {
    label: &'static str,
    dispatches: Vec<Dispatch>,
}

#[derive(Clone, Debug)]
struct Dispatch {
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
    workgroups: [u32; 2],
}

impl Record {
    /// Compiles what is not compiled yet and creates parameter block and bind groups. `common`
    /// holds the parameters that the plan does not know: ε, momentum, flags.
    pub fn new(
        device: &wgpu::Device,
        pipelines: &Pipelines,
        plan: &Plan,
        pass: Pass,
        common: Params,
        tensors: &Tensors<'_>,
    ) -> Result<Self, Error> {
        let label = pass.label();
        let limits = device.limits();
        let alignment = limits.min_storage_buffer_offset_alignment.max(4) as u64;
        let slot = (size_of::<Params>() as u64)
            .next_multiple_of(limits.min_uniform_buffer_offset_alignment.max(16) as u64);

        let mut blocks = vec![0u8; slot as usize * plan.steps.len()];
        for (step, block) in plan.steps.iter().zip(blocks.chunks_exact_mut(slot as usize)) {
            let piece = &plan.pieces[step.piece];
            let at = |t: Option<&BufferRange>| t.map_or(0, |t| t.window(piece, alignment).1);
            let params = Params {
                epsilon: common.epsilon,
                momentum: common.momentum,
                flags: common.flags,
                running_divisor: common.running_divisor,
                x_at: at(Some(tensors.x)),
                y_at: at(tensors.y),
                dy_at: at(tensors.dy),
                dx_at: at(tensors.dx),
                ..step.params
            };
            block[..size_of::<Params>()].copy_from_slice(bytemuck::bytes_of(&params));
        }
        let variants: Vec<_> = plan
            .steps
            .iter()
            .map(|step| pipelines.get(device, Variant::new(plan, pass, step.kernel)))
            .collect::<Result<_, _>>()?;
        let dispatches = device::scoped(device, || {
            let uniform = wgpu::BufferUsages::UNIFORM;
            let params = device::buffer_with(device, "batch_norm.params", &blocks, uniform);
            let bind = |(index, step): (usize, &Step)| {
                let piece = &plan.pieces[step.piece];
                let variant = &variants[index];
                let resource = |binding: Binding| match binding {
                    Binding::Params => Some(wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                        buffer: &params,
                        offset: index as u64 * slot,
                        size: std::num::NonZeroU64::new(size_of::<Params>() as u64),
                    })),
                    Binding::State => Some(tensors.state.as_entire_binding()),
                    Binding::Work => tensors.work.map(|b| b.as_entire_binding()),
                    Binding::X => window(Some(tensors.x), piece, alignment),
                    Binding::Y => window(tensors.y, piece, alignment),
                    Binding::Dy => window(tensors.dy, piece, alignment),
                    Binding::Dx => window(tensors.dx, piece, alignment),
                };
                let entries: Vec<_> = pass
                    .bindings()
                    .iter()
                    .filter_map(|&b| {
                        resource(b)
                            .map(|resource| wgpu::BindGroupEntry { binding: b as u32, resource })
                    })
                    .collect();
                let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: Some(label),
                    layout: &variant.layout,
                    entries: &entries,
                });
                let pipeline = variant.pipeline.clone();
                Dispatch { pipeline, bind_group, workgroups: step.workgroups }
            };
            plan.steps.iter().enumerate().map(bind).collect()
        })?;
        Ok(Self { label, dispatches })
    }

    /// Records the dispatches into a pass of the encoder's own.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        if self.dispatches.is_empty() {
            return;
        }
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some(self.label),
            timestamp_writes: None,
        });
        self.encode_in(&mut pass);
    }

    /// Records the dispatches into a pass of the caller's.
    pub fn encode_in(&self, pass: &mut wgpu::ComputePass<'_>) {
        for dispatch in &self.dispatches {
            pass.set_pipeline(&dispatch.pipeline);
            pass.set_bind_group(0, &dispatch.bind_group, &[]);
            let [x, y] = dispatch.workgroups;
            pass.dispatch_workgroups(x, y, 1);
        }
    }
}

fn window<'a>(
    tensor: Option<&'a BufferRange>,
    piece: &Piece,
    alignment: u64,
) -> Option<wgpu::BindingResource<'a>> {
    tensor.map(|t| wgpu::BindingResource::Buffer(t.window(piece, alignment).0))
}

impl Pass {
    fn label(self) -> &'static str {
        match self {
            Pass::Training => "batch_norm.training",
            Pass::Inference => "batch_norm.inference",
            Pass::Backward => "batch_norm.backward",
            Pass::BackwardFrozen => "batch_norm.backward_frozen",
        }
    }
}
