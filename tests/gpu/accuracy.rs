//! Inputs that break careless batch norms: means far above the deviation, poisoned channels, scales from
//! next to nothing to the end of the range, data whose statistics are exact.

use crate::cases::Random;
use crate::device;
use wgpu_batchnorm::plan::{Adapter, Pass, Plan, Request};
use wgpu_batchnorm::reference::{self, AffineParams, Statistics};
use wgpu_batchnorm::{
    Backward, BatchNorm, BatchNormDescriptor, BufferRange, Context, Extras, Momentum, Row, Saved,
    Shape, State, Training, Weights,
};

/// What a training step gives, without γ and β, and with running statistics that take all of it.
pub struct Outcome {
    y: Vec<f32>,
    pub pivot: Vec<f32>,
    /// Pivot and remainder together.
    mean: Vec<f64>,
    rounded_mean: Vec<f32>,
    inv_std: Vec<f32>,
    /// Biased.
    pub variance: Vec<f32>,
    dx: Vec<f32>,
}

/// The kernels as planned for the adapter, for tiles, and for a GPU.
pub fn layers(context: &Context) -> Vec<BatchNorm> {
    let gpu = layer(context, |adapter| Adapter { is_cpu: false, ..adapter });
    vec![layer(context, |adapter| adapter), tiles(context), gpu]
}

/// Workgroups of four have no tiles.
pub fn tiles(context: &Context) -> BatchNorm {
    layer(context, |adapter| {
        let subgroup = adapter.subgroup.max(8);
        Adapter { is_cpu: true, cores: 4, tiles_from: 0, subgroup, ..adapter }
    })
}

/// As planned for an adapter that is made of the one there is.
pub fn layer(context: &Context, planned: fn(Adapter) -> Adapter) -> BatchNorm {
    let device = context.device();
    let adapter = Adapter::new(&device.adapter_info(), &device.limits());
    let descriptor = BatchNormDescriptor {
        running_variance: wgpu_batchnorm::RunningVariance::Biased,
        ..Default::default()
    };
    BatchNorm::with_adapter(device, &descriptor, planned(adapter)).expect("a layer")
}

pub fn train(context: &Context, bn: &BatchNorm, shape: Shape, x: &[f32], dy: &[f32]) -> Outcome {
    train_weighted(context, bn, shape, x, dy, None)
}

/// With a weight a position.
pub fn train_weighted(
    context: &Context,
    bn: &BatchNorm,
    shape: Shape,
    x: &[f32],
    dy: &[f32],
    weights: Option<&[f32]>,
) -> Outcome {
    let device = context.device();
    let state = State::new(device, shape.channels());
    let (x, dy) = (context.upload(x).expect("x"), context.upload(dy).expect("dy"));
    let weights = weights.map(|weights| context.upload(weights).expect("weights"));
    let weights = weights.map(|weights| Weights::new(BufferRange::from(&weights), shape.count()));
    let extras = Extras { weights, ..Default::default() };
    let y = context.zeros(shape.elements()).expect("y");
    let dx = context.zeros(shape.elements()).expect("dx");
    let momentum = Momentum::Exponential(1.0);
    let training = Training { x: (&x).into(), y: (&y).into(), momentum };
    let forward = bn.bind_training_with(device, &state, shape, training, extras).expect("training");
    let tensors = Backward { dy: dy.into(), dx: (&dx).into() };
    let backward = bn.bind_backward(device, &forward, tensors).expect("backward");
    context.run(|encoder| {
        forward.encode(encoder);
        backward.encode(encoder);
    });
    let saved = |which| context.download(forward.saved(which).expect("saved")).expect("a download");
    let pivot = saved(Saved::Pivot);
    let pairs = pivot.iter().zip(saved(Saved::Remainder));
    Outcome {
        y: context.download(&y).expect("a download"),
        mean: pairs.map(|(&pivot, rest)| pivot as f64 + rest as f64).collect(),
        pivot,
        rounded_mean: saved(Saved::Mean),
        inv_std: saved(Saved::InvStd),
        variance: context.download(state.range(Row::RunningVar)).expect("a download"),
        dx: context.download(&dx).expect("a download"),
    }
}

