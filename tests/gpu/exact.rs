//! What leaves nothing to luck: activations over all of their range, by relative error, and 16-bit
//! elements bit by bit. The layer is the identity: mean 0, and σ² + ε is 1 exactly.

use crate::device;
use half::{bf16, f16};
use wgpu_batchnorm::plan::Adapter;
use wgpu_batchnorm::{
    Activation, BatchNorm, BatchNormDescriptor, BufferRange, Context, Element, Extras, Gradients,
    Inference, Momentum, Row, Shape, State, Training, Weights, wgpu,
};

const EPSILON: f32 = 1.0 / 1024.0;

/// The identity, in inference.
struct Identity<'a> {
    context: &'a Context,
    bn: BatchNorm,
    element: Element,
}

impl<'a> Identity<'a> {
    fn new(context: &'a Context, element: Element, activation: Activation) -> Self {
        let adapter = Adapter::new(context.adapter_info(), &context.device().limits());
        Self::planned(context, element, activation, adapter)
    }

    fn planned(
        context: &'a Context,
        element: Element,
        activation: Activation,
        adapter: Adapter,
    ) -> Self {
        let descriptor =
            BatchNormDescriptor { epsilon: EPSILON, element, activation, ..Default::default() };
        let bn = BatchNorm::with_adapter(context.device(), &descriptor, adapter).expect("a layer");
        Self { context, bn, element }
    }

    fn upload(&self, bytes: &[u8]) -> BufferRange {
        self.context.upload_bytes(bytes).expect("a tensor").into()
    }

