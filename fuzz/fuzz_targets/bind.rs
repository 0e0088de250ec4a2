//! Any configuration, shape, state, momentum and ranges are bound or refused, never a panic; and what
//! is bound can be recorded and submitted without a word from wgpu. On the backend that does
//! everything but compute.
#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};
use wgpu_batchnorm::plan::Adapter;
use wgpu_batchnorm::{
    Activation, BatchNorm, BatchNormDescriptor, BufferRange, Element, Error, Extras, Gradients,
    Inference, Momentum, Row, RunningVariance, Saved, Shape, State, Training, Weights,
};

struct Fixture {
    device: wgpu::Device,
    queue: wgpu::Queue,
    /// As planned for several adapters; their kernels are compiled once.
    layers: Vec<BatchNorm>,
    buffers: Vec<wgpu::Buffer>,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let (device, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor {
        // So small that small tensors take several bindings.
        required_limits: wgpu::Limits {
            max_storage_buffer_binding_size: 1 << 16,
            min_storage_buffer_offset_alignment: 32,
            ..wgpu::Limits::default()
        },
        ..Default::default()
    });
    device.on_uncaptured_error(Arc::new(|error: wgpu::Error| panic!("uncaptured: {error}")));
    let adapter = Adapter::new(&device.adapter_info(), &device.limits());
    let adapters = [
        Adapter { is_cpu: true, subgroup: 8, ..adapter },
        Adapter { is_cpu: true, subgroup: 8, tiles_from: 0, ..adapter },
        Adapter { is_cpu: false, subgroup: 32, ..adapter },
        Adapter { is_cpu: false, subgroup: 32, max_workgroups: 3, ..adapter },
        // The device that does nothing reports subgroups of 128, and no workgroup is narrower.
        Adapter { is_cpu: true, max_invocations: 128, ..adapter },
    ];
    let descriptor = BatchNormDescriptor::default();
    let layer = |adapter| BatchNorm::with_adapter(&device, &descriptor, adapter).unwrap();
    let layers = adapters.map(layer).into();
    let storage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
    let buffers = [
        (4, storage),
        (1 << 12, storage),
        (1 << 18, storage),
        (1 << 20, storage),
        (1 << 20, storage),
        (1 << 12, wgpu::BufferUsages::COPY_DST),
    ];
    let buffer = |(size, usage)| {
        let (label, mapped_at_creation) = (None, false);
        device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation })
    };
    let buffers = buffers.map(buffer).into();
    Fixture { device, queue, layers, buffers }
});

/// A buffer of the fixture, or the layer's own state or saved statistics.
#[derive(Debug)]
struct Range {
    buffer: u8,
    offset: u64,
    /// `None` for as much as the shape takes.
    size: Option<u64>,
}

#[derive(Debug)]
struct Input {
    layer: usize,
    descriptor: BatchNormDescriptor,
    momentum: Momentum,
    shape: Shape,
    state_channels: Option<u32>,
    training: bool,
    ranges: [Range; 3],
    dx: Option<Range>,
    residual: Option<Range>,
    dresidual: Option<Range>,
    weights: Option<(Range, u64)>,
    affine: bool,
    optimize: bool,
}

/// Numbers of every size up to so many bits, the small ones as likely as the large.
fn number(u: &mut Unstructured, most_bits: u32) -> Result<u64> {
    let bits = u.int_in_range(0..=most_bits)?;
    Ok(if bits == 0 { 0 } else { u64::arbitrary(u)? >> (64 - bits) })
}

/// An extent: mostly one that fits a buffer.
fn extent(u: &mut Unstructured) -> Result<u64> {
    let most_bits = if u.ratio(1, 16)? { 64 } else { 9 };
    number(u, most_bits)
}

impl<'a> Arbitrary<'a> for Range {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let offset = match u.int_in_range(0..=7)? {
            0 => number(u, 64)?,
            1..=3 => 0,
            4 => number(u, 12)? * 4,
            _ => number(u, 12)? * 256,
        };
        let size = if u.ratio(1, 8)? { Some(number(u, 64)?) } else { None };
        Ok(Self { buffer: u.int_in_range(0..=7)?, offset, size })
    }
}

