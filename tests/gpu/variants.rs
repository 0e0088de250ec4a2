//! Every kernel variant against the reference, over the table of cases.

use crate::cases::{Case, Random, cases};
use crate::device;
use crate::guarded::Guarded;
use crate::tolerance::{self, ROUNDOFF, assert_close, assert_within};
use wgpu_batchnorm::plan::Adapter;
use wgpu_batchnorm::reference::{self, AffineParams, Statistics};
use wgpu_batchnorm::{
    Backward, BatchNorm, BatchNormDescriptor, BufferRange, Context, Inference, Row, Saved, Shape,
    State, Training,
};

/// All cases, as the adapter plans them.
#[test]
fn cases_agree_with_the_reference() {
    if let Some(context) = device::context() {
        let layers = Layers::new(context, |adapter| adapter);
        cases().iter().for_each(|case| layers.check(case));
    }
}

/// All cases, as they are planned for a GPU: large workgroups, many lanes.
#[test]
fn cases_agree_as_planned_for_a_gpu() {
    if let Some(context) = device::context() {
        let layers = Layers::new(context, |adapter| Adapter { is_cpu: false, ..adapter });
        cases().iter().for_each(|case| layers.check(case));
    }
}

/// All cases, as they are planned for a software adapter: small tensors in tiles, too.
#[test]
fn cases_agree_in_tiles() {
    if let Some(context) = device::context() {
        let layers =
            Layers::new(context, |adapter| Adapter { is_cpu: true, tiles_from: 0, ..adapter });
        cases().iter().for_each(|case| layers.check(case));
    }
}

/// A third of the cases, as they are planned for a software adapter of wider vectors.
#[test]
fn cases_agree_as_planned_for_wide_vectors() {
    if let Some(context) = device::context() {
        let layers =
            Layers::new(context, |adapter| Adapter { is_cpu: true, subgroup: 16, ..adapter });
        cases().iter().step_by(3).for_each(|case| layers.check(case));
    }
}

/// Tensors that no binding covers are walked in pieces: outer ranges, channel ranges, and parts of
/// a single row.
#[test]
fn tensors_beyond_one_binding_agree() {
    let Some(context) = device::with_max_binding(1 << 16) else { return };
    let layers = Layers::new(&context, |adapter| adapter);
    let shapes = [
        Shape::ncl(40, 8, 100),
        Shape::ncl(40, 7, 99),
        Shape::ncl(3, 12, 4_000),
        Shape::ncl(3, 5, 4_001),
        Shape::ncl(2, 2, 40_000),
        Shape::ncl(1, 1, 100_001),
        Shape::nc(5_000, 12),
        Shape::channels_last(20_000, 5),
        Shape::channels_last(3_000, 64),
    ];
    for shape in shapes {
        for offset in [0, 3] {
            layers.check(&Case { offset, ..Case::new(shape) });
        }
    }
}

/// More workgroups than one dimension of a dispatch holds, and a million channels.
#[test]
fn many_channels_agree() {
    if let Some(context) = device::context() {
        let layers = Layers::new(context, |adapter| adapter);
        layers.check(&Case::new(Shape::ncl(1, 70_000, 256)));
        layers.check(&Case::new(Shape::nc(4, 1_000_000)));
    }
}

/// Layers that share a device; a `BatchNorm` for each configuration compiles its kernels once.
pub struct Layers<'a> {
    context: &'a Context,
    adapter: Adapter,
    compiled: std::cell::RefCell<Vec<(BatchNormDescriptor, &'static BatchNorm)>>,
    /// What tolerances are multiplied by.
    slack: f64,
}

impl<'a> Layers<'a> {
    pub fn new(context: &'a Context, adapter: impl Fn(Adapter) -> Adapter) -> Self {
        let device = context.device();
        let adapter = adapter(Adapter::new(&device.adapter_info(), &device.limits()));
        Self { context, adapter, compiled: Default::default(), slack: 1.0 }
    }

    /// For tens of thousands of random channels. The tolerances hold for a table of known cases, in
    /// which roundings of either sign cancel as they mostly do; a bound that no luck exceeds would
    /// add them all up, and is several times as wide.
    pub fn with_slack_for_many(self) -> Self {
        Self { slack: 1.6, ..self }
    }