/// Scale and shift are of x − μ, whatever pivot the kernels choose.
#[test]
fn y_follows_from_what_is_saved() {
    let Some(context) = device::context() else { return };
    let (device, momentum) = (context.device(), Momentum::Exponential(0.1));
    for shape in [Shape::nc(70, 24), Shape::ncl(8, 10, 132), Shape::ncl(8, 40, 49)] {
        let x = Random(23).normals(shape.elements() as usize, 3.0);
        let buffer = context.upload(&x).expect("x");
        let channels = shape.channels() as usize;
        let [gamma, beta]: [Vec<f32>; 2] =
            [0.5, -7.0].map(|first| (0..channels).map(|c| first + 0.01 * c as f32).collect());
        for bn in layers(context) {
            let state = State::new(device, shape.channels());
            state.set(context.queue(), Row::Gamma, &gamma).expect("gamma");
            state.set(context.queue(), Row::Beta, &beta).expect("beta");
            let y = context.zeros(shape.elements()).expect("y");
            let training = Training { x: (&buffer).into(), y: (&y).into(), momentum };
            let forward = bn.bind_training(device, &state, shape, training).expect("training");
            context.run(|encoder| forward.encode(encoder));
            let saved =
                |which| context.download(forward.saved(which).expect("saved")).expect("a download");
            let (scale, shift) = (saved(Saved::Scale), saved(Saved::Shift));
            assert_eq!(shift, beta, "{shape}");
            let (pivot, remainder) = (saved(Saved::Pivot), saved(Saved::Remainder));
            let y = context.download(&y).expect("a download");
            for (i, (&x, &y)) in x.iter().zip(&y).enumerate() {
                let c = i / shape.inner() as usize % channels;
                let centered = (x as f64 - pivot[c] as f64) - remainder[c] as f64;
                let want = centered * scale[c] as f64 + shift[c] as f64;
                assert!((y as f64 - want).abs() <= 2e-6, "{shape}: y[{i}] is {y}, not {want}");
            }
        }
    }
}

/// Bars of the mean, relative to the deviation; of the variance, relative to it; and of y.
pub type Bars = [f64; 3];

pub fn check(what: &str, layers: &[BatchNorm], shape: Shape, x: &[f32], bars: Bars) {
    let Some(context) = device::context() else { return };
    let [mean_bar, variance_bar, y_bar] = bars;
    let want = reference::statistics(shape, x);
    let y = reference::normalize(shape, x, &want, 1e-5, AffineParams::default());
    let dy = vec![0.0; x.len()];
    for bn in layers {
        let have = train(context, bn, shape, x, &dy);
        let request = Request::new(Pass::Training, &[]);
        let plan = Plan::new(bn.adapter(), shape, &request).expect("a plan");
        let kind = if bn.adapter().is_cpu { "software" } else { "GPU" };
        let kind = format!("{kind}, {:?}", plan.mapping);
        for c in 0..shape.channels() as usize {
            let deviation = want.variance[c].sqrt();
            let mean = (have.mean[c] - want.mean[c]).abs() / deviation;
            assert!(mean <= mean_bar, "{what}, {kind}, {shape}: mean[{c}] is off by {mean:e} σ");
            let variance = (have.variance[c] as f64 / want.variance[c] - 1.0).abs();
            assert!(variance <= variance_bar, "{what}, {kind}, {shape}: σ²[{c}] by {variance:e}");
        }
        // An outlier's own y is hundreds of deviations, so its error is taken relative to it.
        let errors = have.y.iter().zip(&y).map(|(&h, &w)| (h as f64 - w).abs() / w.abs().max(1.0));
        let worst = errors.fold(0f64, |a, e| if e > a || e.is_nan() { e } else { a });
        assert!(worst <= y_bar, "{what}, {kind}, {shape}: y is off by {worst:e}");
    }
}

/// A shape for each mapping whose channels have 2²⁰ values.
pub const LARGE: [Shape; 5] = [
    Shape::ncl(1, 2, 1 << 20),
    Shape::ncl(1 << 12, 2, 1 << 8),
    Shape::ncl(1 << 9, 8, 1 << 11),
    Shape::channels_last(1 << 20, 2),
    Shape::channels_last(1 << 20, 8),
];

