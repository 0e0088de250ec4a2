//! A layer with the tensors of a case, verified, beside the ceiling kernels on the same tensors.

use super::baseline::CpuBaseline;
use super::cases::Case;
use super::ceiling::{Bound, Ceiling};
use super::op::Op;
use super::timer::Timer;
use wgpu_batchnorm::plan::{Adapter, Plan, Request};
use wgpu_batchnorm::reference::{self, AffineParams};
use wgpu_batchnorm::{
    Backward, BackwardPass, BatchNorm, BatchNormDescriptor, Context, Error, Forward, Inference,
    Momentum, Row, State, Training, wgpu,
};

pub struct Layer<'a> {
    pub case: &'a Case,
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
        with_cpu: bool,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let device = context.device();
        let shape = case.shape;
        let elements = shape.elements();
        let tensor_bytes = elements * 4;
        let bn = BatchNorm::new(device, &BatchNormDescriptor::default())?;
        let state = State::new(device, shape.channels());
        let gamma = values(shape.channels() as u64, 3, 1.5);
        let beta = values(shape.channels() as u64, 4, 0.0);
        state.set(context.queue(), Row::Gamma, &gamma)?;
        state.set(context.queue(), Row::Beta, &beta)?;
        let (x_host, dy_host) = (values(elements, 1, 0.5), values(elements, 2, 0.0));
        let (x, dy) = (context.upload(&x_host)?, context.upload(&dy_host)?);
        let (y, dx) = (context.zeros(elements)?, context.zeros(elements)?);

        let momentum = Momentum::Exponential(0.1);
        let training = Training { x: (&x).into(), y: (&y).into(), momentum };
        let training = bn.bind_training(device, &state, shape, training)?;
        let inference = Inference { x: (&x).into(), y: (&y).into() };
        let inference = bn.bind_inference(device, &state, shape, inference)?;
        let backward = Backward { dy: (&dy).into(), dx: (&dx).into() };
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
        verify("y", case, &context.download(&y)?, &want)?;
        drop(want);
        let want =
            reference::backward(shape, &x_host, &dy_host, &statistics, false, epsilon, affine);
        verify("dx", case, &context.download(&dx)?, &want.dx)?;
        drop(want);

        Ok(Self {
            case,
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
        Plan::new(&self.adapter, self.case.shape, &Request::new(op.pass(), &[]))
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

    /// Milliseconds of the CPU in so many rounds, one after the other, as those of PyTorch are in its script.
    pub fn cpu_rounds(&mut self, op: Op, rounds: usize) -> Vec<f64> {
        match &mut self.cpu {
            Some(cpu) => (0..=rounds).map(|_| cpu.time(op)).skip(1).collect(),
            None => Vec::new(),
        }
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

/// y and dx of data like ours are a few units at most, so the bound is absolute.
fn verify(name: &str, case: &Case, have: &[f32], want: &[f64]) -> Result<(), String> {
    let errors = have.iter().zip(want).map(|(&h, &w)| (h as f64 - w).abs());
    match errors.enumerate().find(|(_, error)| error.is_nan() || *error >= 2e-5) {
        None => Ok(()),
        Some((i, error)) => {
            Err(format!("{}: {name}[{i}] is wrong by {error:.1e}; nothing was timed", case.name()))
        }
    }
}
