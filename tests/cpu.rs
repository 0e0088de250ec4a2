//! The parallel implementation for the CPU against the reference, over the same table of cases.

#![cfg(feature = "cpu")]

// Each test program uses a part of what they share.
#[allow(dead_code)]
#[path = "gpu/cases.rs"]
mod cases;
#[allow(dead_code)]
#[path = "gpu/tolerance.rs"]
mod tolerance;

use cases::{Case, Random};
use tolerance::{ROUNDOFF, assert_close, assert_within};
use wgpu_batchnorm::reference::{self, AffineParams};
use wgpu_batchnorm::{Shape, cpu};

#[test]
fn cases_agree_with_the_reference() {
    cases::plain_cases().iter().for_each(check);
}

fn check(case: &Case) {
    let shape = case.shape;
    let (elements, channels) = (shape.elements() as usize, shape.channels() as usize);
    let mut random = Random(elements as u64);
    let x = random.normals(elements, case.mean);
    let dy = random.normals(elements, 0.1);
    let (gamma, beta) = (random.signed(channels), random.signed(channels));
    let affine = AffineParams {
        gamma: case.descriptor.scale.then_some(&gamma),
        beta: case.descriptor.shift.then_some(&beta),
    };
    let epsilon = case.descriptor.epsilon;
    let what = |name: &str| format!("{name} of {case:?}");

    let mut y = vec![f32::NAN; elements];
    let saved = cpu::training(shape, &x, &mut y, epsilon, affine);
    let statistics = reference::statistics(shape, &x);
    let want = reference::normalize(shape, &x, &statistics, epsilon, affine);
    assert_close(&what("y"), &y, &want, tolerance::Y, 0.0);
    assert_close(&what("variance"), &saved.variance, &statistics.variance, 0.0, 2e-7);
    assert_within(&what("mean"), &saved.mean, &statistics.mean, |c, mean| {
        ROUNDOFF * mean.abs() + tolerance::MEAN * statistics.variance[c].sqrt()
    });

    let mut dx = vec![f32::NAN; elements];
    let gradients = cpu::backward(shape, &x, &dy, &mut dx, &saved, affine);
    let want = reference::backward(shape, &x, &dy, &statistics, false, epsilon, affine);
    let whole = reference::backward(shape, &x, &dy, &statistics, true, epsilon, affine);
    let largest = whole.dx.iter().fold(0f64, |a, v| a.max(v.abs()));
    assert_close(&what("dx"), &dx, &want.dx, tolerance::DX * largest.max(1e-3), 0.0);
    // Σ|dy| and Σ|dy·x̂| are at most m times their root mean squares, near 1 for this data.
    let m = shape.count() as f64;
    assert_close(&what("dbeta"), &gradients.dbeta, &want.dbeta, tolerance::SUMS * 2.0 * m, 2e-7);
    assert_close(&what("dgamma"), &gradients.dgamma, &want.dgamma, tolerance::SUMS * 2.0 * m, 4e-7);

    let mut y = vec![f32::NAN; elements];
    cpu::inference(shape, &x, &mut y, &saved.mean, &saved.variance, epsilon, affine);
    let rounded = reference::Statistics {
        mean: saved.mean.iter().map(|&v| v as f64).collect(),
        variance: saved.variance.iter().map(|&v| v as f64).collect(),
    };
    let want = reference::normalize(shape, &x, &rounded, epsilon, affine);
    assert_close(&what("y of inference"), &y, &want, tolerance::Y, 6.0 * ROUNDOFF);
}

