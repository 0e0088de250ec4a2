//! Folding on the GPU.

use super::tensors::Tensors;
use super::{WeightLayout, check_epsilon};
use crate::plan::row_stride;
use crate::shader::fold::{
    Binding, FLAG_BETA, FLAG_GAMMA, FLAG_IN_PLACE, FLAG_SOURCE, Params, Pipelines, WORKGROUP,
};
use crate::{BatchNormDescriptor, BufferRange, Error, Shape, State, device};
use std::num::NonZeroU64;

/// A configuration and the kernels that fold it into layers; compiled once, shared by all layers.
#[derive(Clone, Debug)]
pub struct Folding {
    descriptor: BatchNormDescriptor,
    pipelines: Pipelines,
}

impl Folding {
    /// Checks the configuration and the device's limits, and compiles. Of `descriptor` ε, scale and
    /// shift count.
    ///
    /// # Errors
    /// [`Error::InvalidEpsilon`]; [`Error::LimitExceeded`] if the device allows fewer storage buffers
    /// or invocations than the kernels need; [`Error::Wgpu`].
    pub fn new(device: &wgpu::Device, descriptor: &BatchNormDescriptor) -> Result<Self, Error> {
        check_epsilon(descriptor)?;
        let limits = device.limits();
        let buffers = limits.max_storage_buffers_per_shader_stage;
        let invocations =
            limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x);
        for (what, need, limit) in [
            ("storage buffers of a kernel", Binding::STORAGE_BUFFERS, buffers),
            ("invocations of a workgroup", WORKGROUP, invocations),
        ] {
            if need > limit {
                let (need, limit) = (need as u64, limit as u64);
                return Err(Error::LimitExceeded { what, need, limit });
            }
        }
        let pipelines = device::scoped(device, || Pipelines::compile(device))?;
        Ok(Self { descriptor: descriptor.clone(), pipelines })
    }

    /// Another configuration with the same kernels: nothing is compiled twice.
    ///
    /// # Errors
    /// [`Error::InvalidEpsilon`].
    pub fn with_descriptor(&self, descriptor: &BatchNormDescriptor) -> Result<Self, Error> {
        check_epsilon(descriptor)?;
        Ok(Self { descriptor: descriptor.clone(), pipelines: self.pipelines.clone() })
    }

    /// Binds the folding of a layer that has `each` weights for each of the state's channels:
    /// inputs of a dense layer, or inputs times the extent of a kernel.
    ///
    /// s = γ/√(running variance + ε), w' = w·s, b' = (b − running mean)·s + β, as
    /// [described](super), in `f32`: w' is within 8 units of roundoff (2⁻²⁴) of the exact value where
    /// the driver's root and quotient are within 3 units in the last place together.
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] if `each` is 0 or does not fit the layout;
    /// [`Error::InvalidChannels`] and [`Error::ShapeOverflow`]; what is wrong with a range
    /// ([`Error::BufferTooSmall`] and its neighbours, [`Error::Overlap`]); [`Error::LimitExceeded`];
    /// [`Error::Wgpu`] if the device is out of memory; what was wrong with [`State::new`].
    pub fn bind(
        &self,
        device: &wgpu::Device,
        state: &State,
        layout: WeightLayout,
        each: u64,
        tensors: Tensors,
    ) -> Result<Fold, Error> {
        state.check_made()?;
        let channels = state.channels();
        let shape = layout.shape(channels as usize, each.saturating_mul(channels as u64))?;
        shape.validate()?;
        tensors.check(state, shape)?;
        let limits = device.limits();
        let steps = self.steps(&Windows::new(&limits), shape, &tensors)?;
        let grids = steps
            .iter()
            .map(|step| grid(step.params.length, limits.max_compute_workgroups_per_dimension))
            .collect::<Result<Vec<_>, _>>()?;

        let slot = (size_of::<Params>() as u64)
            .next_multiple_of(limits.min_uniform_buffer_offset_alignment.max(16) as u64);
        let mut blocks = vec![0u8; slot as usize * steps.len()];
        for (step, block) in steps.iter().zip(blocks.chunks_exact_mut(slot as usize)) {
            block[..size_of::<Params>()].copy_from_slice(bytemuck::bytes_of(&step.params));
        }
        let dispatches = device::scoped(device, || {
            let uniform = wgpu::BufferUsages::UNIFORM;
            let params = device::buffer_with(device, "batch_norm.fold.params", &blocks, uniform);
            // The scales, and behind them a word to bind where there is no source.
            let scales_size = row_stride(channels) * 4;
            let scales = device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("batch_norm.fold.scales"),
                size: scales_size + 4,
                usage: wgpu::BufferUsages::STORAGE,
                mapped_at_creation: false,
            });
            let bind = |(index, step): (usize, &Step<'_>)| {
                let resource = |binding: Binding| {
                    wgpu::BindingResource::Buffer(match binding {
                        Binding::Params => {
                            part(&params, index as u64 * slot, size_of::<Params>() as u64)
                        }
                        Binding::State => state.buffer().as_entire_buffer_binding(),
                        Binding::Scales => part(&scales, 0, scales_size),
                        Binding::Source => {
                            step.source.clone().unwrap_or_else(|| part(&scales, scales_size, 4))
                        }
                        Binding::Folded => step.target.clone(),
                    })
                };
                let entries = Binding::ALL.map(|binding| wgpu::BindGroupEntry {
                    binding: binding as u32,
                    resource: resource(binding),
                });
                device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: Some(LABEL),
                    layout: &self.pipelines.layout,
                    entries: &entries,
                })
            };
            let bind_groups = steps.iter().enumerate().map(bind).zip(&grids);
            bind_groups.map(|(group, &grid)| (group, grid)).collect()
        })?;
        Ok(Fold { pipelines: self.pipelines.clone(), dispatches })
    }

    /// The dispatch of the channels, then those of the weights, piece by piece.
    fn steps<'a>(
        &self,
        windows: &Windows,
        shape: Shape,
        tensors: &'a Tensors,
    ) -> Result<Vec<Step<'a>>, Error> {
        let flag = |on: bool, flag: u32| if on { flag } else { 0 };
        let (channels, inner) = (shape.channels() as u64, shape.inner());
        // So that a piece and its place along `inner` are counted in 32 bits.
        let most = 1 << 31;
        if inner > most {
            let what = "weights behind one another of a channel";
            return Err(Error::LimitExceeded { what, need: inner, limit: most });
        }
        let common = Params {
            channels: channels as u32,
            row_stride: row_stride(shape.channels()) as u32,
            inner: inner as u32,
            flags: flag(self.descriptor.scale, FLAG_GAMMA) | flag(self.descriptor.shift, FLAG_BETA),
            epsilon: self.descriptor.epsilon,
            ..Params::default()
        };
        let step = |source: Option<&'a BufferRange>, target: &'a BufferRange, start, length| {
            let in_place = source.is_some_and(|source| source.is_same(target));
            let (target, target_at) = windows.of(target, start, length);
            let bound = source.filter(|_| !in_place).map(|s| windows.of(s, start, length));
            let params = Params {
                length: length as u32,
                first_channel: (start / inner % channels) as u32,
                first_inner: (start % inner) as u32,
                source_at: bound.as_ref().map_or(0, |(_, at)| *at),
                target_at,
                flags: common.flags
                    | flag(bound.is_some(), FLAG_SOURCE)
                    | flag(in_place, FLAG_IN_PLACE),
                ..common
            };
            Step { params, source: bound.map(|(binding, _)| binding), target }
        };
        let Tensors { weights, bias, folded_weights, folded_bias } = tensors;
        windows.check(channels)?;
        let mut steps = vec![step(bias.as_ref(), folded_bias, 0, channels)];
        for start in (0..shape.elements()).step_by(windows.elements as usize) {
            let length = windows.elements.min(shape.elements() - start);
            steps.push(step(Some(weights), folded_weights, start, length));
        }
        Ok(steps)
    }
}

