//! Folding on the GPU: against `f64`, in and out of place, at any offset, beyond one binding.

use crate::cases::Random;
use crate::device;
use crate::fold_cases::{FoldCase, cases};
use crate::guarded::Guarded;
use crate::tolerance::{INV_STD, ROUNDOFF, assert_within};
use wgpu_batchnorm::fold::{Folded, Folding, Tensors, WeightLayout, compare, fold};
use wgpu_batchnorm::{BatchNormDescriptor, BufferRange, Context, Element, Error, State};

/// w', of itself: inv_std, its product with γ, and the product with w.
const WEIGHT: f64 = INV_STD + 2.0 * ROUNDOFF;

/// b', of |(b − μ)·s| + |β|: the difference, s, their product and the sum.
const BIAS: f64 = INV_STD + 4.0 * ROUNDOFF;

/// What is below the normal numbers may become 0.
const SMALLEST: f64 = f32::MIN_POSITIVE as f64;

/// How a layer lies in memory.
#[derive(Clone, Copy, Debug)]
struct Place {
    in_place: bool,
    offset: usize,
}

fn state_of(context: &Context, case: &FoldCase) -> State {
    let state = State::new(context.device(), case.channels as u32);
    state.load(context.queue(), &case.snapshot).unwrap();
    state
}

fn run(context: &Context, folding: &Folding, case: &FoldCase, place: Place) -> Folded {
    let folding = folding.with_descriptor(&case.descriptor).unwrap();
    let state = state_of(context, case);
    let offset = place.offset;
    let weights = Guarded::new(context, &case.weights, Element::F32, offset);
    let bias = case.bias.as_ref().map(|bias| Guarded::new(context, bias, Element::F32, offset + 1));
    let other = |length| Guarded::poisoned(context, length, Element::F32, offset + 2);
    let (mut to_weights, mut to_bias) = (None, None);
    if !place.in_place {
        to_weights = Some(other(case.weights.len()));
    }
    if !place.in_place || bias.is_none() {
        to_bias = Some(other(case.channels));
    }
    let (to_weights, to_bias) =
        (to_weights.as_ref().unwrap_or(&weights), to_bias.as_ref().or(bias.as_ref()).unwrap());
    let tensors = Tensors {
        weights: weights.range(),
        bias: bias.as_ref().map(Guarded::range),
        folded_weights: to_weights.range(),
        folded_bias: to_bias.range(),
    };
    let each = case.each() as u64;
    let bound = folding.bind(context.device(), &state, case.layout, each, tensors).unwrap();
    context.run(|encoder| bound.encode(encoder));
    let read = |tensor: &Guarded, name| pollster::block_on(tensor.read(context, name));
    let folded =
        Folded { weights: read(to_weights, "folded weights"), bias: read(to_bias, "folded bias") };
    if !place.in_place {
        assert_eq!(read(&weights, "weights"), case.weights, "the source stays");
    }
    assert_eq!(context.snapshot(&state).unwrap(), case.snapshot, "the state stays");
    folded
}

#[track_caller]
fn check(context: &Context, folding: &Folding, case: &FoldCase, place: Place) {
    let folded = run(context, folding, case, place);
    let FoldCase { layout, channels, rest, descriptor, .. } = case;
    let what = format!("of {layout:?} {channels} × {rest:?}, {descriptor:?}, {place:?}");
    let want = case.want();
    let bound = |_, want: f64| WEIGHT * want.abs() + SMALLEST;
    assert_within(&format!("w' {what}"), &folded.weights, &want.weights, bound);
    let bound = |i: usize, _| BIAS * want.bias_terms[i] + SMALLEST;
    assert_within(&format!("b' {what}"), &folded.bias, &want.bias, bound);
}

#[test]
fn cases_agree_with_f64() {
    let Some(context) = device::context() else { return };
    let folding = Folding::new(context.device(), &BatchNormDescriptor::default()).unwrap();
    for (index, case) in cases().iter().enumerate() {
        let offset = [0, 1, 2, 3, 63, 64, 65][index % 7];
        for in_place in [false, true] {
            check(context, &folding, case, Place { in_place, offset });
        }
    }
}

/// The GPU's weights and the host's are the same but for their roundings, to a network as well.
#[test]
fn host_and_gpu_agree() {
    let Some(context) = device::context() else { return };
    let folding = Folding::new(context.device(), &BatchNormDescriptor::default()).unwrap();
    let case = FoldCase::new(WeightLayout::OutputLast, 65, [7, 5, 3]);
    let gpu = run(context, &folding, &case, Place { in_place: false, offset: 0 });
    let (snapshot, descriptor, layer) = (&case.snapshot, &case.descriptor, case.layer());
    let host = fold(snapshot, descriptor, layer).unwrap();
    let wide = |values: &[f32]| values.iter().map(|&v| v as f64).collect::<Vec<_>>();
    let bound = |_, want: f64| (WEIGHT + ROUNDOFF) * want.abs();
    assert_within("w'", &gpu.weights, &wide(&host.weights), bound);
    let inputs = Random(7).normals(16 * case.each(), 0.5);
    let of_host = compare(snapshot, descriptor, layer, &host, &inputs).unwrap();
    let of_gpu = compare(snapshot, descriptor, layer, &gpu, &inputs).unwrap();
    // Errors of all weights of a channel may have one sign on the GPU, where s is what is off.
    assert!(of_host.largest_relative < 1e-6, "{of_host:?}");
    assert!(of_gpu.largest_relative < 1e-5, "{of_gpu:?}");
}

