//! One training step and its backward pass, bound once and run any number of times: what the tests
//! of faults, endurance and certified data share.

use crate::tolerance::{self, assert_close};
use wgpu_batchnorm::plan::Adapter;
use wgpu_batchnorm::reference::{self, AffineParams};
use wgpu_batchnorm::{
    Backward, BackwardPass, BatchNorm, BatchNormDescriptor, BufferRange, Context, Error, Forward,
    Momentum, Row, Saved, Shape, State, Training, wgpu,
};

/// The kernels as planned for lavapipe, for tiles, and for a GPU.
pub fn layers(context: &Context) -> [(&'static str, BatchNorm); 3] {
    let device = context.device();
    let adapter = Adapter::new(&device.adapter_info(), &device.limits());
    let layer = |adapter| {
        BatchNorm::with_adapter(device, &BatchNormDescriptor::default(), adapter).expect("a layer")
    };
    [
        ("software", layer(adapter)),
        ("tiles", layer(Adapter { is_cpu: true, cores: 4, tiles_from: 0, ..adapter })),
        ("gpu", layer(Adapter { is_cpu: false, ..adapter })),
    ]
}

/// A bound step with its buffers. Running statistics take all of a batch, so that each run gives
/// the same.
pub struct Step<'a> {
    context: &'a Context,
    forward: Forward,
    backward: BackwardPass,
    state: State,
    y: wgpu::Buffer,
    dx: wgpu::Buffer,
}

/// What a step gives: γ is 1, β is 0, and the running variance is that of m − 1.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub y: Vec<f32>,
    pub dx: Vec<f32>,
    pub running_mean: Vec<f32>,
    pub running_var: Vec<f32>,
    /// Pivot and remainder together.
    pub mean: Vec<f64>,
}

impl<'a> Step<'a> {
    pub fn bind(
        context: &'a Context,
        bn: &BatchNorm,
        shape: Shape,
        x: &[f32],
        dy: &[f32],
    ) -> Result<Self, Error> {
        let (x, dy) = (context.upload(x)?, context.upload(dy)?);
        Self::bind_to(context, bn, shape, x.into(), dy.into())
    }

    pub fn bind_to(
        context: &'a Context,
        bn: &BatchNorm,
        shape: Shape,
        x: BufferRange,
        dy: BufferRange,
    ) -> Result<Self, Error> {
        let device = context.device();
        let state = State::new(device, shape.channels());
        let (y, dx) = (context.zeros(shape.elements())?, context.zeros(shape.elements())?);
        let momentum = Momentum::Exponential(1.0);
        let training = Training { x, y: (&y).into(), momentum };
        let forward = bn.bind_training(device, &state, shape, training)?;
        let tensors = Backward { dy, dx: (&dx).into() };
        let backward = bn.bind_backward(device, &forward, tensors)?;
        Ok(Self { context, forward, backward, state, y, dx })
    }

    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        self.forward.encode(encoder);
        self.backward.encode(encoder);
    }

    pub fn run(&self) -> Result<Outcome, Error> {
        self.context.run(|encoder| self.encode(encoder));
        self.read()
    }

    pub fn read(&self) -> Result<Outcome, Error> {
        let saved = |which| self.context.download(self.forward.saved(which).expect("training"));
        let pairs = saved(Saved::Pivot)?.into_iter().zip(saved(Saved::Remainder)?);
        Ok(Outcome {
            y: self.context.download(&self.y)?,
            dx: self.context.download(&self.dx)?,
            running_mean: self.context.download(self.state.range(Row::RunningMean))?,
            running_var: self.context.download(self.state.range(Row::RunningVar))?,
            mean: pairs.map(|(pivot, rest)| pivot as f64 + rest as f64).collect(),
        })
    }
}

const SLACK: f64 = 1.6;

impl Outcome {
    /// FNV-1a over the bits of all that a caller sees.
    pub fn hash(&self) -> u64 {
        let values = [&self.y, &self.dx, &self.running_mean, &self.running_var];
        let bytes = values.into_iter().flatten().flat_map(|v| v.to_bits().to_le_bytes());
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ byte as u64).wrapping_mul(0x100_0000_01b3)
        })
    }

    /// Checks y, dx and the running variance against the reference, for data of unit variance; with
    /// the slack that hundreds of random channels need, see `Layers::with_slack_for_many`.
    #[track_caller]
    pub fn assert_right(&self, what: &str, shape: Shape, x: &[f32], dy: &[f32]) {
        let (epsilon, affine) = (BatchNormDescriptor::default().epsilon, AffineParams::default());
        let statistics = reference::statistics(shape, x);
        let y = reference::normalize(shape, x, &statistics, epsilon, affine);
        assert_close(&format!("{what}: y"), &self.y, &y, SLACK * tolerance::Y, 0.0);
        let want = reference::backward(shape, x, dy, &statistics, false, epsilon, affine);
        let largest = want.dx.iter().fold(0f64, |a, v| a.max(v.abs()));
        assert_close(
            &format!("{what}: dx"),
            &self.dx,
            &want.dx,
            SLACK * tolerance::DX * largest,
            0.0,
        );
        let m = shape.count() as f64;
        let variance: Vec<f64> = statistics.variance.iter().map(|v| v * m / (m - 1.0)).collect();
        let what = format!("{what}: running_var");
        assert_close(&what, &self.running_var, &variance, 0.0, SLACK * tolerance::RUNNING);
    }
}