impl<'a> Arbitrary<'a> for Input {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let epsilon = if u.ratio(1, 16)? { u.arbitrary()? } else { 1e-5 };
        let running_variance = *u.choose(&[RunningVariance::Unbiased, RunningVariance::Biased])?;
        let [scale, shift, track_running_stats] = u.arbitrary()?;
        let momentum = match u.int_in_range(0..=7)? {
            0 => Momentum::Exponential(u.arbitrary()?),
            1 => Momentum::Cumulative,
            _ => Momentum::default(),
        };
        let (outer, inner) = (extent(u)?, extent(u)?);
        let channels = extent(u)?.min(u32::MAX as u64) as u32;
        let shape = match u.arbitrary()? {
            true => Shape::channels_first(outer, channels, inner),
            false => Shape::channels_last(outer, channels),
        };
        let state_channels = if u.ratio(1, 32)? { Some(extent(u)? as u32) } else { None };
        Ok(Self {
            layer: u.int_in_range(0..=4)?,
            descriptor: BatchNormDescriptor {
                epsilon,
                scale,
                shift,
                track_running_stats,
                running_variance,
                element: *u.choose(&[Element::F32, Element::F32, Element::F16, Element::BF16])?,
                activation: match u.int_in_range(0..=3)? {
                    0 => Activation::LeakyRelu(u.arbitrary()?),
                    1 => Activation::Gelu,
                    _ => Activation::Identity,
                },
                renormalize: u.arbitrary()?,
            },
            momentum,
            shape,
            state_channels,
            training: u.arbitrary()?,
            ranges: u.arbitrary()?,
            dx: if u.ratio(3, 4)? { Some(u.arbitrary()?) } else { None },
            residual: if u.ratio(1, 4)? { Some(u.arbitrary()?) } else { None },
            dresidual: if u.ratio(1, 8)? { Some(u.arbitrary()?) } else { None },
            weights: match u.int_in_range(0..=7)? {
                0 => Some((u.arbitrary()?, outer)),
                1 => Some((u.arbitrary()?, outer.saturating_mul(inner))),
                2 => Some((u.arbitrary()?, extent(u)?)),
                _ => None,
            },
            affine: u.ratio(3, 4)?,
            optimize: u.arbitrary()?,
        })
    }
}

fuzz_target!(|input: Input| {
    // Whatever can be refused is refused by a check of the crate's own, before wgpu sees it.
    let _ = run(&input).inspect_err(|error| assert!(!matches!(error, Error::Wgpu(_)), "{error}"));
});

fn run(input: &Input) -> std::result::Result<(), Error> {
    let Fixture { device, queue, layers, buffers } = &*FIXTURE;
    let shape = input.shape;
    let bn = layers[input.layer].with_descriptor(&input.descriptor)?;
    let state = State::new(device, input.state_channels.unwrap_or(shape.channels()));
    let set = state.set(queue, Row::Gamma, &[1.0]);
    assert!(state.channels() == 1 || set.is_err());
    let range = |range: &Range, own: &[&wgpu::Buffer]| {
        let index = range.buffer as usize;
        let buffer = match index.checked_sub(buffers.len()) {
            None => &buffers[index],
            Some(index) => own.get(index).unwrap_or(&own[0]),
        };
        let bytes = shape.elements().saturating_mul(input.descriptor.element.size());
        let size = range.size.unwrap_or(bytes);
        BufferRange::new(buffer, range.offset, size)
    };
    let [x, y, dy] = &input.ranges;
    let own = [state.buffer()];
    let (x, y) = (range(x, &own), range(y, &own));
    let extras = Extras {
        residual: input.residual.as_ref().map(|r| range(r, &own)),
        weights: input.weights.as_ref().map(|(r, count)| Weights::new(range(r, &own), *count)),
    };
    let forward = match input.training {
        true => {
            let momentum = input.momentum;
            bn.bind_training_with(device, &state, shape, Training { x, y, momentum }, extras)?
        }
        false => bn.bind_inference_with(device, &state, shape, Inference { x, y }, extras)?,
    };
    let mut encoder = device.create_command_encoder(&Default::default());
    forward.encode(&mut encoder);
    let saved = forward.saved(Saved::Mean);
    let own: Vec<&wgpu::Buffer> =
        saved.iter().map(BufferRange::buffer).chain([state.buffer()]).collect();
    let gradients = Gradients {
        dx: input.dx.as_ref().map(|r| range(r, &own)),
        dresidual: input.dresidual.as_ref().map(|r| range(r, &own)),
        affine: input.affine,
        optimize: input.optimize,
    };
    let backward = bn.bind_backward_with(device, &forward, range(dy, &own), gradients);
    if let Ok(backward) = &backward {
        backward.encode(&mut encoder);
    }
    queue.submit([encoder.finish()]);
    let _ = device.poll(wgpu::PollType::wait_indefinitely());
    backward.map(drop)
}