#[test]
fn more_workgroups_than_one_dimension_holds() {
    let Some(context) = device::context() else { return };
    let folding = Folding::new(context.device(), &BatchNormDescriptor::default()).unwrap();
    let limit = context.device().limits().max_compute_workgroups_per_dimension;
    assert!(limit < 1 << 17, "{limit} workgroups of 64: a larger case is due");
    for layout in [WeightLayout::OutputFirst, WeightLayout::OutputLast] {
        let case = FoldCase::new(layout, 3, [2801, 999, 1]);
        check(context, &folding, &case, Place { in_place: true, offset: 1 });
    }
}

#[test]
fn weights_beyond_one_binding_are_folded_in_pieces() {
    let Some(context) = device::with_max_binding(1 << 16) else { return };
    let folding = Folding::new(context.device(), &BatchNormDescriptor::default()).unwrap();
    let between = |outer| WeightLayout::OutputBetween { outer };
    for (layout, channels, rest) in [
        (WeightLayout::OutputFirst, 3, [100, 13, 17]),
        (WeightLayout::OutputFirst, 701, [7, 5, 3]),
        (WeightLayout::OutputLast, 701, [7, 5, 3]),
        (between(7), 701, [7, 5, 3]),
        (between(2), 3, [2, 150, 151]),
    ] {
        let case = FoldCase::new(layout, channels, rest);
        for in_place in [false, true] {
            check(&context, &folding, &case, Place { in_place, offset: 3 });
        }
    }
}

/// The state is read when the folding runs, and a pass of the caller's will do.
#[test]
fn what_is_bound_once_folds_the_state_of_the_day() {
    let Some(context) = device::context() else { return };
    let folding = Folding::new(context.device(), &BatchNormDescriptor::default()).unwrap();
    let mut case = FoldCase::new(WeightLayout::OutputFirst, 4, [6, 1, 1]);
    let state = State::new(context.device(), 4);
    let range = |values: &[f32]| BufferRange::from(context.upload(values).unwrap());
    let tensors = Tensors {
        weights: range(&case.weights),
        bias: case.bias.as_ref().map(|bias| range(bias)),
        folded_weights: range(&[0.0; 24]),
        folded_bias: range(&[0.0; 4]),
    };
    let bound = folding.bind(context.device(), &state, case.layout, 6, tensors.clone()).unwrap();
    for gamma in [1.0, -3.0] {
        case.snapshot.gamma = vec![gamma; 4];
        state.load(context.queue(), &case.snapshot).unwrap();
        context
            .run(|encoder| bound.encode_in(&mut encoder.begin_compute_pass(&Default::default())));
        let have = context.download(&tensors.folded_weights).unwrap();
        let bound = |_, want: f64| WEIGHT * want.abs();
        assert_within("w'", &have, &case.want().weights, bound);
    }
}

/// Four ranges of one buffer, some of them in place.
#[test]
fn tensors_share_a_buffer() {
    let Some(context) = device::context() else { return };
    let folding = Folding::new(context.device(), &BatchNormDescriptor::default()).unwrap();
    let case = FoldCase::new(WeightLayout::OutputLast, 5, [9, 1, 1]);
    let state = state_of(context, &case);
    let mut page = case.weights.clone();
    page.extend(case.bias.as_ref().unwrap());
    page.extend([0.0; 50]);
    for (to_weights, to_bias) in [(50, 95), (0, 45), (0, 50), (55, 45), (51, 97)] {
        let buffer = context.upload(&page).unwrap();
        let range = |at: u64, length: u64| BufferRange::new(&buffer, at * 4, length * 4);
        let tensors = Tensors {
            weights: range(0, 45),
            bias: Some(range(45, 5)),
            folded_weights: range(to_weights, 45),
            folded_bias: range(to_bias, 5.min(100 - to_bias)),
        };
        let bound = folding.bind(context.device(), &state, case.layout, 9, tensors.clone());
        if to_bias == 97 {
            let want = Error::BufferTooSmall { name: "folded_bias", need: 20, have: 12 };
            assert_eq!(bound.unwrap_err(), want);
            continue;
        }
        let bound = bound.unwrap();
        context.run(|encoder| bound.encode(encoder));
        let want = case.want();
        let have = context.download(&tensors.folded_weights).unwrap();
        assert_within("w'", &have, &want.weights, |_, want| WEIGHT * want.abs());
        let have = context.download(&tensors.folded_bias).unwrap();
        assert_within("b'", &have, &want.bias, |i, _| BIAS * want.bias_terms[i]);
    }
}

/// γ = 0 gives β to the last bit, and NaN stays in its channel.
#[test]
fn edges_are_as_documented() {
    let Some(context) = device::context() else { return };
    let folding = Folding::new(context.device(), &BatchNormDescriptor::default()).unwrap();
    let mut case = FoldCase::new(WeightLayout::OutputLast, 3, [50, 1, 1]);
    case.snapshot.gamma[0] = 0.0;
    case.snapshot.running_mean[2] = f32::INFINITY;
    let folded = run(context, &folding, &case, Place { in_place: true, offset: 0 });
    assert!(folded.weights.iter().step_by(3).all(|&w| w == 0.0));
    assert_eq!(folded.bias[0].to_bits(), case.snapshot.beta[0].to_bits());
    assert!(folded.bias[1].is_finite() && !folded.bias[2].is_finite());
    assert!(folded.weights.iter().all(|w| w.is_finite()));
}
