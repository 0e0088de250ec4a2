//! A plan with its pipelines and bind groups: all that recording needs.

use crate::plan::{Kernel, Params, Pass, Piece, Plan, Step};
use crate::shader::{Binding, Features, Pipelines, Variant};
use crate::tensor::BufferRange;
use crate::{Element, Error, Weights, device};

/// What a pass binds beside the parameter block. What is `None` but bound nevertheless is a dummy,
/// which the kernels leave alone.
#[derive(Clone, Copy, Default)]
pub struct Tensors<'a> {
    pub state: Option<&'a wgpu::Buffer>,
    pub work: Option<&'a wgpu::Buffer>,
    pub x: Option<&'a BufferRange>,
    pub y: Option<&'a BufferRange>,
    pub dy: Option<&'a BufferRange>,
    pub dx: Option<&'a BufferRange>,
    pub residual: Option<&'a BufferRange>,
    pub dresidual: Option<&'a BufferRange>,
    pub weights: Option<&'a Weights>,
    /// Positions that share a weight.
    pub weight_span: u32,
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

/// What the kernels of a pass are compiled with, and the parameters that the plan does not know: ε,
/// momentum, flags.
#[derive(Clone, Copy)]
pub struct Configuration {
    pub pass: Pass,
    pub element: Element,
    pub features: Features,
    pub common: Params,
}

impl Record {
    /// Compiles what is not compiled yet and creates parameter block and bind groups for the steps
    /// of `plan` whose kernel is one of `kernels`.
    pub fn new(
        device: &wgpu::Device,
        pipelines: &Pipelines,
        plan: &Plan,
        kernels: &[Kernel],
        configuration: &Configuration,
        tensors: &Tensors<'_>,
    ) -> Result<Self, Error> {
        let Configuration { pass, element, features, common } = *configuration;
        let label = pass.label();
        let limits = device.limits();
        let alignment = limits.min_storage_buffer_offset_alignment.max(4) as u64;
        let slot = (size_of::<Params>() as u64)
            .next_multiple_of(limits.min_uniform_buffer_offset_alignment.max(16) as u64);
        let steps: Vec<&Step> =
            plan.steps.iter().filter(|step| kernels.contains(&step.kernel)).collect();
        let weights = tensors.weights.map(|w| w.window(alignment));

        let mut blocks = vec![0u8; slot as usize * steps.len()];
        for (step, block) in steps.iter().zip(blocks.chunks_exact_mut(slot as usize)) {
            let piece = &plan.pieces[step.piece];
            let at = |tensor: Option<&BufferRange>| {
                tensor.map_or(0, |t| t.window(piece.start, piece.length, element, alignment).1)
            };
            let over = |tensor, instead| if features.in_place { at(instead) } else { at(tensor) };
            let params = Params {
                epsilon: common.epsilon,
                momentum: common.momentum,
                slope: common.slope,
                flags: step.params.flags | common.flags,
                x_at: at(tensors.x),
                y_at: over(tensors.y, tensors.x),
                dy_at: at(tensors.dy),
                dx_at: over(tensors.dx, tensors.dy),
                residual_at: at(tensors.residual),
                dresidual_at: at(tensors.dresidual),
                weights_at: weights.as_ref().map_or(0, |w| w.1),
                weight_span: tensors.weight_span.max(1),
                count: if features.weighted { 0.0 } else { step.params.count },
                ..step.params
            };
            block[..size_of::<Params>()].copy_from_slice(bytemuck::bytes_of(&params));
        }
        let variants: Vec<_> = steps
            .iter()
            .map(|step| {
                let memory = pipelines.memory();
                let variant = Variant::new(plan, pass, element, memory, features, step);
                pipelines.get(device, variant)
            })
            .collect::<Result<_, _>>()?;
        let dummies = pipelines.dummies(device)?;
        let dispatches = device::scoped(device, || {
            let uniform = wgpu::BufferUsages::UNIFORM;
            let params = device::buffer_with(device, "batch_norm.params", &blocks, uniform);
            let bind = |(index, step): (usize, &&Step)| {
                let piece = &plan.pieces[step.piece];
                let variant = &variants[index];
                let window = |tensor| window(tensor, piece, element, alignment);
                let entries: Vec<_> = pass
                    .bindings()
                    .iter()
                    .map(|&binding| {
                        let bound = match binding {
                            Binding::Params => Some(wgpu::BufferBinding {
                                buffer: &params,
                                offset: index as u64 * slot,
                                size: std::num::NonZeroU64::new(size_of::<Params>() as u64),
                            }),
                            Binding::State => tensors.state.map(|b| b.as_entire_buffer_binding()),
                            Binding::Work => tensors.work.map(|b| b.as_entire_buffer_binding()),
                            Binding::X => window(tensors.x),
                            Binding::Y => window(tensors.y),
                            Binding::Dy => window(tensors.dy),
                            Binding::Dx => window(tensors.dx),
                            Binding::Residual => window(tensors.residual),
                            Binding::DResidual => window(tensors.dresidual),
                            Binding::Weights => weights.as_ref().map(|w| w.0.clone()),
                        };
                        let bound = bound.unwrap_or_else(|| dummies.binding(binding));
                        let resource = wgpu::BindingResource::Buffer(bound);
                        wgpu::BindGroupEntry { binding: binding as u32, resource }
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
            steps.iter().enumerate().map(bind).collect()
        })?;
        Ok(Self { label, dispatches })
    }

    /// Both, `first` before itself.
    pub fn after(mut self, first: Self) -> Self {
        self.dispatches.splice(0..0, first.dispatches);
        self
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
    element: Element,
    alignment: u64,
) -> Option<wgpu::BufferBinding<'a>> {
    tensor.map(|t| t.window(piece.start, piece.length, element, alignment).0)
}

impl Pass {
    fn label(self) -> &'static str {
        match self {
            Pass::Training => "batch_norm.training",
            Pass::Inference => "batch_norm.inference",
            Pass::Backward => "batch_norm.backward",
            Pass::BackwardFrozen => "batch_norm.backward_frozen",
            Pass::Merge => "batch_norm.merge",
        }
    }
}
