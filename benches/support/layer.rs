//! A layer with the tensors of a case, verified, beside the ceiling kernels on the same tensors.

use super::baseline::CpuBaseline;
use super::cases::Case;
use super::ceiling::{Bound, Ceiling};
use super::element;
use super::op::Op;
use super::timer::Timer;
use std::time::{Duration, Instant};
use wgpu_batchnorm::plan::{Adapter, Plan, Request};
use wgpu_batchnorm::reference::{self, AffineParams};
use wgpu_batchnorm::{
    Backward, BackwardPass, BatchNorm, BatchNormDescriptor, BufferRange, Context, Element, Error,
    Forward, Inference, Momentum, Row, State, Training, wgpu,
};

/// For so long the CPU works before it is timed: threads that have slept may share a core at first.
const WARM_UP: Duration = Duration::from_millis(100);

pub struct Layer<'a> {
    pub case: &'a Case,
    pub element: Element,
    adapter: Adapter,
    training: Forward,
    inference: Forward,
    backward: BackwardPass,
    read: Bound,
    copy: Bound,
    empty: Bound,
    cpu: Option<CpuBaseline>,
}

/// Milliseconds of one round.
#[derive(Clone, Copy)]
pub struct Round {
    pub op: f64,
    pub read: f64,
    pub copy: f64,
    pub empty: f64,
}

impl<'a> Layer<'a> {
    pub fn new(
        context: &Context,
        ceiling: &Ceiling,
        case: &'a Case,
        element: Element,
        adapter: Adapter,
        with_cpu: bool,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let device = context.device();
        let shape = case.shape;
        let elements = shape.elements();
        let tensor_bytes = elements * element.size();
        let descriptor = BatchNormDescriptor { element, ..Default::default() };
        let bn = BatchNorm::with_adapter(device, &descriptor, adapter)?;
        let state = State::new(device, shape.channels());
        let gamma = values(shape.channels() as u64, 3, 1.5);
        let beta = values(shape.channels() as u64, 4, 0.0);
        state.set(context.queue(), Row::Gamma, &gamma)?;
        state.set(context.queue(), Row::Beta, &beta)?;
        let (mut x_host, mut dy_host) = (values(elements, 1, 0.5), values(elements, 2, 0.0));
        let x = context.upload_bytes(&element::encode(element, &mut x_host))?;
        let dy = context.upload_bytes(&element::encode(element, &mut dy_host))?;
        let words = tensor_bytes.div_ceil(4);
        let (y, dx) = (context.zeros(words)?, context.zeros(words)?);

        let range = |buffer| BufferRange::new(buffer, 0, tensor_bytes);
        let momentum = Momentum::Exponential(0.1);
        let training = Training { x: range(&x), y: range(&y), momentum };
        let training = bn.bind_training(device, &state, shape, training)?;
        let inference = Inference { x: range(&x), y: range(&y) };
        let inference = bn.bind_inference(device, &state, shape, inference)?;
        let backward = Backward { dy: range(&dy), dx: range(&dx) };
        let backward = bn.bind_backward(device, &training, backward)?;

        // Right before fast.
        context.run(|encoder| {
            training.encode(encoder);
            backward.encode(encoder);
        });
        let statistics = reference::statistics(shape, &x_host);
        let affine = AffineParams { gamma: Some(&gamma), beta: Some(&beta) };
        let epsilon = bn.descriptor().epsilon;
        let want = reference::normalize(shape, &x_host, &statistics, epsilon, affine);
        let download = |buffer| -> Result<Vec<f32>, Error> {
            Ok(element::decode(element, &context.download_bytes(range(buffer))?))
        };
        verify("y", case, element, &download(&y)?, &want, |_| 1.0)?;
        drop(want);
        let want =
            reference::backward(shape, &x_host, &dy_host, &statistics, false, epsilon, affine);
        // The terms of dx are as large as inv_std, of a few values by chance near each other a hundred and more. Of
        // the benchmark's own shapes it is less than 4.
        let inv_std = |i: usize| {
            let channel = i as u64 / shape.inner() % shape.channels() as u64;
            reference::inv_std(statistics.variance[channel as usize], epsilon)
        };
        let large = |i| (inv_std(i) / 4.0).max(1.0);
        verify("dx", case, element, &download(&dx)?, &want.dx, large)?;
        drop(want);

        Ok(Self {
            case,
            element,
            adapter: *bn.adapter(),
            training,
            inference,
            backward,
            read: ceiling.read_only.bind(context, &x, &dx, tensor_bytes),
            copy: ceiling.copy.bind(context, &x, &dx, tensor_bytes),
            empty: ceiling.empty.bind(context, &x, &dx, tensor_bytes.min(1 << 20)),
            cpu: with_cpu.then(|| CpuBaseline::new(shape, x_host, dy_host, gamma, beta)),
        })
    }

    pub fn plan(&self, op: Op) -> Result<Plan, Error> {
        let request = Request { element: self.element, ..Request::new(op.pass(), &[]) };
        Plan::new(&self.adapter, self.case.shape, &request)
    }

    /// The pass in turn with the ceiling kernels. Twice each, and timed the second time: the first finds in the
    /// caches what another left.
    pub fn round(&self, context: &Context, timer: &Timer, op: Op) -> Round {
        let twice = |record: &dyn Fn(&mut wgpu::ComputePass<'_>)| {
            timer.time(context, record);
            timer.time(context, record)
        };
        Round {
            op: twice(&|pass| match op {
                Op::Training => self.training.encode_in(pass),
                Op::Inference => self.inference.encode_in(pass),
                Op::Backward => self.backward.encode_in(pass),
            }),
            read: twice(&|pass| self.read.encode_in(pass)),
            copy: twice(&|pass| self.copy.encode_in(pass)),
            empty: twice(&|pass| self.empty.encode_in(pass)),
        }
    }

    /// Milliseconds of the CPU in so many rounds, one after the other, as those of PyTorch are in its script: after
    /// [`WARM_UP`].
    pub fn cpu_rounds(&mut self, op: Op, rounds: usize) -> Vec<f64> {
        let Some(cpu) = &mut self.cpu else { return Vec::new() };
        let start = Instant::now();
        while start.elapsed() < WARM_UP {
            cpu.time(op);
        }
        (0..rounds).map(|_| cpu.time(op)).collect()
    }
}

/// Values between −1 and 1 around `mean`, the same every time.
fn values(n: u64, seed: u32, mean: f32) -> Vec<f32> {
    (0..n as u32)
        .map(|i| {
            let mut h = (i ^ seed.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b);
            h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
            mean + ((h ^ (h >> 16)) >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// y and dx of data like ours are a few units at most, or `times` that, so the bound is absolute, but for the rounding of
/// what is stored.
fn verify(
    name: &str,
    case: &Case,
    element: Element,
    have: &[f32],
    want: &[f64],
    times: impl Fn(usize) -> f64,
) -> Result<(), String> {
    for (i, (&have, &want)) in have.iter().zip(want).enumerate() {
        let error = (have as f64 - want).abs();
        if error.is_nan() || error >= 2e-5 * times(i) + element::roundoff(element) * want.abs() {
            let case = case.name();
            return Err(format!("{case}: {name}[{i}] is wrong by {error:.1e}; nothing was timed"));
        }
    }
    Ok(())
}
