//! Folding on the host: against the formula index by index, at the edges, and its report.

// Each test program uses a part of what they share.
#[allow(dead_code)]
#[path = "gpu/cases.rs"]
mod cases;
#[path = "gpu/fold_cases.rs"]
mod fold_cases;
#[allow(dead_code)]
#[path = "gpu/tolerance.rs"]
mod tolerance;

use cases::Random;
use fold_cases::FoldCase;
use tolerance::{ROUNDOFF, assert_within};
use wgpu_batchnorm::fold::{Folded, Layer, Report, WeightLayout, compare, fold};
use wgpu_batchnorm::reference::{self, AffineParams, Statistics};
use wgpu_batchnorm::{BatchNormDescriptor, Error, Shape, Snapshot};

/// One rounding to `f32`, and a handful in `f64`.
const ONCE: f64 = ROUNDOFF * (1.0 + 1e-7);

fn folded(case: &FoldCase) -> Folded {
    fold(&case.snapshot, &case.descriptor, case.layer()).unwrap()
}

#[test]
fn weights_are_rounded_once() {
    for case in fold_cases::cases() {
        let (have, want) = (folded(&case), case.want());
        let what = format!("{:?} × {:?}, {:?}", case.channels, case.rest, case.layout);
        assert_within(&what, &have.weights, &want.weights, |_, w| ONCE * w.abs() + 1e-44);
        // The sum may be smaller than what it was added from, by which `f64` is off.
        let bound = |i: usize, b: f64| ONCE * b.abs() + 1e-15 * want.bias_terms[i];
        assert_within(&what, &have.bias, &want.bias, bound);
    }
}

/// A dense network of two layers: what batch norm gives after the layer, the folded layer gives.
#[test]
fn a_folded_layer_gives_what_batch_norm_gives() {
    for layout in [WeightLayout::OutputFirst, WeightLayout::OutputLast] {
        let case = FoldCase::new(layout, 5, [7, 1, 1]);
        let (batch, out, inputs) = (9, 5, 7);
        let x = Random(1).normals(batch * inputs, 0.5);
        let dense = |weights: &[f32], bias: &[f32]| -> Vec<f64> {
            let y = |n: usize, c: usize| {
                let at = |i: usize| match layout {
                    WeightLayout::OutputFirst => c * inputs + i,
                    _ => i * out + c,
                };
                let products =
                    (0..inputs).map(|i| weights[at(i)] as f64 * x[n * inputs + i] as f64);
                products.sum::<f64>() + bias[c] as f64
            };
            (0..batch).flat_map(|n| (0..out).map(move |c| (n, c))).map(|(n, c)| y(n, c)).collect()
        };
        // Rounded to `f32`, since the reference takes that: another 2⁻²⁴ of |z|·s.
        let z = dense(&case.weights, case.bias.as_ref().unwrap());
        let z: Vec<f32> = z.into_iter().map(|z| z as f32).collect();
        let wide = |row: &[f32]| row.iter().map(|&v| v as f64).collect();
        let statistics = Statistics {
            mean: wide(&case.snapshot.running_mean),
            variance: wide(&case.snapshot.running_var),
        };
        let affine =
            AffineParams { gamma: Some(&case.snapshot.gamma), beta: Some(&case.snapshot.beta) };
        let shape = Shape::nc(batch as u32, out as u32);
        let epsilon = case.descriptor.epsilon;
        let want = reference::normalize(shape, &z, &statistics, epsilon, affine);
        let folded = folded(&case);
        let have = dense(&folded.weights, &folded.bias);
        let worst = have.iter().zip(&want).map(|(h, w)| (h - w).abs()).fold(0.0, f64::max);
        let size = want.iter().fold(0f64, |a, w| a.max(w.abs()));
        assert!(worst < 16.0 * ROUNDOFF * (size + 10.0), "{layout:?}: {worst:e} of {size}");
    }
}

/// |y' − y| is at most the roundings of the weights and the bias: 2⁻²⁴·(Σ|w'·x| + |b'|).
#[test]
fn the_report_is_within_what_rounding_may_do() {
    for case in fold_cases::cases().into_iter().step_by(3) {
        let inputs = Random(2).normals(4 * case.each(), 1.0);
        let folded = folded(&case);
        let layer = case.layer();
        let report = compare(&case.snapshot, &case.descriptor, layer, &folded, &inputs).unwrap();
        let largest = folded.weights.iter().fold(0f64, |a, &w| a.max(w.abs() as f64));
        let bias = folded.bias.iter().fold(0f64, |a, &b| a.max(b.abs() as f64));
        let input = inputs.chunks_exact(case.each());
        let input = input.map(|row| row.iter().map(|x| x.abs() as f64).sum::<f64>());
        let bound = ONCE * (largest * input.fold(0.0, f64::max) + bias) + 1e-12;
        assert!(report.largest_absolute <= bound, "{report:?} of {bound:e}");
        assert!(report.largest_absolute > 0.0 && report.largest_relative > 0.0, "{report:?}");
        assert!(report.largest_relative < 1e-4, "{report:?}");
    }
}

