//! A case against the reference: all that it computes. What waits for the device is asynchronous, so that a browser
//! can do the same.

use crate::cases::{Case, Random, Weighting};
use crate::guarded::{Guarded, rounded};
use crate::read;
use crate::tolerance::{self, ROUNDOFF, assert_close, assert_within};
use wgpu_batchnorm::plan::Adapter;
use wgpu_batchnorm::reference::{self, AffineParams, Statistics};
use wgpu_batchnorm::{
    Activation, BackwardPass, BatchNorm, BatchNormDescriptor, BufferRange, Context, Element,
    Extras, Forward, Gradients, Inference, Row, Saved, State, Training, Weights,
};

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

    /// What plans are made for.
    pub fn adapter(&self) -> Adapter {
        self.adapter
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

    /// Checks all cases, and then tells all that failed.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn check_all(&self, cases: &[Case]) {
        use std::panic::{AssertUnwindSafe, catch_unwind};
        let check = |case| catch_unwind(AssertUnwindSafe(|| self.check(case))).is_err();
        let failed = cases.iter().filter(|case| check(case)).count();
        assert_eq!(failed, 0, "of {} cases; above are their messages", cases.len());
    }

    /// As [`agrees`](Self::agrees), blocking.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn check(&self, case: &Case) {
        pollster::block_on(self.agrees(case));
    }

    /// Training, its backward pass, inference with what it tracked, and the backward pass through
    /// frozen statistics.
    pub async fn agrees(&self, case: &Case) {
        let (context, shape) = (self.context, case.shape);
        let device = context.device();
        let what = |name: &str| format!("{name} of {case:?}");
        let data = Data::new(case);
        let (descriptor, epsilon) = (&case.descriptor, case.descriptor.epsilon);
        let affine = data.affine(descriptor);
        let bn = self.layer(descriptor);
        let state = data.state(context);
        let read = |range: BufferRange| read::values(context, range);
        let tensor =
            |values: &[f32]| Guarded::new(context, values, descriptor.element, case.offset);
        let output = || {
            let elements = shape.elements() as usize;
            // Not where the inputs are in theirs, but for tensors at the start.
            let offset = if case.offset == 0 { 0 } else { case.offset + 4 };
            Guarded::poisoned(context, elements, descriptor.element, offset)
        };
        let x = tensor(&data.x);
        let residual = data.residual.as_deref().map(tensor);
        let weights = data.weights.as_deref().map(|values| {
            let weights = Guarded::new(context, values, Element::F32, case.offset);
            Weights::new(weights.range(), values.len() as u64)
        });
        let extras =
            Extras { residual: residual.as_ref().map(|r| r.range()), weights: weights.clone() };

        // Training.
        let start = data.running();
        let statistics = reference::weighted_statistics(shape, &data.x, data.extras(descriptor));
        let corrections = descriptor
            .renormalize
            .then(|| reference::renormalization(&statistics, &start, epsilon, R_MAX, D_MAX));
        let want_extras =
            reference::Extras { corrections: corrections.as_deref(), ..data.extras(descriptor) };
        let dy_host = data.dy_off_kinks(case, &statistics, want_extras);
        let (y, dy) = (output(), tensor(&dy_host));
        let training = Training { x: x.range(), y: y.range(), momentum: case.momentum };
        let forward = bn
            .bind_training_with(device, &state, shape, training, extras.clone())
            .unwrap_or_else(|e| panic!("{}: {e}", what("training")));
        let (backward, dx, dresidual) = self.bind_backward(case, bn, &forward, &dy, output);
        context.run(|encoder| {
            forward.encode(encoder);
            backward.encode(encoder);
        });
        let want = reference::forward(shape, &data.x, &statistics, epsilon, affine, want_extras);
        self.check_output(
            case,
            "y",
            &y.read(context, &what("y")).await,
            &want,
            self.slack * tolerance::Y,
        );
        let deviation = |c: usize| statistics.variance[c].sqrt();
        let saved = |which| read(forward.saved(which).expect("training saves"));
        assert_within(&what("mean"), &saved(Saved::Mean).await, &statistics.mean, |c, mean| {
            ROUNDOFF * mean.abs() + self.slack * tolerance::MEAN * deviation(c)
        });
        let (pivot, remainder) = (saved(Saved::Pivot).await, saved(Saved::Remainder).await);
        let pairs: Vec<f64> =
            pivot.iter().zip(remainder).map(|(&pivot, rest)| pivot as f64 + rest as f64).collect();
        for (c, (pair, mean)) in pairs.iter().zip(&statistics.mean).enumerate() {
            let off = (pair - mean).abs() / deviation(c);
            // A single value with weight has no deviation.
            assert!(
                off <= self.slack * tolerance::MEAN || pair == mean,
                "{}: off by {off:e} deviations",
                what("mean as a pair")
            );
        }
        let inv_std: Vec<f64> =
            statistics.variance.iter().map(|&v| reference::inv_std(v, epsilon)).collect();
        assert_close(
            &what("inv_std"),
            &saved(Saved::InvStd).await,
            &inv_std,
            0.0,
            self.slack * (tolerance::INV_STD + SMALL_BATCH),
        );

        // What was tracked.
        let mut running = start.clone();
        let m = want_extras.count(shape);
        if descriptor.track_running_stats {
            let kind = descriptor.running_variance;
            reference::update_running(&mut running, &statistics, case.momentum, kind, 5, m);
        }
        let (have_mean, have_var) =
            (read(state.range(Row::RunningMean)).await, read(state.range(Row::RunningVar)).await);
        assert_within(&what("running_mean"), &have_mean, &running.mean, |c, _| {
            let terms = start.mean[c].abs().max(statistics.mean[c].abs());
            self.slack * tolerance::RUNNING * terms.max(deviation(c))
        });
        assert_within(&what("running_var"), &have_var, &running.variance, |c, want| {
            self.slack * tolerance::RUNNING * want.max(start.variance[c])
        });
        let batches = if descriptor.track_running_stats && m > 0.0 { 5 } else { 4 };
        let counts = read::words(context, state.range(Row::Batches)).await;
        assert!(counts.iter().all(|&n| n == batches), "{}", what("batches"));

        // Backward through the batch's statistics.
        let of =
            Differentiated { case, data: &data, dy: &dy_host, statistics, extras: want_extras };
        self.check_gradients(&of, false, dx.as_ref().unwrap_or(&dy), dresidual.as_ref(), &state)
            .await;

        // Inference and backward through frozen statistics.
        let frozen = Statistics {
            mean: have_mean.iter().map(|&v| v as f64).collect(),
            variance: have_var.iter().map(|&v| v as f64).collect(),
        };
        let want_extras = data.extras(descriptor);
        let dy_host = data.dy_off_kinks(case, &frozen, want_extras);
        let (y, dy) = (output(), tensor(&dy_host));
        let tensors = Inference { x: x.range(), y: y.range() };
        let forward = bn
            .bind_inference_with(device, &state, shape, tensors, extras.clone())
            .expect("inference");
        let (backward, dx, dresidual) = self.bind_backward(case, bn, &forward, &dy, output);
        context.run(|encoder| {
            forward.encode(encoder);
            backward.encode(encoder);
        });
        let want = reference::forward(shape, &data.x, &frozen, epsilon, affine, want_extras);
        let relative = 6.0 * ROUNDOFF;
        let largest = want.iter().fold(0f64, |a, v| a.max(v.abs()));
        let atol = self.slack * tolerance::Y + relative * largest;
        self.check_output(case, "y of inference", &y.read(context, &what("y")).await, &want, atol);
        let of = Differentiated {
            case,
            data: &data,
            dy: &dy_host,
            statistics: frozen,
            extras: want_extras,
        };
        self.check_gradients(&of, true, dx.as_ref().unwrap_or(&dy), dresidual.as_ref(), &state)
            .await;
        if case.in_place {
            let tensors = Inference { x: x.range(), y: x.range() };
            let forward =
                bn.bind_inference_with(device, &state, shape, tensors, extras).expect("in place");
            context.run(|encoder| forward.encode(encoder));
            self.check_output(case, "y over x", &x.read(context, &what("x")).await, &want, atol);
        }
    }

    /// The backward pass with all that the case has gradients for; dx over dy where it is in place.
    fn bind_backward(
        &self,
        case: &Case,
        bn: &BatchNorm,
        forward: &Forward,
        dy: &Guarded,
        output: impl Fn() -> Guarded,
    ) -> (BackwardPass, Option<Guarded>, Option<Guarded>) {
        let dx = (!case.in_place).then(&output);
        let dresidual = case.residual.then(&output);
        let gradients = Gradients {
            dx: Some(dx.as_ref().unwrap_or(dy).range()),
            dresidual: dresidual.as_ref().map(|d| d.range()),
            ..Default::default()
        };
        let device = self.context.device();
        let backward =
            bn.bind_backward_with(device, forward, dy.range(), gradients).expect("backward");
        (backward, dx, dresidual)
    }

    /// Checks a tensor: within `atol` in `f32`; 16-bit ones are rounded to nearest on top, which a
    /// value beside the middle between two may do either way: a unit in the last place.
    #[track_caller]
    fn check_output(&self, case: &Case, name: &str, have: &[f32], want: &[f64], atol: f64) {
        let (unit, smallest) = match case.descriptor.element {
            Element::F32 => (0.0, 0.0),
            Element::F16 => (2f64.powi(-10), 2f64.powi(-24)),
            Element::BF16 => (2f64.powi(-7), 0.0),
        };
        assert_close(&format!("{name} of {case:?}"), have, want, atol + smallest, unit);
    }

    async fn check_gradients(
        &self,
        of: &Differentiated<'_>,
        frozen: bool,
        dx: &Guarded,
        dresidual: Option<&Guarded>,
        state: &State,
    ) {
        let Differentiated { case, data, dy, ref statistics, extras } = *of;
        let (shape, epsilon) = (case.shape, case.descriptor.epsilon);
        let affine = data.affine(&case.descriptor);
        let want = reference::backward_with(
            shape, &data.x, dy, statistics, frozen, epsilon, affine, extras,
        );
        let what = |name: &str| format!("{name} (frozen: {frozen}) of {case:?}");
        let read = |row| read::values(self.context, state.range(row));
        let magnitude = |values: &[f64]| values.iter().fold(0f64, |a, v| a.max(v.abs()));
        let mut largest = magnitude(&want.dx);
        if extras.count(shape) < 16.0 {
            // What is left of dy after its mean and its slope are taken away may be next to
            // nothing, so that dx is made of roundings of γ·inv_std·dy.
            let affine = AffineParams::default();
            let whole = reference::backward_with(
                shape, &data.x, dy, statistics, true, epsilon, affine, extras,
            );
            largest = largest.max(magnitude(&whole.dx));
        }
        let dx_bound = self.slack * tolerance::DX * largest.max(1e-3);
        self.check_output(
            case,
            "dx",
            &dx.read(self.context, &what("dx")).await,
            &want.dx,
            dx_bound,
        );
        let largest = magnitude(&want.dresidual);
        // dy·act'(z): the slope changes by as much as z is off, at most 1.5 times.
        let slope_error = 2.0 * tolerance::Y;
        if let Some(dresidual) = dresidual {
            let bound = self.slack * slope_error * largest;
            self.check_output(
                case,
                "dresidual",
                &dresidual.read(self.context, &what("dresidual")).await,
                &want.dresidual,
                bound,
            );
        }
        // Σ|dz| and Σ|dz·x̂| of each channel.
        let channels = shape.channels() as usize;
        let (mut dz_sums, mut product_sums) = (vec![0.0; channels], vec![0.0; channels]);
        for n in 0..shape.outer() {
            for c in 0..channels {
                let inv_std = reference::inv_std(statistics.variance[c], epsilon);
                for i in 0..shape.inner() {
                    let at = shape.index(n, c as u32, i) as usize;
                    let x_hat = (data.x[at] as f64 - statistics.mean[c]) * inv_std;
                    let dz = want.dresidual[at].abs();
                    dz_sums[c] += dz;
                    // A position without weight may hold anything.
                    product_sums[c] += if dz > 0.0 { dz * x_hat.abs() } else { 0.0 };
                }
            }
        }
        // A few values are added one by one: m − 1 roundings.
        let few = (extras.count(shape) - 1.0).clamp(1.0, 8.0) * ROUNDOFF;
        let fused = if extras.activation == Activation::Identity { 0.0 } else { slope_error };
        let sums = self.slack * tolerance::SUMS.max(few) + fused;
        assert_within(&what("dbeta"), &read(Row::DBeta).await, &want.dbeta, |c, _| {
            sums * dz_sums[c]
        });
        assert_within(&what("dgamma"), &read(Row::DGamma).await, &want.dgamma, |c, _| {
            // inv_std multiplies the sum, so its own error comes on top. So does that of the mean,
            // times Σdz, where so few values are summed that no bound on the rest covers it.
            let inv_std = reference::inv_std(statistics.variance[c], epsilon);
            let deviations = statistics.variance[c].sqrt() * inv_std;
            let mean = if extras.count(shape) < 16.0 { tolerance::MEAN * deviations } else { 0.0 };
            // Of batch renormalization: dγ = r·Σdz·x̂ + d·Σdz.
            let (r, d) = extras.corrections.map_or((1.0, 0.0), |all| all[c]);
            let corrected = 4.0 * ROUNDOFF * (r * product_sums[c] + d.abs() * dz_sums[c]);
            sums * (r * product_sums[c] + d.abs() * dz_sums[c])
                + (tolerance::INV_STD + ROUNDOFF) * want.dgamma[c].abs()
                + mean * want.dbeta[c].abs()
                + if case.descriptor.renormalize { corrected } else { 0.0 }
        });
    }
}