/// Rows that are several positions, and some that are left; rows of several blocks, in streams, and some that are in
/// none; bands of channels, the last of which is narrower; tasks that start a little before a segment ends.
#[test]
fn every_way_through_memory_agrees_with_the_reference() {
    let shapes = [
        Shape::channels_last(40_003, 3),
        Shape::channels_last(5_011, 33),
        Shape::channels_last(1_103, 300),
        Shape::channels_last(333, 1_500),
        Shape::channels_last(70, 4_099),
        Shape::ncl(9, 70, 50),
        Shape::ncl(3, 35, 20_001),
        Shape::ncl(300, 201, 5),
        Shape::ncl(65, 1, 784),
        Shape::ncl(65, 3, 784),
        Shape::ncl(300, 1, 250),
    ];
    for shape in shapes {
        [0.0, -300.0].iter().for_each(|&mean| check(&Case { mean, ..Case::new(shape) }));
    }
}

#[test]
fn random_shapes_agree_with_the_reference() {
    let mut random = Random(17);
    // As many small extents as large ones.
    let mut extent = |most: f64| most.powf(random.uniform()).round() as u64;
    for _ in 0..150 {
        let (channels, inner) = (extent(1_200.0) as u32, extent(2_000.0));
        let outer = extent((300_000.0 / (channels as f64 * inner as f64)).max(2.0)).max(2);
        for shape in [
            Shape::channels_first(outer, channels, inner),
            Shape::channels_last(outer * inner, channels),
        ] {
            check(&Case { mean: 20.0, ..Case::new(shape) });
        }
    }
}

/// The first values of a task may be too few for a pivot, and like no others.
#[test]
fn a_few_values_before_a_task_goes_on_are_not_lost() {
    let shape = Shape::ncl(300, 1, 250);
    let mut x = vec![0f32; shape.elements() as usize];
    // 64 tasks have 1,172 values each; the 14th starts here, and the sample ends 14 values on.
    x[15_236..15_250].fill(1000.0);
    let mut y = vec![0.0; x.len()];
    let saved = cpu::training(shape, &x, &mut y, 1e-5, AffineParams::default());
    let want = reference::statistics(shape, &x);
    let deviation = want.variance[0].sqrt();
    assert_close("mean", &saved.mean, &want.mean, tolerance::MEAN * deviation, ROUNDOFF);
    assert_close("variance", &saved.variance, &want.variance, 0.0, 2e-7);
}

/// What is first says nothing of the rest: a few zeros, then values far away that hardly differ, so that roundings all
/// go the same way.
#[test]
fn a_border_of_zeros_does_not_spoil_the_variance() {
    for zeros in [1, 16, 300, 5_000] {
        for shape in [
            Shape::ncl(1, 1, 1 << 20),
            Shape::ncl(1 << 12, 2, 1 << 8),
            Shape::channels_last(1 << 20, 2),
        ] {
            let mut random = Random(zeros);
            let mut x: Vec<f32> = random
                .normals(shape.elements() as usize, 0.0)
                .iter()
                .map(|v| 1000.1 + v / 1e6)
                .collect();
            for n in 0..shape.outer() {
                for i in 0..shape.inner() {
                    for c in 0..shape.channels() {
                        if n * shape.inner() + i < zeros {
                            x[shape.index(n, c, i) as usize] = 0.0;
                        }
                    }
                }
            }
            let mut y = vec![0.0; x.len()];
            let saved = cpu::training(shape, &x, &mut y, 1e-5, AffineParams::default());
            let want = reference::statistics(shape, &x).variance;
            assert_close(
                &format!("variance of {shape} after {zeros}"),
                &saved.variance,
                &want,
                0.0,
                1e-6,
            );
        }
    }
}