/// A folding, bound to its buffers; holds everything that it needs alive.
#[derive(Clone, Debug)]
pub struct Fold {
    pipelines: Pipelines,
    /// The channels first, whose scales the others read.
    dispatches: Vec<(wgpu::BindGroup, [u32; 2])>,
}

impl Fold {
    /// Records the folding, with what the state has when it runs. Cannot fail, allocates nothing on
    /// the GPU, never submits, never waits. In place, each time folds once more.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some(LABEL),
            timestamp_writes: None,
        });
        self.encode_in(&mut pass);
    }

    /// As [`encode`](Self::encode), into a compute pass of the caller's, whose pipeline and bind
    /// group 0 it replaces.
    pub fn encode_in(&self, pass: &mut wgpu::ComputePass<'_>) {
        for (index, (bind_group, [x, y])) in self.dispatches.iter().enumerate() {
            let Pipelines { channels, weights, .. } = &self.pipelines;
            pass.set_pipeline(if index == 0 { channels } else { weights });
            pass.set_bind_group(0, bind_group, &[]);
            pass.dispatch_workgroups(*x, *y, 1);
        }
    }
}

const LABEL: &str = "batch_norm.fold";

/// A dispatch. Without a source there is no bias, or the target is the source.
struct Step<'a> {
    params: Params,
    source: Option<wgpu::BufferBinding<'a>>,
    target: wgpu::BufferBinding<'a>,
}

/// What a binding may cover.
struct Windows {
    alignment: u64,
    /// Elements that fit, wherever they start.
    elements: u64,
}

impl Windows {
    fn new(limits: &wgpu::Limits) -> Self {
        let alignment = limits.min_storage_buffer_offset_alignment.max(4) as u64;
        let bytes = limits.max_storage_buffer_binding_size.min(u32::MAX as u64);
        Self { alignment, elements: bytes.saturating_sub(alignment) / 4 }
    }

    /// Checks that a binding holds a value a channel, and anything at all.
    fn check(&self, channels: u64) -> Result<(), Error> {
        if channels.max(1) > self.elements {
            let what = "the bias of a layer in one storage binding, in bytes";
            let (need, limit) = (channels.max(1) * 4, self.elements * 4);
            return Err(Error::LimitExceeded { what, need, limit });
        }
        Ok(())
    }

    /// The binding that covers elements of a range, and the place of the first of them in it.
    fn of<'a>(
        &self,
        range: &'a BufferRange,
        start: u64,
        length: u64,
    ) -> (wgpu::BufferBinding<'a>, u32) {
        let start = range.offset + start * 4;
        let offset = start / self.alignment * self.alignment;
        let size = start + length * 4 - offset;
        (part(&range.buffer, offset, size), ((start - offset) / 4) as u32)
    }
}

fn part(buffer: &wgpu::Buffer, offset: u64, size: u64) -> wgpu::BufferBinding<'_> {
    wgpu::BufferBinding { buffer, offset, size: NonZeroU64::new(size) }
}

/// A grid of workgroups for at least `invocations`, within the limit of each dimension.
fn grid(invocations: u32, limit: u32) -> Result<[u32; 2], Error> {
    let (total, limit) = (invocations.div_ceil(WORKGROUP) as u64, limit as u64);
    let y = total.div_ceil(limit.max(1)).max(1);
    if y > limit {
        let what = "workgroups of a dispatch";
        return Err(Error::LimitExceeded { what, need: total, limit: limit * limit });
    }
    Ok([total.div_ceil(y) as u32, y as u32])
}
