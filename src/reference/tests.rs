//! The reference against central differences, and against what is known by hand.

use super::*;

/// Some values of both signs without a pattern.
fn values(n: u64, seed: u32) -> Vec<f32> {
    (0..n as u32)
        .map(|i| {
            let hash = (i + seed).wrapping_mul(2_654_435_761) >> 8;
            hash as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// dx, dγ and dβ against central differences of the loss Σ w·y, in which dy = w. The step
/// 2⁻⁷ leaves an error of its square times the third derivative, below 1e-3.
fn check_gradients(shape: Shape, frozen: bool, extras: Extras<'_>) {
    let c = shape.channels() as u64;
    let (x, w) = (values(shape.elements(), 1), values(shape.elements(), 77));
    let (gamma, beta) = (values(c, 5), values(c, 9));
    let fixed = Statistics { mean: vec![0.1; c as usize], variance: vec![0.7; c as usize] };
    let statistics_of = |x: &[f32]| {
        if frozen { fixed.clone() } else { weighted_statistics(shape, x, extras) }
    };
    let loss = |x: &[f32], gamma: &[f32], beta: &[f32], residual: Option<&[f32]>| -> f64 {
        let stats = statistics_of(x);
        let affine = AffineParams { gamma: Some(gamma), beta: Some(beta) };
        let y = forward(shape, x, &stats, 1e-3, affine, Extras { residual, ..extras });
        y.iter().zip(&w).map(|(y, &w)| y * w as f64).sum()
    };
    let stats = statistics_of(&x);
    let affine = AffineParams { gamma: Some(&gamma), beta: Some(&beta) };
    let gradients = backward_with(shape, &x, &w, &stats, frozen, 1e-3, affine, extras);
    let check = |name: &str, gradient: &[f64], of: &dyn Fn(usize, f32) -> f64| {
        for (i, &expected) in gradient.iter().enumerate() {
            let h = 1.0 / 128.0;
            let difference = (of(i, h) - of(i, -h)) / (2.0 * h as f64);
            assert!(
                (difference - expected).abs() < 2e-3,
                "{shape} frozen {frozen} {name}[{i}]: {difference} or {expected}"
            );
        }
    };
    let moved = |values: &[f32], i: usize, h: f32| {
        let mut values = values.to_vec();
        values[i] += h;
        values
    };
    let residual = extras.residual;
    check("dx", &gradients.dx, &|i, h| loss(&moved(&x, i, h), &gamma, &beta, residual));
    check("dgamma", &gradients.dgamma, &|i, h| loss(&x, &moved(&gamma, i, h), &beta, residual));
    check("dbeta", &gradients.dbeta, &|i, h| loss(&x, &gamma, &moved(&beta, i, h), residual));
    if let Some(residual) = residual {
        let loss = |i, h| loss(&x, &gamma, &beta, Some(&moved(residual, i, h)));
        check("dresidual", &gradients.dresidual, &loss);
    }
}

#[test]
fn gradients_are_central_differences() {
    for shape in [Shape::nchw(4, 3, 2, 2), Shape::nc(8, 2), Shape::channels_last(12, 3)] {
        for frozen in [false, true] {
            check_gradients(shape, frozen, Extras::default());
            let residual = values(shape.elements(), 33);
            let weights = [0.0, 1.0, 2.5, 0.5];
            let corrections = vec![(0.8, 0.3); shape.channels() as usize];
            // Without kinks, which central differences cannot see.
            for activation in [Activation::Gelu, Activation::Sigmoid] {
                let extras = Extras { activation, residual: Some(&residual), ..Default::default() };
                check_gradients(shape, frozen, extras);
                let extras = Extras { weights: Some(&weights), ..extras };
                check_gradients(shape, frozen, extras);
                let extras = Extras { corrections: Some(&corrections), ..extras };
                check_gradients(shape, frozen, extras);
            }
        }
    }
}

/// Whole weights are copies: of a sample and its position.
#[test]
fn weights_count_values() {
    let weights = [2.0, 0.0, 1.0];
    let extras = Extras { weights: Some(&weights), ..Default::default() };
    let x = [1.0, 10.0, f32::NAN, f32::NAN, 4.0, 30.0];
    let have = weighted_statistics(Shape::nc(3, 2), &x, extras);
    let copies = statistics(Shape::nc(3, 2), &[1.0, 10.0, 1.0, 10.0, 4.0, 30.0]);
    assert_eq!(have, copies);
    assert_eq!(extras.count(Shape::nc(3, 2)), 3.0);
    let y = forward(Shape::nc(3, 2), &x, &have, 1e-5, AffineParams::default(), extras);
    assert_eq!(y[2..4], [0.0, 0.0]);
}

#[test]
fn renormalization_keeps_within_its_bounds() {
    let running = Statistics { mean: vec![3.0; 3], variance: vec![4.0 - 1e-5f32 as f64; 3] };
    let batch = Statistics {
        mean: vec![4.0, 103.0, -97.0],
        variance: [16.0, 4000.0, 0.01].map(|v| v - 1e-5f32 as f64).to_vec(),
    };
    let have = renormalization(&batch, &running, 1e-5, 3.0, 5.0);
    assert_eq!(have, [(2.0, 0.5), (3.0, 5.0), (1.0 / 3.0, -5.0)]);
}

/// y = x̂·r + d, of each channel its own.
#[test]
fn corrections_scale_and_shift() {
    let corrections = [(2.0, 0.5), (1.0, -3.0)];
    let extras = Extras { corrections: Some(&corrections), ..Default::default() };
    let batch = Statistics { mean: vec![1.0, 2.0], variance: vec![1.0, 1.0] };
    let x = [0.0, 4.0];
    let y = forward(Shape::nc(1, 2), &x, &batch, 0.0, AffineParams::default(), extras);
    assert_eq!(y, [-1.5, -1.0]);
}

#[test]
fn statistics_of_a_known_batch() {
    let found = statistics(Shape::nc(4, 2), &[1.0, 10.0, 2.0, 10.0, 3.0, 10.0, 4.0, 10.0]);
    assert_eq!(found, Statistics { mean: vec![2.5, 10.0], variance: vec![1.25, 0.0] });
}

#[test]
fn running_statistics_follow_either_convention() {
    let batch = Statistics { mean: vec![2.0], variance: vec![3.0] };
    let mut running = Statistics { mean: vec![0.0], variance: vec![1.0] };
    let half = Momentum::Exponential(0.5);
    update_running(&mut running, &batch, half, RunningVariance::Unbiased, 1, 4.0);
    assert_eq!(running, Statistics { mean: vec![1.0], variance: vec![2.5] });
    update_running(&mut running, &batch, Momentum::Cumulative, RunningVariance::Biased, 2, 4.0);
    assert_eq!(running, Statistics { mean: vec![1.5], variance: vec![2.75] });
    // One value has no deviation to correct.
    let batch = Statistics { mean: vec![3.5], variance: vec![0.25] };
    update_running(&mut running, &batch, half, RunningVariance::Unbiased, 3, 1.0);
    assert_eq!(running, Statistics { mean: vec![2.5], variance: vec![1.5] });
}
