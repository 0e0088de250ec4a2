//! What may be left out, done in place or added: each gives the bits of the whole, out of place.

use crate::cases::Random;
use crate::device::{self, OnEach};
use crate::tolerance;
use half::{bf16, f16};
use wgpu_batchnorm::plan::{Access, Adapter, Kernel, Pass, Plan, Request};
use wgpu_batchnorm::{
    Activation, Backward, BatchNorm, BatchNormDescriptor, BufferRange, Context, Element, Error,
    Extras, Forward, Gradients, Inference, Momentum, Row, Saved, Shape, State, Training, Weights,
    wgpu,
};

const SHAPES: [Shape; 17] = [
    Shape::ncl(2, 5, 31),
    Shape::ncl(4, 6, 49),
    Shape::ncl(2, 2, 3_001),
    Shape::channels_last(8, 13),
    Shape::channels_last(500, 12),
    // A tile, split; and rows of which eight are one of a strip, and one is left over.
    Shape::ncl(521, 5, 9),
    Shape::channels_last(521, 33),
    Shape::channels_last(1_040, 32),
    Shape::ncl(8, 20, 260),
    Shape::ncl(9, 21, 13),
    Shape::ncl(8, 40, 35),
    // Several samples as one, in runs and in lines.
    Shape::ncl(16, 12, 49),
    Shape::ncl(16, 3, 1_003),
    // Of which one is left over.
    Shape::ncl(17, 12, 35),
    // Lines that end anywhere; rows of which some threads have no last pair.
    Shape::ncl(16, 8, 1_003),
    Shape::nc(330, 24),
    // A strip of whole channels.
    Shape::nc(20, 256),
];

fn adapters(context: &Context) -> [Adapter; 3] {
    let device = context.device();
    let adapter = Adapter::new(&device.adapter_info(), &device.limits());
    // Narrower workgroups have no tiles, and wider ones than 16 no lines, whatever the device is.
    let adapter = Adapter { subgroup: 8, cores: 4, ..adapter };
    // The device converts, if it can, in two of them.
    let exact_f16 = context.probe().expect("an answer").exact_f16;
    [
        Adapter { is_cpu: true, ..adapter },
        Adapter { is_cpu: true, tiles_from: 0, exact_f16, ..adapter },
        Adapter { is_cpu: false, exact_f16, ..adapter },
    ]
}

/// A layer for each mapping and path, and for those that mask what is not there, or have channels more than once.
fn layers(context: &Context) -> &'static [(BatchNorm, Shape)] {
    static LAYERS: OnEach<Vec<(BatchNorm, Shape)>> = OnEach::new();
    LAYERS.get_or_init(|| {
        let (mut layers, mut seen) = (Vec::new(), Vec::new());
        for adapter in adapters(context) {
            let descriptor = &BatchNormDescriptor::default();
            let bn = BatchNorm::with_adapter(context.device(), descriptor, adapter);
            let bn = bn.expect("a layer");
            for shape in SHAPES {
                let plan = Plan::new(&adapter, shape, &Request::new(Pass::Backward, &[]));
                let plan = plan.expect("a plan");
                let masks = plan.access == Access::Cut || plan.missing > 0;
                let params = &plan.steps[0].params;
                let repeats = params.period < params.channels;
                let kind = (plan.mapping, plan.path, masks, repeats, plan.pieces.len() > 1);
                if !seen.contains(&kind) {
                    seen.push(kind);
                    layers.push((bn.with_descriptor(descriptor).expect("a layer"), shape));
                }
            }
        }
        assert_eq!(layers.len(), 18, "all of them: {seen:?}");
        layers
    })
}

