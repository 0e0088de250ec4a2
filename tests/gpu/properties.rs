//! Random shapes, layouts, options, offsets and means: each agrees with the reference, whatever the
//! plan; and laws that hold between runs.
//!
//! `PROPTEST_CASES` sets how many cases are tried; 50,000 take a quarter of an hour on two cores, and a hundredth of
//! so many of those that are fused about as long.

use crate::cases::{ACTIVATIONS, Case, Random, Weighting};
use crate::check::Layers;
use crate::device;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use wgpu_batchnorm::plan::Adapter;
use wgpu_batchnorm::{
    Activation, BatchNorm, BatchNormDescriptor, Context, Element, Momentum, RunningVariance, Shape,
    State, Training,
};

/// Shapes of up to 20,000 elements, more of them small, with a batch of two values at least.
fn shapes() -> impl Strategy<Value = Shape> {
    let extent = || prop_oneof![1u64..10, 1u64..70, Just(64u64), Just(256u64), 1u64..600];
    let any_extents = (extent(), extent(), extent(), any::<bool>());
    // Channels enough for runs, which few others have.
    let runs = (1u64..24, (3u64..10).prop_map(|eights| 8 * eights), 14u64..70, Just(true));
    prop_oneof![4 => any_extents.boxed(), 1 => runs.boxed()]
        .prop_map(|(outer, channels, inner, first)| match first {
            true => Shape::channels_first(outer, channels as u32, inner),
            false => Shape::channels_last(outer * inner, channels as u32),
        })
        .prop_filter("too large, or too few values", |shape| {
            shape.elements() <= 20_000 && shape.count() >= 2
        })
}

fn cases() -> impl Strategy<Value = Case> {
    let momentum =
        prop_oneof![(0f32..=1.0).prop_map(Momentum::Exponential), Just(Momentum::Cumulative)];
    let mean = prop_oneof![Just(0f32), -10f32..10.0, -1e4f32..1e4];
    let options = (any::<[bool; 4]>(), prop_oneof![Just(1e-5f32), 1e-6f32..0.1]);
    (shapes(), mean, 0usize..70, options, momentum).prop_map(
        |(
            shape,
            mean,
            offset,
            ([scale, shift, track_running_stats, unbiased], epsilon),
            momentum,
        )| {
            let running_variance =
                if unbiased { RunningVariance::Unbiased } else { RunningVariance::Biased };
            let descriptor = BatchNormDescriptor {
                epsilon,
                scale,
                shift,
                track_running_stats,
                running_variance,
                ..Default::default()
            };
            Case { mean, offset, descriptor, momentum, ..Case::new(shape) }
        },
    )
}

/// The same, and all that may be fused, in any combination.
fn fused_cases() -> impl Strategy<Value = Case> {
    let element = prop_oneof![Just(Element::F32), Just(Element::F16), Just(Element::BF16)];
    let activation = (0..=ACTIVATIONS.len())
        .prop_map(|k| ACTIVATIONS.get(k).copied().unwrap_or(Activation::Identity));
    let weights = prop_oneof![
        2 => Just(Weighting::Nothing),
        1 => Just(Weighting::Outer),
        1 => Just(Weighting::Position),
    ];
    let switches = any::<[bool; 3]>();
    (cases(), element, activation, weights, switches).prop_map(
        |(case, element, activation, weights, [residual, in_place, renormalize])| {
            let descriptor =
                BatchNormDescriptor { element, activation, renormalize, ..case.descriptor };
            // Numbers of 16 bits far from 0 would all be the same.
            let mean = if element == Element::F32 { case.mean } else { case.mean % 10.0 };
            Case { descriptor, mean, residual, weights, in_place, ..case }
        },
    )
}

/// A runner that tries the same cases every time, unless `PROPTEST_CASES` asks for another number, of which each stands
/// for `each_for`.
fn runner(cases: u32, each_for: u32) -> TestRunner {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse::<u32>().ok());
    TestRunner::new(Config {
        cases: asked.map_or(cases, |n| n.div_ceil(each_for)),
        failure_persistence: None,
        // Shapes that are too large are drawn again, so many a case that a long run meets the default.
        max_local_rejects: u32::MAX,
        rng_seed: proptest::test_runner::RngSeed::Fixed(20),
        ..Config::default()
    })
}