/// An identity layer of two channels, an error of 0.5 put into the second.
#[test]
fn the_report_names_the_channel() {
    let mut snapshot = Snapshot::new(2);
    snapshot.running_var = vec![3.0; 2];
    let descriptor = BatchNormDescriptor { epsilon: 1.0, ..Default::default() };
    let weights = [2.0, 0.0, 0.0, 4.0];
    let layer = Layer { layout: WeightLayout::OutputFirst, weights: &weights, bias: None };
    let mut folded = fold(&snapshot, &descriptor, layer).unwrap();
    assert_eq!(folded, Folded { weights: vec![1.0, 0.0, 0.0, 2.0], bias: vec![0.0; 2] });
    let inputs = [1.0, 1.0, 3.0, -4.0];
    let none = Report { largest_absolute: 0.0, largest_relative: 0.0, channel: 0 };
    assert_eq!(compare(&snapshot, &descriptor, layer, &folded, &inputs).unwrap(), none);
    assert_eq!(compare(&snapshot, &descriptor, layer, &folded, &[]).unwrap(), none);
    folded.bias[1] = 0.5;
    let want = Report { largest_absolute: 0.5, largest_relative: 0.5 / 8.0, channel: 1 };
    assert_eq!(compare(&snapshot, &descriptor, layer, &folded, &inputs).unwrap(), want);
    folded.weights[0] = f32::NAN;
    let report = compare(&snapshot, &descriptor, layer, &folded, &inputs).unwrap();
    let infinite = f64::INFINITY;
    let want = Report { largest_absolute: infinite, largest_relative: infinite, channel: 0 };
    assert_eq!(report, want);
}

#[test]
fn edges_are_as_documented() {
    let layout = WeightLayout::OutputFirst;
    let mut snapshot = Snapshot::new(4);
    snapshot.gamma = vec![0.0, 1.0, 3e38, 1.0];
    snapshot.beta = vec![-0.7, 0.0, 0.0, 0.0];
    snapshot.running_mean = vec![5.0; 4];
    snapshot.running_var = vec![2.0, 0.0, 1e-6, f32::NAN];
    let weights = [1.0, -2.0, 1.0, 1.0, 1e10, 1e-10, 1.0, 1.0];
    let layer = Layer { layout, weights: &weights, bias: Some(&[5.5; 4]) };
    let descriptor = BatchNormDescriptor::default();
    let folded = fold(&snapshot, &descriptor, layer).unwrap();
    // No γ: a constant channel.
    assert_eq!((&folded.weights[..2], folded.bias[0]), (&[0.0, -0.0][..], -0.7));
    // No variance: 1/√ε.
    assert!((folded.weights[2] - 316.2278).abs() < 1e-3, "{}", folded.weights[2]);
    // Beyond `f32`, but what is not is right: s itself is in `f64`.
    assert_eq!(folded.weights[4], f32::INFINITY);
    assert!((folded.weights[5] / (3e28 / 1.1e-5f32.sqrt()) - 1.0).abs() < 1e-6);
    assert_eq!(folded.bias[2], f32::INFINITY);
    // NaN stays in its channel.
    assert!(folded.weights[6].is_nan() && folded.bias[3].is_nan());
    let report = compare(&snapshot, &descriptor, layer, &folded, &[1.0, 1.0]).unwrap();
    assert_eq!((report.largest_absolute, report.channel), (f64::INFINITY, 2));
}

#[test]
fn what_does_not_fit_is_refused() {
    let snapshot = Snapshot::new(3);
    let descriptor = BatchNormDescriptor::default();
    let run = |snapshot: &Snapshot, layout, weights: usize, bias: Option<usize>| {
        let (weights, bias) = (vec![1.0; weights], bias.map(|n| vec![1.0; n]));
        let layer = Layer { layout, weights: &weights, bias: bias.as_deref() };
        fold(snapshot, &descriptor, layer).map(drop)
    };
    let first = WeightLayout::OutputFirst;
    let mismatch = |name, need, have| Err(Error::LengthMismatch { name, need, have });
    assert_eq!(run(&snapshot, first, 6, None), Ok(()));
    assert_eq!(run(&snapshot, first, 7, None), mismatch("weights", 9, 7));
    assert_eq!(run(&snapshot, first, 0, None), mismatch("weights", 3, 0));
    assert_eq!(run(&snapshot, first, 6, Some(2)), mismatch("bias", 3, 2));
    let between = |outer| WeightLayout::OutputBetween { outer };
    assert_eq!(run(&snapshot, between(2), 12, None), Ok(()));
    assert_eq!(run(&snapshot, between(2), 9, None), mismatch("weights", 12, 9));
    assert_eq!(run(&snapshot, between(0), 9, None), mismatch("weights", 3, 0));
    let huge = run(&snapshot, between(u64::MAX), 9, None);
    assert!(matches!(huge, Err(Error::ShapeOverflow(_))), "{huge:?}");
    assert_eq!(run(&Snapshot::new(0), first, 0, None), Err(Error::InvalidChannels(0)));
    let ragged = Snapshot { gamma: vec![1.0; 2], ..snapshot.clone() };
    assert_eq!(run(&ragged, first, 6, None), mismatch("gamma", 3, 2));

    let layer = Layer { layout: first, weights: &[1.0; 6], bias: None };
    let good = fold(&snapshot, &descriptor, layer).unwrap();
    let run = |folded: &Folded, inputs: usize| {
        compare(&snapshot, &descriptor, layer, folded, &vec![1.0; inputs]).map(drop)
    };
    assert_eq!(run(&good, 4), Ok(()));
    assert_eq!(run(&good, 3), mismatch("inputs", 4, 3));
    let short = Folded { bias: vec![0.0; 2], ..good.clone() };
    assert_eq!(run(&short, 4), mismatch("folded_bias", 3, 2));
    let long = Folded { weights: vec![0.0; 7], ..good };
    assert_eq!(run(&long, 4), mismatch("folded_weights", 6, 7));
    for epsilon in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let descriptor = BatchNormDescriptor { epsilon, ..Default::default() };
        let error = fold(&snapshot, &descriptor, layer).unwrap_err();
        assert!(matches!(error, Error::InvalidEpsilon(_)), "{error}");
    }
}