/// A backward pass, for the reference.
struct Differentiated<'a> {
    case: &'a Case,
    data: &'a Data,
    dy: &'a [f32],
    statistics: Statistics,
    extras: reference::Extras<'a>,
}

/// The numbers of a case, as its tensors hold them.
struct Data {
    x: Vec<f32>,
    dy: Vec<f32>,
    residual: Option<Vec<f32>>,
    weights: Option<Vec<f32>>,
    gamma: Vec<f32>,
    beta: Vec<f32>,
    running_mean: Vec<f32>,
    running_var: Vec<f32>,
}

impl Data {
    fn new(case: &Case) -> Self {
        let shape = case.shape;
        let (elements, channels) = (shape.elements() as usize, shape.channels() as usize);
        let mut random = Random(elements as u64 * 31 + channels as u64);
        let element = case.descriptor.element;
        let mut x = rounded(&random.normals(elements, case.mean), element);
        let dy = rounded(&random.normals(elements, 0.1), element);
        let (gamma, beta) = (random.signed(channels), random.signed(channels));
        let running_mean = random.normals(channels, case.mean);
        let running_var = random.signed(channels).into_iter().map(|v| 1.0 + v / 2.0).collect();
        let residual = case.residual.then(|| rounded(&random.normals(elements, -0.1), element));
        let count = match case.weights {
            Weighting::Nothing => None,
            Weighting::Outer => Some(shape.outer()),
            Weighting::Position | Weighting::Late => Some(shape.count()),
        };
        // A third have no weight, a third weight 1.
        let weights = count.map(|count| {
            let weight = |position| match random.next_u64() % 3 {
                _ if case.weights == Weighting::Late && position < count / 2 => 0.0,
                0 => 0.0,
                1 => 1.0,
                _ => random.uniform() as f32 * 2.0,
            };
            (0..count).map(weight).collect::<Vec<f32>>()
        });
        // What has no weight may hold anything.
        if let Some(weights) = &weights {
            let span = (shape.count() / weights.len() as u64).max(1);
            let poison = [f32::NAN, f32::INFINITY, 1e30, -1e4];
            for outer in 0..shape.outer() {
                for inner in 0..shape.inner() {
                    let position = outer * shape.inner() + inner;
                    if weights[(position / span) as usize] == 0.0 {
                        for c in 0..shape.channels() {
                            x[shape.index(outer, c, inner) as usize] =
                                poison[position as usize % 4];
                        }
                    }
                }
            }
        }
        Self { x, dy, residual, weights, gamma, beta, running_mean, running_var }
    }

