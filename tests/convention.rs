//! What survives when a layer is stated in the words of another framework.

// Each test program uses a part of what they share.
#[allow(dead_code)]
#[path = "gpu/cases.rs"]
mod cases;

use cases::Random;
use wgpu_batchnorm::convention::{Convention, MissingAffine};
use wgpu_batchnorm::{BatchNormDescriptor, Error, Momentum, RunningVariance};

/// One of each direction.
const DIRECTIONS: [Convention; 2] = [Convention::PyTorch, Convention::Keras];

/// There and back.
fn around(convention: Convention, stated: f64) -> f64 {
    let other = if convention == Convention::Keras { Convention::Burn } else { Convention::Onnx };
    let there = convention.restate_momentum(stated, other).unwrap();
    assert!((there - (1.0 - stated)).abs() <= 2f64.powi(-54), "{stated}: {there}");
    other.restate_momentum(there, convention).unwrap()
}

#[track_caller]
fn assert_survives(stated: f64) {
    for convention in DIRECTIONS {
        assert_eq!(around(convention, stated).to_bits(), stated.to_bits(), "{stated:e}");
    }
}

fn alpha(momentum: Momentum) -> f32 {
    let Momentum::Exponential(alpha) = momentum else { panic!("{momentum:?}") };
    alpha
}

#[test]
fn defaults_mean_what_the_frameworks_compute() {
    for (convention, want) in [
        (Convention::PyTorch, 0.1f32),
        (Convention::Keras, 0.01),
        (Convention::Onnx, 0.1),
        (Convention::Burn, 0.1),
    ] {
        let stated = convention.defaults().momentum;
        assert_eq!(alpha(convention.momentum(stated).unwrap()), want, "{convention:?}");
    }
    assert_eq!(Convention::PyTorch.descriptor(), BatchNormDescriptor::default());
    let keras = Convention::Keras.descriptor();
    assert_eq!((keras.epsilon, keras.running_variance), (1e-3, RunningVariance::Biased));
    // ONNX' attribute is an `f32`.
    let onnx = Convention::Onnx.momentum(0.9f32 as f64).unwrap();
    assert_eq!(alpha(onnx).to_bits(), (1.0 - 0.9f32).to_bits());
}

#[test]
fn momentum_is_stated_as_people_write_it() {
    for (convention, want) in [(Convention::PyTorch, 0.1), (Convention::Keras, 0.9)] {
        let stated = convention.stated_momentum(Momentum::Exponential(0.1)).unwrap();
        assert_eq!(stated, Some(want));
        assert_eq!(convention.stated_momentum(Momentum::Cumulative).unwrap(), None);
    }
    let pytorch = Convention::Keras.restate_momentum(0.99, Convention::PyTorch).unwrap();
    assert_eq!(pytorch, 0.01);
    let same = Convention::Keras.restate_momentum(0.123, Convention::Onnx).unwrap();
    assert_eq!(same, 0.123);
}

#[test]
fn what_is_no_momentum_is_refused() {
    for convention in Convention::ALL {
        for stated in [-0.1, 1.5, f64::NAN, f64::INFINITY] {
            let error = convention.momentum(stated).unwrap_err();
            assert!(matches!(error, Error::InvalidMomentum(_)), "{error}");
            let momentum = Momentum::Exponential(stated as f32);
            let error = convention.stated_momentum(momentum).unwrap_err();
            assert!(matches!(error, Error::InvalidMomentum(_)), "{error}");
        }
    }
}

#[test]
fn decimals_of_15_places_survive() {
    (0..=100_000).for_each(|i| assert_survives(i as f64 / 1e5));
    let mut random = Random(3);
    for places in 6..=15 {
        let one = 10u64.pow(places);
        for _ in 0..5_000 {
            // Of any size: as many digits as chance wants.
            let digits = 10u64.pow((random.next_u64() % places as u64) as u32 + 1);
            let decimal = random.next_u64() % digits;
            // Both are exact, so the quotient is the nearest `f64`.
            assert_survives(decimal as f64 / one as f64);
            assert_survives((one - decimal) as f64 / one as f64);
        }
    }
}

#[test]
fn all_of_one_half_and_more_survives() {
    let mut random = Random(4);
    assert_survives(0.5);
    assert_survives(1.0);
    for _ in 0..50_000 {
        let size = 2f64.powi(-((random.next_u64() % 54) as i32));
        assert_survives(1.0 - random.uniform() * 0.5 * size);
    }
}