/// lavapipe ends the loops of an invocation that goes on for too long, without a word: a band of eight such lines
/// is too much for eight side by side, and eight lines that end anywhere for one of them, as of three channels.
#[test]
fn long_lines_are_gone_through_to_their_end() {
    let Some(context) = device::context() else { return };
    let bn = layer(context, |adapter| adapter);
    for shape in [Shape::ncl(8, 8, 530_000), Shape::ncl(16, 8, 66_001), Shape::ncl(24, 3, 66_001)] {
        let x = Random(8).normals(shape.elements() as usize, 0.5);
        let Outcome { y, dx, .. } = train(context, &bn, shape, &x, &x);
        let line = shape.inner() as usize;
        let channels = shape.channels() as usize;
        for c in 0..channels {
            let lines = || (c..x.len() / line).step_by(channels).map(|k| k * line..(k + 1) * line);
            let mean_of = |f: &dyn Fn(f64) -> f64| {
                let sums = lines().map(|l| x[l].iter().map(|&x| f(x as f64)).sum::<f64>());
                sums.sum::<f64>() / shape.count() as f64
            };
            let mean = mean_of(&|x| x);
            let variance = mean_of(&|x| (x - mean).powi(2));
            let inv_std = (variance + 1e-5).sqrt().recip();
            // dy is x, whose product with x̂ has the mean σ²/√(σ² + ε).
            let slope = 1.0 - variance * inv_std.powi(2);
            for i in lines().flatten() {
                let deviation = x[i] as f64 - mean;
                let off = (y[i] as f64 - deviation * inv_std).abs();
                assert!(off <= 2e-6, "{shape}: y[{i}] is off by {off:e}");
                let off = (dx[i] as f64 - deviation * inv_std * slope).abs();
                assert!(off <= 2e-6, "{shape}: dx[{i}] is off by {off:e}");
            }
        }
    }
}

#[test]
fn large_means_cost_no_digits() {
    let Some(context) = device::context() else { return };
    let layers = layers(context);
    for shape in LARGE {
        for ratio in [0.0, 1.0, 1e2, 1e4, 1e6] {
            let x = Random(7).normals(shape.elements() as usize, ratio);
            check(&format!("mean {ratio}"), &layers, shape, &x, [1e-7, 5e-7, 2e-6]);
        }
    }
}

/// Values in pairs around the mean that vary in bits which no sum rounds away: mean and variance
/// are exact in any order of additions.
#[test]
fn exact_statistics_are_exact() {
    let Some(context) = device::context() else { return };
    let mut shapes = Vec::new();
    for n in [2, 4, 6, 16, 31, 64] {
        for inner in [1, 4, 9, 16, 49, 64, 200] {
            shapes.extend([(n, 3, inner), (n, 8, inner)]);
        }
    }
    // Many groups of blocks, rows that are no power of two, many columns of a channel.
    shapes.extend([
        (50, 64, 100),
        (24, 32, 196),
        (64, 128, 49),
        (8, 64, 255),
        (1000, 40, 1),
        (300, 4, 1000),
    ]);
    let shapes = shapes.into_iter().flat_map(|(n, c, inner)| {
        [Shape::ncl(n, c, inner), Shape::channels_last(n as u64 * inner as u64, c)]
    });
    let layers = layers(context);
    let mut random = Random(11);
    let (mut checked, mut inexact) = (0, Vec::new());
    for shape in shapes {
        let (m, channels) = (shape.count(), shape.channels());
        let mut x = vec![0f32; shape.elements() as usize];
        // Bits that vary: so few that Σ of squares has at most 24.
        let bits = (23 - (m as f64).log2().ceil() as i32) / 2;
        let mut want = Statistics {
            mean: vec![0.0; channels as usize],
            variance: vec![0.0; channels as usize],
        };
        for c in 0..channels {
            let mean = (1 << (c % 7)) as f64 / 4.0;
            let mut offs: Vec<f64> = (0..m)
                .map(|i| {
                    let varied = (i / 2 * 1637) & ((1 << bits) - 1);
                    let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
                    let last = m % 2 == 1 && i == m - 1;
                    if last { 0.0 } else { sign * varied as f64 / (1 << bits) as f64 }
                })
                .collect();
            // Half of the channels as they are, pairs side by side; half of them shuffled.
            if c % 2 == 1 {
                for i in (1..m).rev() {
                    offs.swap(i as usize, (random.next_u64() % (i + 1)) as usize);
                }
            }
            for (i, off) in (0..m).zip(&offs) {
                let (outer, inner) = (i / shape.inner(), i % shape.inner());
                x[shape.index(outer, c, inner) as usize] = (mean * (1.0 + off)) as f32;
            }
            want.mean[c as usize] = mean;
            want.variance[c as usize] =
                offs.iter().map(|off| (mean * off).powi(2)).sum::<f64>() / m as f64;
        }
        let y = reference::normalize(shape, &x, &want, 1e-5, AffineParams::default());
        for bn in &layers {
            let have = train(context, bn, shape, &x, &vec![0.0; x.len()]);
            for c in 0..channels as usize {
                checked += 1;
                let variance = want.variance[c] as f32;
                if have.rounded_mean[c] as f64 != want.mean[c] || have.variance[c] != variance {
                    inexact.push((
                        shape,
                        bn.adapter().is_cpu,
                        c,
                        have.rounded_mean[c],
                        want.mean[c],
                        have.variance[c],
                        variance,
                    ));
                }
            }
            let errors = have.y.iter().zip(&y).map(|(&h, &w)| (h as f64 - w).abs());
            let worst = errors.fold(0f64, f64::max);
            assert!(worst <= 6e-7, "{shape}: y is off by {worst:e}");
        }
    }
    assert!(
        inexact.is_empty(),
        "{} of {checked}: {:?}",
        inexact.len(),
        &inexact[..inexact.len().min(12)]
    );
}