    fn layer(&self, descriptor: &BatchNormDescriptor) -> &'static BatchNorm {
        let mut compiled = self.compiled.borrow_mut();
        if let Some((_, bn)) = compiled.iter().find(|(d, _)| d == descriptor) {
            return bn;
        }
        let bn = match compiled.first() {
            // All configurations share kernels.
            Some((_, bn)) => bn.with_descriptor(descriptor),
            None => BatchNorm::with_adapter(self.context.device(), descriptor, self.adapter),
        };
        let bn = Box::leak(Box::new(bn.expect("a configuration that is right")));
        compiled.push((descriptor.clone(), bn));
        bn
    }

    /// Training, its backward pass, inference with what it tracked, and the backward pass through
    /// frozen statistics.
    pub fn check(&self, case: &Case) {
        let (context, shape) = (self.context, case.shape);
        let device = context.device();
        let (elements, channels) = (shape.elements() as usize, shape.channels() as usize);
        let mut random = Random(elements as u64 * 31 + channels as u64);
        let what = |name: &str| format!("{name} of {case:?}");

        let x_host = random.normals(elements, case.mean);
        let dy_host = random.normals(elements, 0.1);
        let (gamma, beta) = (random.signed(channels), random.signed(channels));
        let running_mean = random.normals(channels, case.mean);
        let running_var: Vec<f32> =
            random.signed(channels).into_iter().map(|v| 1.0 + v / 2.0).collect();
        let descriptor = &case.descriptor;
        let affine = AffineParams {
            gamma: descriptor.scale.then_some(&gamma),
            beta: descriptor.shift.then_some(&beta),
        };

        let bn = self.layer(descriptor);
        let state = State::new(device, channels as u32);
        for (row, values) in [
            (Row::Gamma, &gamma),
            (Row::Beta, &beta),
            (Row::RunningMean, &running_mean),
            (Row::RunningVar, &running_var),
            (Row::DGamma, &vec![f32::NAN; channels]),
            (Row::DBeta, &vec![f32::NAN; channels]),
        ] {
            state.set(context.queue(), row, values).expect("C values");
        }
        state.set_batches(context.queue(), 4).expect("a state");
        let x = Guarded::new(context, &x_host, case.offset);
        let dy = Guarded::new(context, &dy_host, case.offset);
        let y = Guarded::poisoned(context, elements, case.offset);
        let dx = Guarded::poisoned(context, elements, case.offset);
        let read = |range: BufferRange| context.download(range).expect("a download");

        // Training.
        let training = Training { x: x.range(), y: y.range(), momentum: case.momentum };
        let forward = bn
            .bind_training(device, &state, shape, training)
            .unwrap_or_else(|e| panic!("{}: {e}", what("training")));
        let tensors = Backward { dy: dy.range(), dx: dx.range() };
        let backward = bn.bind_backward(device, &forward, tensors).expect("backward");
        context.run(|encoder| {
            forward.encode(encoder);
            backward.encode(encoder);
        });
        let statistics = reference::statistics(shape, &x_host);
        let epsilon = descriptor.epsilon;
        let want = reference::normalize(shape, &x_host, &statistics, epsilon, affine);
        let deviation = |c: usize| statistics.variance[c].sqrt();
        assert_close(&what("y"), &y.read(context), &want, self.slack * tolerance::Y, 0.0);
        let saved = |which| read(forward.saved(which).expect("training saves"));
        assert_within(&what("mean"), &saved(Saved::Mean), &statistics.mean, |c, mean| {
            ROUNDOFF * mean.abs() + self.slack * tolerance::MEAN * deviation(c)
        });
        let pairs: Vec<f64> = saved(Saved::Pivot)
            .iter()
            .zip(saved(Saved::Remainder))
            .map(|(&pivot, rest)| pivot as f64 + rest as f64)
            .collect();
        for (c, (pair, mean)) in pairs.iter().zip(&statistics.mean).enumerate() {
            let off = (pair - mean).abs() / deviation(c);
            assert!(
                off <= self.slack * tolerance::MEAN,
                "{}: off by {off:e} deviations",
                what("mean as a pair")
            );
        }
        let inv_std: Vec<f64> =
            statistics.variance.iter().map(|&v| reference::inv_std(v, epsilon)).collect();
        let have = saved(Saved::InvStd);
        assert_close(
            &what("inv_std"),
            &have,
            &inv_std,
            0.0,
            self.slack * (tolerance::INV_STD + SMALL_BATCH),
        );

        // What was tracked.
        let start = Statistics {
            mean: running_mean.iter().map(|&v| v as f64).collect(),
            variance: running_var.iter().map(|&v| v as f64).collect(),
        };
        let mut running = start.clone();
        if descriptor.track_running_stats {
            let kind = descriptor.running_variance;
            let m = shape.count();
            reference::update_running(&mut running, &statistics, case.momentum, kind, 5, m);
        }
        let (have_mean, have_var) =
            (read(state.range(Row::RunningMean)), read(state.range(Row::RunningVar)));
        assert_within(&what("running_mean"), &have_mean, &running.mean, |c, _| {
            let terms = start.mean[c].abs().max(statistics.mean[c].abs());
            self.slack * tolerance::RUNNING * terms.max(deviation(c))
        });
        assert_within(&what("running_var"), &have_var, &running.variance, |c, want| {
            self.slack * tolerance::RUNNING * want.max(start.variance[c])
        });
        let batches = if descriptor.track_running_stats { 5 } else { 4 };
        let counts = context.download_words(state.range(Row::Batches)).expect("a download");
        assert!(counts.iter().all(|&n| n == batches), "{}", what("batches"));

        // Backward through the batch's statistics.
        let want =
            reference::backward(shape, &x_host, &dy_host, &statistics, false, epsilon, affine);
        self.check_gradients(case, &want, &statistics, &x_host, &dy_host, &dx, &state);

        // Inference and backward through frozen statistics.
        let frozen = Statistics {
            mean: have_mean.iter().map(|&v| v as f64).collect(),
            variance: have_var.iter().map(|&v| v as f64).collect(),
        };
        let y = Guarded::poisoned(context, elements, case.offset);
        let dx = Guarded::poisoned(context, elements, case.offset);
        let tensors = Inference { x: x.range(), y: y.range() };
        let forward = bn.bind_inference(device, &state, shape, tensors).expect("inference");
        let tensors = Backward { dy: dy.range(), dx: dx.range() };
        let backward = bn.bind_backward(device, &forward, tensors).expect("frozen");
        context.run(|encoder| {
            forward.encode(encoder);
            backward.encode(encoder);
        });
        let want = reference::normalize(shape, &x_host, &frozen, epsilon, affine);
        let have = y.read(context);
        assert_close(
            &what("y of inference"),
            &have,
            &want,
            self.slack * tolerance::Y,
            6.0 * ROUNDOFF,
        );
        let want = reference::backward(shape, &x_host, &dy_host, &frozen, true, epsilon, affine);
        self.check_gradients(case, &want, &frozen, &x_host, &dy_host, &dx, &state);
    }

    #[allow(clippy::too_many_arguments)]
    fn check_gradients(
        &self,
        case: &Case,
        want: &reference::Gradients,
        statistics: &Statistics,
        x: &[f32],
        dy: &[f32],
        dx: &Guarded,
        state: &State,
    ) {
        let what = |name: &str| format!("{name} of {case:?}");
        let read = |row| self.context.download(state.range(row)).expect("a download");
        let magnitude = |values: &[f64]| values.iter().fold(0f64, |a, v| a.max(v.abs()));
        let mut largest = magnitude(&want.dx);
        if case.shape.count() < 16 {
            // What is left of dy after its mean and its slope are taken away may be next to
            // nothing, so that dx is made of roundings of γ·inv_std·dy.
            let affine = AffineParams::default();
            let (shape, epsilon) = (case.shape, case.descriptor.epsilon);
            let whole = reference::backward(shape, x, dy, statistics, true, epsilon, affine);
            largest = largest.max(magnitude(&whole.dx));
        }
        let have = dx.read(self.context);
        assert_close(
            &what("dx"),
            &have,
            &want.dx,
            self.slack * tolerance::DX * largest.max(1e-3),
            0.0,
        );
        // Σ|dy| and Σ|dy·x̂| of each channel.
        let (shape, channels) = (case.shape, case.shape.channels() as usize);
        let (mut dy_sums, mut product_sums) = (vec![0.0; channels], vec![0.0; channels]);
        for n in 0..shape.outer() {
            for c in 0..channels {
                let inv_std = reference::inv_std(statistics.variance[c], case.descriptor.epsilon);
                for i in 0..shape.inner() {
                    let at = shape.index(n, c as u32, i) as usize;
                    let x_hat = (x[at] as f64 - statistics.mean[c]) * inv_std;
                    dy_sums[c] += (dy[at] as f64).abs();
                    product_sums[c] += (dy[at] as f64 * x_hat).abs();
                }
            }
        }
        // A few values are added one by one: m − 1 roundings.
        let few = (shape.count() as f64 - 1.0).min(8.0) * ROUNDOFF;
        let sums = self.slack * tolerance::SUMS.max(few);
        assert_within(&what("dbeta"), &read(Row::DBeta), &want.dbeta, |c, _| sums * dy_sums[c]);
        assert_within(&what("dgamma"), &read(Row::DGamma), &want.dgamma, |c, _| {
            // inv_std multiplies the sum, so its own error comes on top. So does that of the mean,
            // times Σdy, where so few values are summed that no bound on the rest covers it.
            let inv_std = reference::inv_std(statistics.variance[c], case.descriptor.epsilon);
            let deviations = statistics.variance[c].sqrt() * inv_std;
            let mean = if shape.count() < 16 { tolerance::MEAN * deviations } else { 0.0 };
            sums * product_sums[c]
                + (tolerance::INV_STD + ROUNDOFF) * want.dgamma[c].abs()
                + mean * want.dbeta[c].abs()
        });
    }
}

/// Of a few values, rounding σ² itself matters beside the root and the division.
const SMALL_BATCH: f64 = 2.0 * ROUNDOFF;
