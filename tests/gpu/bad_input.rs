//! Every error of `new` and `bind_*`, none a panic, none with an effect.

use crate::device;
use wgpu_batchnorm::{
    Backward, BatchNorm, BatchNormDescriptor, BufferRange, Context, ContextOptions, Error,
    Inference, Momentum, Row, Shape, State, Training, wgpu,
};

const SHAPE: Shape = Shape::nchw(2, 3, 4, 5);
const BYTES: u64 = 2 * 3 * 4 * 5 * 4;

struct Setup {
    context: &'static Context,
    bn: BatchNorm,
    state: State,
    x: BufferRange,
    y: BufferRange,
}

impl Setup {
    fn new() -> Option<Self> {
        let context = device::context()?;
        let bn = BatchNorm::new(context.device(), &BatchNormDescriptor::default()).unwrap();
        let tensor = || BufferRange::from(context.zeros(SHAPE.elements()).unwrap());
        let state = State::new(context.device(), SHAPE.channels());
        Some(Self { context, bn, state, x: tensor(), y: tensor() })
    }

    fn train(&self, shape: Shape, x: BufferRange, y: BufferRange) -> Result<(), Error> {
        let momentum = Momentum::default();
        let training = Training { x, y, momentum };
        self.bn.bind_training(self.context.device(), &self.state, shape, training).map(drop)
    }

    fn buffer(&self, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        self.context.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage,
            mapped_at_creation: false,
        })
    }
}

#[test]
fn epsilon_must_be_finite_and_positive() {
    let Some(context) = device::context() else { return };
    for epsilon in [0.0, -1e-5, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let descriptor = BatchNormDescriptor { epsilon, ..Default::default() };
        let error = BatchNorm::new(context.device(), &descriptor).unwrap_err();
        assert!(matches!(error, Error::InvalidEpsilon(_)), "{error}");
    }
}

#[test]
fn momentum_must_be_from_0_to_1() {
    let Some(s) = Setup::new() else { return };
    for alpha in [-0.1, 1.5, f32::NAN, f32::INFINITY] {
        let momentum = Momentum::Exponential(alpha);
        let training = Training { x: s.x.clone(), y: s.y.clone(), momentum };
        let bound = s.bn.bind_training(s.context.device(), &s.state, SHAPE, training);
        assert!(matches!(bound.unwrap_err(), Error::InvalidMomentum(_)));
    }
}

#[test]
fn shapes_must_make_sense() {
    let Some(s) = Setup::new() else { return };
    let train = |shape| s.train(shape, s.x.clone(), s.y.clone()).unwrap_err();
    assert_eq!(train(Shape::nc(4, 0)), Error::InvalidChannels(0));
    assert!(matches!(train(Shape::nc(1, 3)), Error::TooFewValues { count: 1, .. }));
    assert!(matches!(train(Shape::nc(0, 3)), Error::TooFewValues { count: 0, .. }));
    assert_eq!(train(Shape::nc(4, 2)), Error::ChannelMismatch { need: 2, have: 3 });
    let huge = Shape::channels_first(u64::MAX, 3, 2);
    assert_eq!(train(huge), Error::ShapeOverflow(huge));
    let hidden = Shape::channels_first(0, 3, 1 << 63);
    assert_eq!(train(hidden), Error::ShapeOverflow(hidden));
    let long = Shape::channels_first(1 << 40, 3, 2);
    assert_eq!(train(long), Error::ShapeOverflow(long));
    let large = Shape::channels_first(1 << 30, 3, 2);
    assert!(matches!(train(large), Error::BufferTooSmall { name: "x", .. }));
}

#[test]
fn ranges_must_hold_their_tensors() {
    let Some(s) = Setup::new() else { return };
    let short = BufferRange::new(s.x.buffer(), 0, BYTES - 4);
    assert_eq!(
        s.train(SHAPE, short.clone(), s.y.clone()).unwrap_err(),
        Error::BufferTooSmall { name: "x", need: BYTES, have: BYTES - 4 }
    );
    let error = s.train(SHAPE, s.x.clone(), short).unwrap_err();
    assert_eq!(error, Error::BufferTooSmall { name: "y", need: BYTES, have: BYTES - 4 });
    let beyond = BufferRange::new(s.x.buffer(), 4, BYTES);
    let error = s.train(SHAPE, beyond, s.y.clone()).unwrap_err();
    assert_eq!(error, Error::RangeOutOfBounds { name: "x", end: BYTES + 4, size: BYTES });
    let wrapping = BufferRange::new(s.x.buffer(), u64::MAX - 3, BYTES);
    let error = s.train(SHAPE, wrapping, s.y.clone()).unwrap_err();
    assert!(matches!(error, Error::RangeOutOfBounds { name: "x", .. }), "{error}");
}

#[test]
fn offsets_must_be_multiples_of_four() {
    let Some(s) = Setup::new() else { return };
    let buffer = s.context.zeros(2 * SHAPE.elements()).unwrap();
    for offset in [1, 2, 3, 5, 258] {
        let error = s.train(SHAPE, BufferRange::new(&buffer, offset, BYTES), s.y.clone());
        let misaligned = Error::Misaligned { name: "x", offset, alignment: 4 };
        assert_eq!(error.unwrap_err(), misaligned);
    }
}