    /// act(x + residual), and dx.
    fn run(&self, x: &[u8], residual: Option<&[u8]>, dy: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let device = self.context.device();
        let length = x.len() as u32 / self.element.size() as u32;
        // Channels enough for the mappings of software adapters, where values are.
        let channels = if length.is_multiple_of(8) { 8 } else { 1 };
        let shape = Shape::ncl(1, channels, length / channels);
        let state = State::new(device, channels);
        let variances = vec![1.0 - EPSILON; channels as usize];
        state.set(self.context.queue(), Row::RunningVar, &variances).expect("a row");
        let (x, y) = (self.upload(x), self.upload(&vec![0; x.len()]));
        let (dy, dx) = (self.upload(dy), self.upload(&vec![0; dy.len()]));
        let extras = Extras { residual: residual.map(|r| self.upload(r)), ..Default::default() };
        let tensors = Inference { x, y: y.clone() };
        let forward =
            self.bn.bind_inference_with(device, &state, shape, tensors, extras).expect("inference");
        // Through constants, without sums: dx = dy·act'(z), element by element.
        let gradients = Gradients { dx: Some(dx.clone()), affine: false, ..Default::default() };
        let backward =
            self.bn.bind_backward_with(device, &forward, dy, gradients).expect("a backward pass");
        self.context.run(|encoder| {
            forward.encode(encoder);
            backward.encode(encoder);
        });
        let download = |range| self.context.download_bytes(range).expect("a download");
        (download(y), download(dx))
    }
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn values_of(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// Arguments from next to nothing to far beyond where anything changes, kinks among them.
fn arguments() -> Vec<f32> {
    let mut all = vec![0.0, 3.0, -3.0, 100.0, -100.0];
    for k in 0..2000 {
        let z = 1e-6 * 1.01f32.powi(k);
        if z < 50.0 {
            all.extend([z, -z]);
        }
    }
    while all.len() % 4 != 0 {
        all.push(0.0);
    }
    all
}

#[test]
fn activations_are_right_over_all_of_their_range() {
    crate::cases::ACTIVATIONS.into_iter().for_each(check_activation);
}

/// Within a few units in the last place where the exponential has as many digits; it loses some
/// where its argument is large, as that of GELU's tail is.
pub fn check_activation(activation: Activation) {
    let Some(context) = device::context() else { return };
    let z = arguments();
    let layer = Identity::new(context, Element::F32, activation);
    let (y, dx) = layer.run(&bytes_of(&z), None, &bytes_of(&vec![1.0; z.len()]));
    let digits = if activation == Activation::Gelu { 6e-7 } else { 3e-7 };
    for ((&z, y), slope) in z.iter().zip(values_of(&y)).zip(values_of(&dx)) {
        let what = format!("{activation:?} of {z:e}");
        let wide = z as f64;
        let (want, want_slope) = (activation.value(wide), activation.slope(wide));
        // Next to nothing a driver may take for 0.
        let bound = digits * (1.0 + wide.abs().min(25.0).powi(2)) * (want.abs() + 1e-30);
        assert!((y as f64 - want).abs() <= bound, "{what}: {y:e}, not {want:e}");
        let bound = 1e-6 * (want_slope.abs() + 0.1);
        assert!((slope as f64 - want_slope).abs() <= bound, "{what}: slope {slope}");
    }
}

/// Every half, plus others: rounded to nearest, ties to even, to the last bit.
#[test]
pub fn sums_of_halves_are_rounded_to_even() {
    let Some(context) = device::context() else { return };
    let adapter = Adapter::new(context.adapter_info(), &context.device().limits());
    sums_are_rounded_to_even(context, Element::F16, adapter);
    sums_are_rounded_to_even(context, Element::BF16, adapter);
}

/// The same, where the device converts: in words, in 16-bit types, and as a device without these does.
#[test]
fn sums_that_the_device_converts_are_rounded_to_even() {
    let Some(context) = device::context() else { return };
    let without = &device::with_limits(&[wgpu::Limits::default()]).expect("an adapter")[0];
    for context in [context, without] {
        let adapter = context.probe().expect("an answer");
        if !adapter.exact_f16 {
            println!("skipped: {} converts otherwise", context.adapter_info().name);
            continue;
        }
        let adapter = Adapter { tiles_from: 0, ..adapter };
        for is_cpu in [true, false] {
            sums_are_rounded_to_even(context, Element::F16, Adapter { is_cpu, ..adapter });
        }
    }
}

/// Whether nobody needs to probe: lavapipe converts as the processor does, where that can.
pub fn is_known_to_convert(context: &Context) -> bool {
    #[cfg(target_arch = "x86_64")]
    let converts = std::arch::is_x86_feature_detected!("f16c");
    #[cfg(not(target_arch = "x86_64"))]
    let converts = false;
    context.adapter_info().name.starts_with("llvmpipe") && converts
}

#[test]
fn a_processor_that_converts_is_found_exact() {
    let Some(context) = device::context() else { return };
    if is_known_to_convert(context) {
        assert!(context.probe().expect("an answer").exact_f16);
    }
}

fn sums_are_rounded_to_even(context: &Context, element: Element, adapter: Adapter) {
    type Convert = (fn(u16) -> f32, fn(f32) -> u16);
    let (decode, encode): Convert = match element {
        Element::F16 => (|bits| f16::from_bits(bits).to_f32(), |v| f16::from_f32(v).to_bits()),
        Element::BF16 => (|bits| bf16::from_bits(bits).to_f32(), |v| bf16::from_f32(v).to_bits()),
        Element::F32 => panic!("not a half"),
    };
    let layer = Identity::planned(context, element, Activation::Identity, adapter);
    // Whole quads, and elements one by one.
    for spare in [0, 1] {
        let all: Vec<u16> = (0..=u16::MAX).chain(0..spare).collect();
        // Of like size, so that sums end in the middle between two halves, and just beside it.
        for other in [0u16, 1, 3, 0x0011, 0x0400, 0x1003, 0x3c01, 0x3f81, 0x4b03, 0x7bff, 0xfbff] {
            for shift in [0u16, 0x0100, 0x0080] {
                let residual: Vec<u16> = all
                    .iter()
                    .map(|&x| if shift == 0 { other } else { (x ^ other).wrapping_sub(shift) })
                    .collect();
                let bytes = |halves: &[u16]| {
                    halves.iter().flat_map(|half| half.to_le_bytes()).collect::<Vec<_>>()
                };
                let (y, _) = layer.run(&bytes(&all), Some(&bytes(&residual)), &bytes(&all));
                for (i, b) in y.chunks_exact(2).take(all.len()).enumerate() {
                    let have = u16::from_le_bytes([b[0], b[1]]);
                    let sum = decode(all[i]) + decode(residual[i]);
                    let is_nan = decode(have).is_nan() && sum.is_nan();
                    // A driver may take an f32 below 2⁻¹²⁶ for 0, which only bf16 can hold.
                    let tiny = element == Element::BF16
                        && [decode(all[i]), decode(residual[i]), sum]
                            .iter()
                            .any(|v| v.abs() < f32::MIN_POSITIVE);
                    assert!(
                        have == encode(sum) || is_nan || tiny,
                        "{element:?}: {:x} + {:x} is {have:x}, not {:x}",
                        all[i],
                        residual[i],
                        encode(sum)
                    );
                }
            }
        }
    }
}

/// Running mean and variance after one step that they take all of: four values of three channels,
/// 0 to 11, with these weights.
fn tracked(context: &Context, weights: [f32; 4]) -> (Vec<f32>, Vec<f32>) {
    let (device, shape) = (context.device(), Shape::nc(4, 3));
    let bn = BatchNorm::new(device, &BatchNormDescriptor::default()).expect("a layer");
    let state = State::new(device, 3);
    let x: Vec<f32> = (0..12).map(|i| i as f32).collect();
    let weights = context.upload(&weights).expect("weights");
    let weights = Some(Weights::new(BufferRange::from(&weights), 4));
    let (x, y) = (context.upload(&x).expect("x"), context.zeros(12).expect("y"));
    let momentum = Momentum::Exponential(1.0);
    let training = Training { x: (&x).into(), y: (&y).into(), momentum };
    let extras = Extras { weights, ..Default::default() };
    let forward = bn.bind_training_with(device, &state, shape, training, extras).expect("training");
    context.run(|encoder| forward.encode(encoder));
    let read = |row| context.download(state.range(row)).expect("a download");
    (read(Row::RunningMean), read(Row::RunningVar))
}

/// One value has no unbiased variance, so that it counts as it is.
#[test]
pub fn a_batch_of_one_weighted_value_is_tracked() {
    let Some(context) = device::context() else { return };
    for weight in [0.5, 1.0] {
        let (mean, variance) = tracked(context, [0.0, weight, 0.0, 0.0]);
        assert_eq!(mean, [3.0, 4.0, 5.0], "of weight {weight}");
        assert_eq!(variance, [0.0; 3], "of weight {weight}");
    }
}

/// Weights of little more than 1 in all have an unbiased variance, M2/(m − 1).
#[test]
pub fn just_more_than_one_value_is_unbiased() {
    let Some(context) = device::context() else { return };
    let more = 1.0 / 256.0;
    let (mean, variance) = tracked(context, [0.0, 0.5, 0.5 + more, 0.0]);
    // Of 3 and 6 in the first channel; those of the others lie as far apart.
    let first = (3.0 * 0.5 + 6.0 * (0.5 + more)) / (1.0 + more);
    let m2 = 0.5 * (3.0f32 - first).powi(2) + (0.5 + more) * (6.0 - first).powi(2);
    for (c, (mean, variance)) in mean.iter().zip(&variance).enumerate() {
        assert!((mean - first - c as f32).abs() <= 1e-5, "mean[{c}] is {mean}");
        assert!((variance / (m2 / more) - 1.0).abs() <= 1e-5, "σ²[{c}] is {variance}");
    }
}