/// Checks cases, each by one of four plans.
fn check(mut runner: TestRunner, cases: impl Strategy<Value = Case>) {
    let Some(context) = device::context() else { return };
    let plans = [
        Layers::new(context, |adapter| adapter),
        Layers::new(context, |adapter| Adapter { is_cpu: false, ..adapter }),
        Layers::new(context, |adapter| Adapter { is_cpu: true, tiles_from: 0, ..adapter }),
        Layers::new(context, |adapter| Adapter {
            is_cpu: true,
            cores: 24,
            tiles_from: 0,
            ..adapter
        }),
    ]
    .map(Layers::with_slack_for_many);
    let ran = runner.run(&(cases, 0..plans.len()), |(case, plan)| {
        plans[plan].check(&case);
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn random_cases_agree_with_the_reference() {
    check(runner(2000, 1), cases());
}

/// Few, since nearly each has kernels of its own to compile.
#[test]
fn random_fused_cases_agree_with_the_reference() {
    check(runner(40, 100), fused_cases());
}

fn train(context: &Context, bn: &BatchNorm, shape: Shape, x: &[f32]) -> Vec<f32> {
    let device = context.device();
    let state = State::new(device, shape.channels());
    let x = context.upload(x).expect("x");
    let y = context.zeros(shape.elements()).expect("y");
    let training = Training { x: x.into(), y: (&y).into(), momentum: Momentum::default() };
    let forward = bn.bind_training(device, &state, shape, training).expect("training");
    context.run(|encoder| forward.encode(encoder));
    context.download(&y).expect("a download")
}

fn assert_alike(have: &[f32], want: &[f32], what: &str) -> Result<(), TestCaseError> {
    for (i, (have, want)) in have.iter().zip(want).enumerate() {
        prop_assert!((have - want).abs() <= 4e-6, "{what}: y[{i}] is {have}, not {want}");
    }
    Ok(())
}

/// What must not change y: the order of the samples, the layout, and, up to ε, a scale and a shift
/// of the data. With powers of two the scale is exact; ε is small beside any variance here.
#[test]
fn laws_hold_between_runs() {
    let Some(context) = device::context() else { return };
    let descriptor = BatchNormDescriptor { epsilon: 1e-12, ..Default::default() };
    let bn = BatchNorm::new(context.device(), &descriptor).expect("a configuration");
    let strategy = (2u64..40, 1u32..20, 1u64..40, any::<u64>(), -3i32..4);
    let ran = runner(200, 1).run(&strategy, |(outer, channels, inner, seed, power)| {
        // Enough values that no variance is near nothing.
        prop_assume!(outer * inner >= 16);
        let shape = Shape::channels_first(outer, channels, inner);
        let x = Random(seed).normals(shape.elements() as usize, 1.0);
        let y = train(context, &bn, shape, &x);

        let sample = (channels as u64 * inner) as usize;
        let mut reversed: Vec<f32> = x.chunks(sample).rev().flatten().copied().collect();
        reversed = train(context, &bn, shape, &reversed);
        let back: Vec<f32> = reversed.chunks(sample).rev().flatten().copied().collect();
        assert_alike(&back, &y, "samples reversed")?;

        let last = Shape::channels_last(outer * inner, channels);
        let position = |i: usize| {
            let (row, c) = (i as u64 / channels as u64, i as u32 % channels);
            shape.index(row / inner, c, row % inner) as usize
        };
        let moved: Vec<f32> = (0..x.len()).map(|i| x[position(i)]).collect();
        let want: Vec<f32> = (0..x.len()).map(|i| y[position(i)]).collect();
        assert_alike(&train(context, &bn, last, &moved), &want, "channels last")?;

        let scaled: Vec<f32> = x.iter().map(|v| v * 2f32.powi(power)).collect();
        assert_alike(&train(context, &bn, shape, &scaled), &y, "scaled")
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
}