/// Tensors of a shape side by side in one buffer, from any of its elements on; 16-bit ones may meet
/// within a word.
struct Page {
    context: &'static Context,
    buffer: wgpu::Buffer,
    shape: Shape,
    element: Element,
    start: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Tensor {
    Y,
    X,
    Dx,
    Dy,
    Residual,
    DResidual,
}
use Tensor::{DResidual, Dx, Dy, Residual, X, Y};

const TENSORS: [Tensor; 6] = [Y, X, Dx, Dy, Residual, DResidual];

impl Page {
    fn new(context: &'static Context, shape: Shape, element: Element, start: u64) -> Self {
        let elements = shape.elements() as usize;
        let mut random = Random(elements as u64);
        let mut values = vec![f32::NAN; start as usize];
        for tensor in TENSORS {
            values.extend(match tensor {
                X => random.normals(elements, 0.5),
                Dy | Residual => random.normals(elements, 0.1),
                _ => vec![f32::NAN; elements],
            });
        }
        // To the end of a word, and beyond.
        values.extend([f32::NAN; 4]);
        let bytes = |v: f32| match element {
            Element::F32 => v.to_le_bytes().to_vec(),
            Element::F16 => f16::from_f32(v).to_le_bytes().to_vec(),
            Element::BF16 => bf16::from_f32(v).to_le_bytes().to_vec(),
        };
        let bytes: Vec<u8> = values.into_iter().flat_map(bytes).collect();
        let buffer = context.upload_bytes(&bytes).expect("a buffer");
        Self { context, buffer, shape, element, start }
    }

    fn f32(context: &'static Context, shape: Shape) -> Self {
        Self::new(context, shape, Element::F32, 0)
    }

    fn range(&self, tensor: Tensor) -> BufferRange {
        let (elements, size) = (self.shape.elements(), self.element.size());
        let start = self.start + tensor as u64 * elements;
        BufferRange::new(&self.buffer, start * size, elements * size)
    }

    fn bytes(&self, tensor: Tensor) -> Vec<u8> {
        self.context.download_bytes(self.range(tensor)).expect("a download")
    }

    fn values(&self, tensor: Tensor) -> Vec<f32> {
        assert_eq!(self.element, Element::F32);
        self.context.download(self.range(tensor)).expect("a download")
    }

    /// All that is not `written`, before and after included.
    fn others(&self, written: &[Tensor]) -> Vec<u8> {
        let mut bytes = self.context.download_bytes(&self.buffer).expect("a download");
        for &tensor in written {
            let range = self.range(tensor);
            bytes[range.offset() as usize..][..range.size() as usize].fill(0);
        }
        bytes
    }

    /// A state with γ, β and running statistics that are not those of a new one.
    fn state(&self) -> State {
        let channels = self.shape.channels();
        let state = State::new(self.context.device(), channels);
        let mut random = Random(3);
        for (row, offset) in
            [(Row::Gamma, 0.0), (Row::Beta, 0.0), (Row::RunningMean, 0.5), (Row::RunningVar, 1.5)]
        {
            let values: Vec<f32> =
                random.signed(channels as usize).iter().map(|v| v + offset).collect();
            state.set(self.context.queue(), row, &values).expect("C values");
        }
        state
    }

    fn row(&self, state: &State, row: Row) -> Vec<u32> {
        self.context.download_words(state.range(row)).expect("a download")
    }

    fn extras(&self, residual: bool, weights: Option<Weights>) -> Extras {
        Extras { residual: residual.then(|| self.range(Residual)), weights }
    }

    /// Training, or inference, from x to `y`.
    fn forward(
        &self,
        bn: &BatchNorm,
        state: &State,
        frozen: bool,
        y: Tensor,
        extras: Extras,
    ) -> Forward {
        let (device, shape) = (self.context.device(), self.shape);
        let (x, y) = (self.range(X), self.range(y));
        let forward = match frozen {
            true => bn.bind_inference_with(device, state, shape, Inference { x, y }, extras),
            false => {
                let training = Training { x, y, momentum: Momentum::default() };
                bn.bind_training_with(device, state, shape, training, extras)
            }
        };
        let forward = forward.expect("a forward pass");
        self.context.run(|encoder| forward.encode(encoder));
        forward
    }

    fn backward(&self, bn: &BatchNorm, forward: &Forward, dy: Tensor, gradients: Gradients) {
        let dy = self.range(dy);
        let backward = bn.bind_backward_with(self.context.device(), forward, dy, gradients);
        let backward = backward.expect("a backward pass");
        self.context.run(|encoder| backward.encode(encoder));
    }