/// Bits of an α as it comes back from each convention.
fn returned(alpha: f32) -> [f32; 4] {
    Convention::ALL.map(|convention| {
        let stated = convention.stated_momentum(Momentum::Exponential(alpha)).unwrap();
        let momentum = convention.momentum(stated.expect("a number")).unwrap();
        let Momentum::Exponential(alpha) = momentum else { panic!("{momentum:?}") };
        alpha
    })
}

/// Every α of the crate that is 0 or 2⁻²⁹ and more: one in 5,003 of them, and the ends of each
/// power of 2.
#[test]
fn every_f32_of_use_survives() {
    let (first, last) = (2f32.powi(-29).to_bits(), 1f32.to_bits());
    let powers = (first..=last).step_by(1 << 23).flat_map(|p| p.saturating_sub(9)..p + 9);
    let sample = (first..=last).step_by(5_003).chain(powers);
    for bits in sample.filter(|bits| (first..=last).contains(bits)).chain([0]) {
        let alpha = f32::from_bits(bits);
        assert_eq!(returned(alpha).map(f32::to_bits), [bits; 4], "{alpha:e}");
    }
}

#[test]
fn smaller_ones_come_back_within_2_to_the_minus_53() {
    for bits in (1..2f32.powi(-29).to_bits()).step_by(100_003) {
        let alpha = f32::from_bits(bits);
        for have in returned(alpha) {
            // And half a unit in the last place of the result.
            let bound = 2f64.powi(-53) + have as f64 * 2f64.powi(-24);
            assert!((have as f64 - alpha as f64).abs() <= bound, "{alpha:e}: {have:e}");
        }
    }
}

#[test]
fn an_f32_variance_survives_as_f64() {
    let mut random = Random(5);
    let (biased, unbiased) = (RunningVariance::Biased, RunningVariance::Unbiased);
    let counts = [2, 3, 4, 5, 7, 32, 1000, 401_408, u32::MAX as u64, (1 << 53) + 1, u64::MAX];
    for count in counts {
        for _ in 0..20_000 {
            let bits = random.next_u64() as u32 % f32::INFINITY.to_bits();
            let variance = f32::from_bits(bits);
            for (from, to) in [(biased, unbiased), (unbiased, biased)] {
                let there = from.convert(to, variance as f64, count).unwrap();
                let back = to.convert(from, there, count).unwrap();
                assert_eq!((back as f32).to_bits(), bits, "{variance:e} of {count}");
                // As `f32` in between, it comes back as itself or as a neighbour.
                let back = to.convert(from, there as f32 as f64, count).unwrap() as f32;
                let overflow = there as f32 == f32::INFINITY;
                assert!(overflow || back.to_bits().abs_diff(bits) <= 1, "{variance:e} of {count}");
            }
        }
    }
}

#[test]
fn variances_are_scaled_by_the_degrees_of_freedom() {
    let (biased, unbiased) = (RunningVariance::Biased, RunningVariance::Unbiased);
    assert_eq!(biased.convert(unbiased, 3.0, 4).unwrap(), 4.0);
    assert_eq!(unbiased.convert(biased, 4.0, 4).unwrap(), 3.0);
    assert_eq!(biased.convert(biased, 3.0, 0).unwrap(), 3.0);
    for count in [0, 1] {
        let error = biased.convert(unbiased, 3.0, count).unwrap_err();
        assert_eq!(error, Error::NoUnbiasedVariance(count));
    }
}

#[test]
fn a_missing_half_is_stated_as_the_framework_does() {
    let entries = |c: Convention, scale, shift| c.missing_affine().entries(scale, shift);
    assert_eq!(Convention::PyTorch.missing_affine(), MissingAffine::Together);
    assert_eq!(entries(Convention::PyTorch, false, false), (false, false));
    assert_eq!(entries(Convention::PyTorch, true, false), (true, true));
    assert_eq!(entries(Convention::Keras, true, false), (true, false));
    assert_eq!(entries(Convention::Onnx, false, false), (true, true));
    assert_eq!(entries(Convention::Burn, false, true), (true, true));
}

#[test]
fn names_are_different_within_a_layer() {
    for convention in Convention::ALL {
        let names = convention.parameter_names();
        let mut all = vec![names.gamma, names.beta, names.running_mean, names.running_var];
        all.extend(names.batches);
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "{convention:?}");
    }
    assert_eq!(Convention::Keras.parameter_names().running_var, "moving_variance");
    assert_eq!(Convention::Onnx.parameter_names().gamma, "scale");
    assert_eq!(Convention::PyTorch.parameter_names().batches, Some("num_batches_tracked"));
}