/// Rows that are a multiple of an image's width apart may say nothing of the rest: a border at the start of each line
/// of it, and values far away that hardly differ.
#[test]
fn a_border_of_each_line_does_not_spoil_the_variance() {
    for (outer, width, channels) in
        [(16, 32, 256), (64, 32, 64), (18, 28, 300), (36, 14, 1_100), (8, 8, 512), (16, 64, 24)]
    {
        for value in [-300.3f32, 1000.1, 7.7, 0.1] {
            let shape = Shape::channels_last(outer * width * width, channels);
            let elements = shape.elements() as usize;
            let mut random = Random(width);
            let mut x = random.normals(elements, 0.0);
            for (k, v) in x.iter_mut().enumerate() {
                let column = k as u64 / channels as u64 % width;
                *v = if column == 0 { 0.0 } else { value + *v / 1e6 };
            }
            let saved =
                cpu::training(shape, &x, &mut vec![0.0; elements], 1e-5, Default::default());
            let want = reference::statistics(shape, &x).variance;
            let what = format!("variance of {shape} in lines of {width}, {value}");
            assert_close(&what, &saved.variance, &want, 0.0, 2e-7);
        }
    }
}

/// Roundings of a sum of equal values all go the same way: in `f32` alone they would show after a few hundred.
#[test]
fn long_sums_do_not_drift() {
    for shape in [
        Shape::channels_last(200_000, 3),
        Shape::channels_last(100_000, 40),
        Shape::channels_last(5_000, 1_100),
        Shape::ncl(64, 40, 784),
        Shape::ncl(8, 3, 40_000),
    ] {
        let elements = shape.elements() as usize;
        let x = Random(3).normals(elements, 0.0);
        let dy = vec![0.1f32; elements];
        let (mut y, affine) = (vec![0.0; elements], AffineParams::default());
        let saved = cpu::training(shape, &x, &mut y, 1e-5, affine);
        let gradients = cpu::backward(shape, &x, &dy, &mut y, &saved, affine);
        let want = vec![0.1f32 as f64 * shape.count() as f64; shape.channels() as usize];
        assert_close(&format!("dbeta of {shape}"), &gradients.dbeta, &want, 0.0, 2e-7);
    }
}

/// The order of all sums depends on the shape alone.
#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    for shape in [
        Shape::channels_last(10_000, 24),
        Shape::channels_last(700, 2_500),
        Shape::ncl(40, 200, 30),
        Shape::ncl(40, 9, 700),
    ] {
        let elements = shape.elements() as usize;
        let mut random = Random(1);
        let (x, dy) = (random.normals(elements, 3.0), random.normals(elements, 0.0));
        let affine = AffineParams::default();
        let run = |threads| {
            let pool =
                rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            let (mut y, mut dx) = (vec![0f32; elements], vec![0f32; elements]);
            let saved = pool.install(|| cpu::training(shape, &x, &mut y, 1e-5, affine));
            let gradients = pool.install(|| cpu::backward(shape, &x, &dy, &mut dx, &saved, affine));
            let (mut z, mean, variance) = (vec![0f32; elements], &saved.mean, &saved.variance);
            pool.install(|| cpu::inference(shape, &x, &mut z, mean, variance, 1e-5, affine));
            let bits = |values: Vec<f32>| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            (bits(y), bits(z), bits(dx), saved, gradients)
        };
        assert!(run(1) == run(2), "{shape}");
        assert!(run(1) == run(5), "{shape}");
    }
}