    fn gradients(&self, dx: bool, dresidual: bool, affine: bool) -> Gradients {
        Gradients {
            dx: dx.then(|| self.range(Dx)),
            dresidual: dresidual.then(|| self.range(DResidual)),
            affine,
            optimize: false,
        }
    }
}

/// dx, dresidual, dγ and dβ.
fn gradients_of(page: &Page, state: &State) -> [Vec<f32>; 4] {
    let sums = |row| page.context.download(state.range(row)).expect("a download");
    [page.values(Dx), page.values(DResidual), sums(Row::DGamma), sums(Row::DBeta)]
}

/// A gradient is the same whatever else is asked for, and what is not stays as it was. To the bit
/// without an activation; with one, compilers round its slope as it suits each kernel.
#[test]
fn a_gradient_does_not_depend_on_the_others() {
    let Some(context) = device::context() else { return };
    const PLAIN: [(bool, bool, bool); 3] =
        [(true, false, false), (false, false, true), (true, false, true)];
    const FUSED: [(bool, bool, bool); 3] =
        [(true, false, false), (false, true, false), (false, true, true)];
    for &(ref bn, shape) in layers(context) {
        for (activation, choices) in [(Activation::Identity, PLAIN), (Activation::Silu, FUSED)] {
            let plain = activation == Activation::Identity;
            // Kernels for tiles take seconds to compile.
            let choices = match (bn.adapter().tiles_from == 0, plain) {
                (false, _) => &choices[..],
                (true, true) => &choices[..2],
                (true, false) => continue,
            };
            let descriptor = BatchNormDescriptor { activation, ..Default::default() };
            let bn = bn.with_descriptor(&descriptor).expect("a layer");
            for frozen in [false, true] {
                let run = |(dx, dresidual, affine)| {
                    let page = Page::f32(context, shape);
                    let state = page.state();
                    let before = (gradients_of(&page, &state), page.others(&[Y, Dx, DResidual]));
                    let forward = page.forward(&bn, &state, frozen, Y, page.extras(true, None));
                    page.backward(&bn, &forward, Dy, page.gradients(dx, dresidual, affine));
                    let others = page.others(&[Y, Dx, DResidual]);
                    assert!(others == before.1, "others, {shape}, {:?}", bn.adapter());
                    (before.0, gradients_of(&page, &state))
                };
                let (_, whole) = run((true, true, true));
                for &choice in choices {
                    let what = format!(
                        "dx, dresidual, affine: {choice:?}, {activation:?}, {shape}, frozen: \
                         {frozen}, {:?}",
                        bn.adapter()
                    );
                    let (before, have) = run(choice);
                    let (dx, dresidual, affine) = choice;
                    let asked = [dx, dresidual, affine, affine];
                    for (k, asked) in asked.into_iter().enumerate() {
                        let want = if asked { &whole[k] } else { &before[k] };
                        if plain || !asked {
                            assert!(bits(&have[k]) == bits(want), "gradient {k}, {what}");
                            continue;
                        }
                        // Values of dx and dresidual are at most about 10.
                        let terms = if k < 2 { 10.0 } else { shape.count() as f64 };
                        let tolerance = 4.0 * tolerance::SUMS * terms;
                        assert_alike(&format!("gradient {k}, {what}"), &have[k], want, tolerance);
                    }
                }
            }
        }
    }
}

/// Constants leave dx a multiple of dz, whatever x is, and whether sums are wanted or not.
#[test]
fn dx_through_frozen_statistics_is_finite_where_x_is_not() {
    let Some(context) = device::context() else { return };
    let relu = BatchNormDescriptor { activation: Activation::Relu, ..Default::default() };
    for &(ref bn, shape) in layers(context) {
        let bn = bn.with_descriptor(&relu).expect("a layer");
        for affine in [false, true] {
            let page = Page::f32(context, shape);
            let at = page.range(X).offset();
            context.queue().write_buffer(&page.buffer, at, bytemuck::bytes_of(&f32::INFINITY));
            let state = page.state();
            let forward = page.forward(&bn, &state, true, Y, page.extras(false, None));
            page.backward(&bn, &forward, Dy, page.gradients(true, false, affine));
            let dx = page.values(Dx);
            let not_finite = dx.iter().filter(|v| !v.is_finite()).count();
            assert_eq!(not_finite, 0, "{shape}, affine: {affine}, {:?}", bn.adapter());
        }
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Through constants dx takes no sums: one dispatch, or two where samples are left over, and no partial results.
#[test]
fn dx_through_frozen_statistics_is_one_dispatch() {
    let Some(context) = device::context() else { return };
    for adapter in adapters(context) {
        for shape in SHAPES {
            let request =
                Request { affine_gradients: false, ..Request::new(Pass::BackwardFrozen, &[]) };
            let plan = Plan::new(&adapter, shape, &request).expect("a plan");
            let kernels: Vec<_> = plan.steps.iter().map(|step| step.kernel).collect();
            assert!(plan.pieces.len() <= 2, "{shape}, {adapter:?}");
            let pieces = vec![Kernel::BackwardInput; plan.pieces.len()];
            assert_eq!(kernels, pieces, "{shape}, {adapter:?}");
            assert_eq!(plan.slots, 0, "{shape}, {adapter:?}");
        }
    }
}

/// y over x, and dx over dy: the same bits, in ranges of one buffer that share words at their ends.
#[test]
fn in_place_gives_the_same_bits() {
    let Some(context) = device::context() else { return };
    let stores = [
        [(Element::F32, 0), (Element::F16, 1)],
        [(Element::F32, 1), (Element::BF16, 3)],
        [(Element::F16, 0), (Element::BF16, 1)],
    ];
    for (k, &(ref bn, shape)) in layers(context).iter().enumerate() {
        // Kernels for tiles take seconds to compile.
        let few = if bn.adapter().tiles_from == 0 { 1 } else { 2 };
        for &(element, start) in stores[k % 3].iter().rev().take(few) {
            let descriptor = BatchNormDescriptor { element, ..Default::default() };
            let bn = bn.with_descriptor(&descriptor).expect("a layer");
            for frozen in [false, true] {
                let what = format!(
                    "{element:?} from {start}, {shape}, frozen: {frozen}, {:?}",
                    bn.adapter()
                );
                let apart = Page::new(context, shape, element, start);
                let before = apart.others(&[Y, Dx]);
                let state = apart.state();
                let forward = apart.forward(&bn, &state, frozen, Y, Extras::default());
                apart.backward(&bn, &forward, Dy, apart.gradients(true, false, true));
                assert!(apart.others(&[Y, Dx]) == before, "others, {what}");

                let over = Page::new(context, shape, element, start);
                let before = over.others(&[X]);
                let over_state = over.state();
                over.forward(&bn, &over_state, frozen, X, Extras::default());
                assert!(over.bytes(X) == apart.bytes(Y), "y over x, {what}");
                assert!(over.others(&[X]) == before, "others than x, {what}");
                for row in [Row::RunningMean, Row::RunningVar, Row::Batches] {
                    assert_eq!(
                        over.row(&over_state, row),
                        apart.row(&state, row),
                        "{row:?}, {what}"
                    );
                }

                let over = Page::new(context, shape, element, start);
                let over_state = over.state();
                let forward = over.forward(&bn, &over_state, frozen, Y, Extras::default());
                let before = over.others(&[Dy]);
                let gradients = Gradients { dx: Some(over.range(Dy)), ..Gradients::default() };
                over.backward(&bn, &forward, Dy, gradients);
                assert!(over.bytes(Dy) == apart.bytes(Dx), "dx over dy, {what}");
                assert!(over.others(&[Dy]) == before, "others than dy, {what}");
                for row in [Row::DGamma, Row::DBeta] {
                    assert_eq!(
                        over.row(&over_state, row),
                        apart.row(&state, row),
                        "{row:?}, {what}"
                    );
                }
            }
        }
        // A test that says nothing for long is taken to hang.
        println!("in place, {shape}: done");
    }
}

/// `count` weights of `value`.
fn weights(context: &Context, count: u64, value: f32) -> Weights {
    let values = vec![value; count as usize];
    Weights::new(context.upload(&values).expect("weights"), count)
}

#[track_caller]
fn assert_alike(what: &str, have: &[f32], want: &[f32], tolerance: f64) {
    let want: Vec<f64> = want.iter().map(|&v| v as f64).collect();
    tolerance::assert_close(what, have, &want, tolerance, 0.0);
}

/// A mask of ones is no mask, up to rounding: the sums may run in another order, since tiles take
/// no weights, and the count is added up.
#[test]
fn a_mask_of_ones_is_no_mask() {
    let Some(context) = device::context() else { return };
    for &(ref bn, shape) in layers(context) {
        for frozen in [false, true] {
            let run = |weights| {
                let page = Page::f32(context, shape);
                let state = page.state();
                let forward = page.forward(bn, &state, frozen, Y, page.extras(false, weights));
                page.backward(bn, &forward, Dy, page.gradients(true, false, true));
                let rows = [Row::RunningMean, Row::RunningVar, Row::DGamma, Row::DBeta]
                    .map(|row| context.download(state.range(row)).expect("a download"));
                let counts = forward.saved(Saved::Count);
                let counts = counts.map(|range| context.download(range).expect("a download"));
                (page.values(Y), page.values(Dx), rows, counts)
            };
            let (y, dx, rows, counts) = run(None);
            for count in [shape.outer(), shape.count(), 1] {
                let what =
                    format!("{count} weights, {shape}, frozen: {frozen}, {:?}", bn.adapter());
                let have = run(Some(weights(context, count, 1.0)));
                assert_alike(&format!("y, {what}"), &have.0, &y, 2.0 * tolerance::Y);
                // |dx| is at most about 5.
                assert_alike(&format!("dx, {what}"), &have.1, &dx, 10.0 * tolerance::DX);
                for (have, want) in have.2.iter().zip(&rows) {
                    let largest = want.iter().fold(1f64, |a, v| a.max(v.abs() as f64));
                    // dγ and dβ are sums of m terms of either sign.
                    let terms = largest.max(shape.count() as f64);
                    assert_alike(&what, have, want, 4.0 * tolerance::SUMS * terms);
                }
                assert_eq!(have.3, counts, "m, {what}");
            }
        }
    }
}

/// Where nothing has weight y and dx are 0 whatever is stored, and no statistic takes notice.
#[test]
fn a_mask_of_zeros_is_an_empty_batch() {
    let Some(context) = device::context() else { return };
    for &(ref bn, shape) in layers(context) {
        for frozen in [false, true] {
            let what = format!("{shape}, frozen: {frozen}, {:?}", bn.adapter());
            let page = Page::f32(context, shape);
            let poison = vec![f32::NAN; shape.elements() as usize];
            let bytes = bytemuck::cast_slice(&poison);
            for tensor in [X, Dy, Residual] {
                context.queue().write_buffer(&page.buffer, page.range(tensor).offset(), bytes);
            }
            let state = page.state();
            state.set_batches(context.queue(), 4).expect("a state");
            let rows = [Row::RunningMean, Row::RunningVar, Row::Batches, Row::Gamma, Row::Beta];
            let read = || rows.map(|row| page.row(&state, row));
            let before = read();
            let extras = page.extras(true, Some(weights(context, shape.outer(), 0.0)));
            let forward = page.forward(bn, &state, frozen, Y, extras);
            page.backward(bn, &forward, Dy, page.gradients(true, true, true));
            assert_eq!(read(), before, "{what}");
            for tensor in [Y, Dx, DResidual] {
                let values = page.values(tensor);
                assert!(values.iter().all(|&v| v == 0.0), "tensor {}, {what}", tensor as u32);
            }
            for row in [Row::DGamma, Row::DBeta] {
                let values = context.download(state.range(row)).expect("a download");
                assert!(values.iter().all(|&v| v == 0.0), "{row:?}, {what}: {values:?}");
            }
        }
    }
}

/// ReLU and the sum round nothing that y alone does not, so they can be done afterwards.
#[test]
fn inference_with_residual_and_activation_is_inference_and_then_those() {
    let Some(context) = device::context() else { return };
    for &(ref bn, shape) in layers(context) {
        let page = Page::f32(context, shape);
        let state = page.state();
        page.forward(bn, &state, true, Y, Extras::default());
        let sums = page.values(Y).into_iter().zip(page.values(Residual)).map(|(y, r)| y + r);
        let want: Vec<f32> = sums.map(|z| if z > 0.0 { z } else { 0.0 }).collect();
        let descriptor = BatchNormDescriptor { activation: Activation::Relu, ..Default::default() };
        let bn = bn.with_descriptor(&descriptor).expect("a layer");
        for y in [Y, X] {
            let page = Page::f32(context, shape);
            page.forward(&bn, &page.state(), true, y, page.extras(true, None));
            assert_eq!(page.values(y), want, "{shape}, {:?}", bn.adapter());
        }
    }
}

#[test]
fn what_cannot_be_given_is_an_error() {
    let Some(context) = device::context() else { return };
    let (device, shape) = (context.device(), Shape::ncl(4, 6, 49));
    let bn = BatchNorm::new(device, &BatchNormDescriptor::default()).expect("a layer");
    let page = Page::f32(context, shape);
    let state = page.state();
    let bind = |forward: &Forward, gradients: Gradients| {
        bn.bind_backward_with(device, forward, page.range(Dy), gradients).unwrap_err()
    };

    for frozen in [false, true] {
        let forward = page.forward(&bn, &state, frozen, X, Extras::default());
        let tensors = Backward { dy: page.range(Dy), dx: page.range(Dx) };
        let bound = bn.bind_backward(device, &forward, tensors);
        assert_eq!(bound.unwrap_err(), Error::InputOverwritten);
        assert_eq!(bind(&forward, page.gradients(false, false, true)), Error::InputOverwritten);
    }
    let forward = page.forward(&bn, &state, false, Y, Extras::default());
    assert_eq!(bind(&forward, page.gradients(true, true, true)), Error::NoResidual);
    assert_eq!(bind(&forward, page.gradients(false, false, false)), Error::NothingToDo);

    let forward = page.forward(&bn, &state, false, Y, page.extras(true, None));
    for (taken, other) in [(Dy, "dy"), (X, "x"), (Dx, "dx")] {
        let gradients =
            Gradients { dresidual: Some(page.range(taken)), ..page.gradients(true, true, true) };
        let overlap = Error::Overlap { written: "dresidual", other };
        assert_eq!(bind(&forward, gradients), overlap);
    }

    let bind = |count, range: BufferRange, y| {
        let extras = page.extras(false, Some(Weights::new(range, count)));
        let training = Training { x: page.range(X), y, momentum: Momentum::default() };
        bn.bind_training_with(device, &state, shape, training, extras).map(drop)
    };
    let held = context.upload(&[1.0; 1000]).expect("weights");
    for count in [0, 3, 5, 195, 197, 392] {
        let positions = 4 * 49;
        let error = Error::WeightCount { shape, positions, weights: count };
        assert_eq!(bind(count, (&held).into(), page.range(Y)).unwrap_err(), error);
    }
    for count in [1, 2, 4, 49, 196] {
        bind(count, (&held).into(), page.range(Y)).expect("weights that are shared evenly");
    }
    let short = BufferRange::new(&held, 0, 12);
    let error = Error::BufferTooSmall { name: "weights", need: 16, have: 12 };
    assert_eq!(bind(4, short, page.range(Y)).unwrap_err(), error);
    let error = Error::Overlap { written: "y", other: "weights" };
    assert_eq!(bind(4, page.range(Y), page.range(Y)).unwrap_err(), error);
    let error = Error::Overlap { written: "state", other: "weights" };
    assert_eq!(bind(4, state.range(Row::Beta), page.range(Y)).unwrap_err(), error);
    let extras = Extras { residual: Some(page.range(Y)), weights: None };
    let tensors = Inference { x: page.range(X), y: page.range(Y) };
    let bound = bn.bind_inference_with(device, &state, shape, tensors, extras);
    let error = Error::Overlap { written: "y", other: "residual" };
    assert_eq!(bound.unwrap_err(), error);
}