#[test]
fn buffers_need_storage_usage() {
    let Some(s) = Setup::new() else { return };
    let have = wgpu::BufferUsages::COPY_DST;
    let copy_only = s.buffer(BYTES, have);
    let need = wgpu::BufferUsages::STORAGE;
    let error = s.train(SHAPE, s.x.clone(), copy_only.into()).unwrap_err();
    assert_eq!(error, Error::MissingUsage { name: "y", need, have });
}

#[test]
fn what_is_written_must_not_overlap() {
    let Some(s) = Setup::new() else { return };
    let device = s.context.device();
    let buffer = s.context.zeros(3 * SHAPE.elements()).unwrap();
    let at = |offset| BufferRange::new(&buffer, offset, BYTES);
    for offset in [4, BYTES - 4] {
        let error = s.train(SHAPE, at(0), at(offset)).unwrap_err();
        assert_eq!(error, Error::Overlap { written: "y", other: "x" });
    }
    s.train(SHAPE, at(0), at(BYTES)).expect("neighbours do not overlap");
    s.train(SHAPE, at(BYTES), at(0)).expect("neighbours do not overlap");
    let training = Training { x: at(0), y: at(BYTES), momentum: Momentum::default() };
    let forward = s.bn.bind_training(device, &s.state, SHAPE, training).unwrap();
    for (dy, dx, other) in [(at(BYTES), at(BYTES + 4), "dy"), (at(2 * BYTES), at(4), "x")] {
        let error = s.bn.bind_backward(device, &forward, Backward { dy, dx }).unwrap_err();
        assert_eq!(error, Error::Overlap { written: "dx", other });
    }
}

#[test]
fn tensors_must_not_be_in_the_layers_own_buffers() {
    let Some(s) = Setup::new() else { return };
    let own = BufferRange::new(s.state.buffer(), 0, BYTES);
    let error = s.train(SHAPE, own, s.y.clone()).unwrap_err();
    assert_eq!(error, Error::Overlap { written: "state", other: "x" });
}

#[test]
fn an_empty_batch_in_inference_is_no_work() {
    let Some(s) = Setup::new() else { return };
    let device = s.context.device();
    for shape in [Shape::nc(0, 3), Shape::nchw(2, 3, 0, 5), Shape::channels_last(0, 3)] {
        let tensors = Inference { x: s.x.clone(), y: s.y.clone() };
        let forward = s.bn.bind_inference(device, &s.state, shape, tensors).unwrap();
        let tensors = Backward { dy: s.x.clone(), dx: s.y.clone() };
        let backward = s.bn.bind_backward(device, &forward, tensors).unwrap();
        s.context.run(|encoder| {
            forward.encode(encoder);
            backward.encode(encoder);
        });
        s.context.wait().unwrap();
    }
}

#[test]
fn limits_are_checked() {
    let Some(context) = device::with_max_binding(1 << 16) else { return };
    let shape = Shape::channels_last(2, 20_000);
    let bn = BatchNorm::new(context.device(), &BatchNormDescriptor::default()).unwrap();
    let state = State::new(context.device(), shape.channels());
    let tensor = || BufferRange::from(context.zeros(shape.elements()).unwrap());
    let training = Training { x: tensor(), y: tensor(), momentum: Momentum::default() };
    let error = bn.bind_training(context.device(), &state, shape, training).unwrap_err();
    assert!(matches!(error, Error::LimitExceeded { .. }), "{error}");
}

#[test]
fn an_unknown_adapter_is_an_error() {
    let Some(_) = device::context() else { return };
    let adapter = Some("no adapter has this name".to_owned());
    let options = ContextOptions { adapter, ..Default::default() };
    let error = Context::with_options(&options).unwrap_err();
    assert!(matches!(error, Error::NoAdapter { name: Some(_), .. }), "{error}");
}

#[test]
fn a_failed_bind_leaves_running_statistics_alone() {
    let Some(s) = Setup::new() else { return };
    s.state.set(s.context.queue(), Row::RunningMean, &[1.0, 2.0, 3.0]).unwrap();
    let short = BufferRange::new(s.x.buffer(), 0, 4);
    s.train(SHAPE, short, s.y.clone()).unwrap_err();
    s.train(Shape::nc(1, 3), s.x.clone(), s.y.clone()).unwrap_err();
    let have = s.context.download(s.state.range(Row::RunningMean)).unwrap();
    assert_eq!(have, [1.0, 2.0, 3.0]);
    let counts = s.context.download_words(s.state.range(Row::Batches)).unwrap();
    assert_eq!(counts, [0; 3]);
}

#[test]
fn a_row_takes_as_many_values_as_there_are_channels() {
    let Some(s) = Setup::new() else { return };
    let error = s.state.set(s.context.queue(), Row::Gamma, &[1.0; 4]).unwrap_err();
    assert_eq!(error, Error::LengthMismatch { name: "gamma", need: 3, have: 4 });
}

/// More channels than a binding holds are an error of whatever uses the state, not a panic.
#[test]
fn a_state_beyond_the_limits_says_so_when_used() {
    let Some(s) = Setup::new() else { return };
    let channels = 200_000_000;
    let state = State::new(s.context.device(), channels);
    let error = state.set_batches(s.context.queue(), 1).unwrap_err();
    assert!(matches!(error, Error::LimitExceeded { .. }), "{error}");
    let tensors = Inference { x: s.x.clone(), y: s.y.clone() };
    let shape = Shape::nc(0, channels);
    let bound = s.bn.bind_inference(s.context.device(), &state, shape, tensors);
    assert!(matches!(bound.unwrap_err(), Error::LimitExceeded { .. }));
}