/// In either layout: an infinite gradient or scale stays infinite, and in its own channel.
#[test]
fn infinities_stay_what_they_are() {
    for shape in [Shape::ncl(5, 3, 7), Shape::channels_last(35, 3), Shape::channels_last(1_003, 3)]
    {
        let elements = shape.elements() as usize;
        let mut random = Random(9);
        let (x, mut dy) = (random.normals(elements, 4.0), random.normals(elements, 0.0));
        let (mut y, mut dx) = (vec![f32::NAN; elements], vec![f32::NAN; elements]);
        let gamma = [1.0, f32::INFINITY, 2.0];
        let affine = AffineParams { gamma: Some(&gamma), beta: None };
        let saved = cpu::training(shape, &x, &mut y, 1e-5, affine);
        let of = |values: &[f32], c: u32| -> Vec<f32> {
            (0..shape.outer())
                .flat_map(|n| (0..shape.inner()).map(move |i| shape.index(n, c, i) as usize))
                .map(|at| values[at])
                .collect()
        };
        assert!(of(&y, 1).iter().all(|y| y.is_infinite()), "{shape}");
        assert!([0, 2].iter().all(|&c| of(&y, c).iter().all(|y| y.is_finite())), "{shape}");

        let mut poisoned = x.clone();
        poisoned[shape.index(shape.outer() - 1, 1, 0) as usize] = f32::NAN;
        let affine = AffineParams::default();
        let of_poisoned = cpu::training(shape, &poisoned, &mut y, 1e-5, affine);
        assert!(of_poisoned.mean[1].is_nan() && of(&y, 1).iter().all(|y| y.is_nan()), "{shape}");
        assert!([0, 2].iter().all(|&c| of_poisoned.variance[c] == saved.variance[c]), "{shape}");

        let first = shape.index(0, 2, 0) as usize;
        dy[first] = f32::INFINITY;
        let gradients = cpu::backward(shape, &x, &dy, &mut dx, &saved, affine);
        let sign = (x[first] - saved.mean[2]).signum();
        assert_eq!(gradients.dbeta[2], f32::INFINITY, "{shape}");
        assert_eq!(gradients.dgamma[2], f32::INFINITY * sign, "{shape}");
        assert!(gradients.dgamma[0].is_finite() && of(&dx, 0).iter().all(|dx| dx.is_finite()));
    }
}

/// The mean as any pair of numbers, such as the kernels' pivot and remainder.
#[test]
fn the_mean_may_be_any_pair() {
    for shape in
        [Shape::ncl(8, 3, 49), Shape::channels_last(392, 3), Shape::channels_last(1_003, 3)]
    {
        let elements = shape.elements() as usize;
        let mut random = Random(11);
        let (x, dy) = (random.normals(elements, 4.0), random.normals(elements, 0.0));
        let affine = AffineParams::default();
        let mut out = vec![0.0; elements];
        let saved = cpu::training(shape, &x, &mut out, 1e-5, affine);
        let mut apart = saved.clone();
        for (mean, remainder) in apart.mean.iter_mut().zip(&mut apart.mean_remainder) {
            let pivot = *mean - 1.0;
            (*mean, *remainder) = (pivot, (*mean - pivot) + *remainder);
        }
        let (mut dx, mut dx_apart) = (out.clone(), out);
        let want = cpu::backward(shape, &x, &dy, &mut dx, &saved, affine);
        let have = cpu::backward(shape, &x, &dy, &mut dx_apart, &apart, affine);
        let far =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
        assert!(far(&dx, &dx_apart) <= 1e-6, "{shape}: {}", far(&dx, &dx_apart));
        assert!(far(&want.dgamma, &have.dgamma) <= 1e-4, "{shape}: {have:?}");
    }
}

/// No value is written, and nothing but zeros comes back.
#[test]
fn an_empty_batch_has_statistics_of_zero() {
    let few_and_many = [3, 100].into_iter().flat_map(|channels| {
        [Shape::ncl(0, channels, 5), Shape::ncl(4, channels, 0), Shape::channels_last(0, channels)]
    });
    for shape in few_and_many {
        let channels = shape.channels() as usize;
        let affine = AffineParams::default();
        let saved = cpu::training(shape, &[], &mut [], 0.25, affine);
        let zeros = vec![0.0; channels];
        assert_eq!((&saved.mean, &saved.mean_remainder), (&zeros, &zeros), "{shape}");
        assert_eq!((&saved.variance, &saved.inv_std), (&zeros, &vec![2.0; channels]), "{shape}");
        cpu::inference(shape, &[], &mut [], &saved.mean, &saved.variance, 0.25, affine);
        let gradients = cpu::backward(shape, &[], &[], &mut [], &saved, affine);
        assert_eq!((&gradients.dgamma, &gradients.dbeta), (&zeros, &zeros), "{shape}");
    }
}