    fn affine(&self, descriptor: &BatchNormDescriptor) -> AffineParams<'_> {
        AffineParams {
            gamma: descriptor.scale.then_some(&self.gamma),
            beta: descriptor.shift.then_some(&self.beta),
        }
    }

    fn extras(&self, descriptor: &BatchNormDescriptor) -> reference::Extras<'_> {
        reference::Extras {
            activation: descriptor.activation,
            residual: self.residual.as_deref(),
            weights: self.weights.as_deref(),
            corrections: None,
        }
    }

    fn running(&self) -> Statistics {
        Statistics {
            mean: self.running_mean.iter().map(|&v| v as f64).collect(),
            variance: self.running_var.iter().map(|&v| v as f64).collect(),
        }
    }

    fn state(&self, context: &Context) -> State {
        let (queue, channels) = (context.queue(), self.gamma.len());
        let state = State::new(context.device(), channels as u32);
        for (row, values) in [
            (Row::Gamma, &self.gamma),
            (Row::Beta, &self.beta),
            (Row::RunningMean, &self.running_mean),
            (Row::RunningVar, &self.running_var),
            (Row::DGamma, &vec![f32::NAN; channels]),
            (Row::DBeta, &vec![f32::NAN; channels]),
        ] {
            state.set(queue, row, values).expect("C values");
        }
        state.set_batches(queue, 4).expect("a state");
        state.set_renormalization(queue, R_MAX, D_MAX).expect("bounds");
        state
    }

    /// dy, but 0 where the activation's argument is next to a kink, on whose side rounding decides.
    fn dy_off_kinks(
        &self,
        case: &Case,
        statistics: &Statistics,
        extras: reference::Extras<'_>,
    ) -> Vec<f32> {
        let kinks: &[f64] = match extras.activation {
            Activation::Relu | Activation::LeakyRelu(_) => &[0.0],
            Activation::HardSwish => &[-3.0, 3.0],
            _ => return self.dy.clone(),
        };
        let linear = reference::Extras { activation: Activation::Identity, ..extras };
        let affine = self.affine(&case.descriptor);
        let epsilon = case.descriptor.epsilon;
        let z = reference::forward(case.shape, &self.x, statistics, epsilon, affine, linear);
        let near = |z: f64| kinks.iter().any(|kink| (z - kink).abs() < 1e-4);
        self.dy.iter().zip(z).map(|(&dy, z)| if near(z) { 0.0 } else { dy }).collect()
    }
}

/// Bounds of batch renormalization that some channels meet and others do not.
const R_MAX: f32 = 1.2;
const D_MAX: f32 = 0.5;

/// Of a few values, rounding σ² itself matters beside the root and the division.
const SMALL_BATCH: f64 = 2.0 * ROUNDOFF;