/// NaN and infinity poison the channel that they are in, and no other.
#[test]
pub fn poison_stays_in_its_channel() {
    let Some(context) = device::context() else { return };
    for shape in [
        Shape::nchw(4, 6, 7, 7),
        Shape::nchw(8, 40, 7, 7),
        Shape::nchw(4, 6, 8, 8),
        Shape::ncl(8, 10, 132),
        Shape::ncl(8, 16, 1_003),
        Shape::channels_last(300, 6),
    ] {
        let n = shape.elements() as usize;
        let clean = Random(4).normals(n, 1.0);
        let dy = Random(5).normals(n, 0.0);
        for bn in layers(context) {
            let want = train(context, &bn, shape, &clean, &dy);
            // In the middle of eight, and the first of them.
            let channels = [2, shape.channels() / 5];
            let poisons = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
            for (poisoned, poison) in channels.iter().flat_map(|&c| poisons.map(|p| (c, p))) {
                let mut x = clean.clone();
                for at in [0, shape.inner() - 1] {
                    x[shape.index(1, poisoned, at) as usize] = poison;
                }
                let have = train(context, &bn, shape, &x, &dy);
                for i in 0..n {
                    let channel = i as u64 / shape.inner() % shape.channels() as u64;
                    if channel == poisoned as u64 {
                        continue;
                    }
                    assert_eq!(have.y[i].to_bits(), want.y[i].to_bits(), "{shape} y[{i}]");
                    assert_eq!(have.dx[i].to_bits(), want.dx[i].to_bits(), "{shape} dx[{i}]");
                }
                for c in (0..shape.channels() as usize).filter(|&c| c != poisoned as usize) {
                    assert_eq!(have.variance[c], want.variance[c]);
                    assert_eq!(have.rounded_mean[c], want.rounded_mean[c]);
                }
                let variance = have.variance[poisoned as usize];
                assert!(!variance.is_finite(), "{shape}: {variance}");
                let at = shape.index(0, poisoned, 0) as usize;
                assert!(have.y[at].is_nan() || have.y[at] == 0.0, "{shape}: {}", have.y[at]);
            }
        }
    }
}

/// inv_std within 3 ulp, from variances far below ε to far above it.
#[test]
fn inv_std_is_right_at_every_scale() {
    let Some(context) = device::context() else { return };
    let shape = Shape::ncl(64, 1, 64);
    for scale in [1e-30f32, 1e-12, 1e-6, 1e-3, 1.0, 1e4, 1e9, 1e15] {
        let x: Vec<f32> = Random(8).normals(4096, 0.3).iter().map(|v| v * scale).collect();
        let want = reference::statistics(shape, &x);
        for bn in layers(context) {
            let have = train(context, &bn, shape, &x, &vec![0.0; x.len()]);
            let inv_std = reference::inv_std(want.variance[0], 1e-5);
            let off = (have.inv_std[0] as f64 / inv_std - 1.0).abs();
            assert!(off <= 3.0 * f32::EPSILON as f64, "scale {scale}: {off:e}");
        }
    }
}

/// The same input gives the same bits, every time.
#[test]
fn the_same_bits_every_time() {
    let Some(context) = device::context() else { return };
    for shape in
        [Shape::ncl(3, 2, 20_000), Shape::nchw(8, 40, 7, 7), Shape::channels_last(9_000, 24)]
    {
        let n = shape.elements() as usize;
        let (x, dy) = (Random(1).normals(n, 3.0), Random(2).normals(n, 0.0));
        for bn in layers(context) {
            let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            let first = train(context, &bn, shape, &x, &dy);
            for _ in 0..20 {
                let again = train(context, &bn, shape, &x, &dy);
                assert_eq!(bits(&first.y), bits(&again.y), "{shape}");
                assert_eq!(bits(&first.dx), bits(&again.dx), "{shape}");
                assert_eq!(bits(&first.variance), bits(&again.variance), "{shape}");
            }
        }
    }
}
