//! After every fault but the loss of the device, the same device goes on: a layer that was bound
//! before gives the same bits, a new one is right, and nothing reached the device's
//! uncaptured-error handler.

use crate::cases::Random;
use crate::device;
use crate::step::Step;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wgpu_batchnorm::{
    BatchNorm, BatchNormDescriptor, BufferRange, Context, Error, Momentum, Row, Shape, State,
    Training, wgpu,
};

const SHAPE: Shape = Shape::nchw(4, 6, 5, 5);

struct Fixture<'a> {
    context: &'a Context,
    other: &'a Context,
    bn: BatchNorm,
    state: State,
}

impl Fixture<'_> {
    fn tensor(&self) -> wgpu::Buffer {
        self.context.zeros(SHAPE.elements()).expect("a tensor")
    }

    fn with_usage(&self, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        self.context.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: SHAPE.elements() * 4,
            usage,
            mapped_at_creation: false,
        })
    }

    fn train(&self, shape: Shape, x: impl Into<BufferRange>, momentum: f32) -> Result<(), Error> {
        let momentum = Momentum::Exponential(momentum);
        let training = Training { x: x.into(), y: self.tensor().into(), momentum };
        self.bn.bind_training(self.context.device(), &self.state, shape, training).map(drop)
    }

    fn train_from(&self, offset: u64, size: u64) -> Result<(), Error> {
        self.train(SHAPE, BufferRange::new(&self.tensor(), offset, size), 0.1)
    }
}

type Fault = (&'static str, fn(&Fixture) -> Result<(), Error>);

const FAULTS: [Fault; 17] = [
    ("ε of NaN", |f| {
        let descriptor = BatchNormDescriptor { epsilon: f32::NAN, ..Default::default() };
        BatchNorm::new(f.context.device(), &descriptor).map(drop)
    }),
    ("a momentum of NaN", |f| f.train(SHAPE, f.tensor(), f32::NAN)),
    ("one value a channel", |f| f.train(Shape::nc(1, 6), f.tensor(), 0.1)),
    ("other channels", |f| f.train(Shape::nc(4, 7), f.tensor(), 0.1)),
    ("too many elements", |f| f.train(Shape::channels_first(u64::MAX, 6, 9), f.tensor(), 0.1)),
    ("a short range", |f| f.train_from(0, 4)),
    ("a range beyond its buffer", |f| f.train_from(4, SHAPE.elements() * 4)),
    ("an odd offset", |f| f.train_from(2, SHAPE.elements() * 4)),
    ("the layer's own state", |f| f.train(SHAPE, f.state.buffer(), 0.1)),
    ("a buffer for copies", |f| f.train(SHAPE, f.with_usage(wgpu::BufferUsages::COPY_DST), 0.1)),
    ("a buffer that was destroyed", |f| {
        let x = f.tensor();
        x.destroy();
        f.train(SHAPE, x, 0.1)
    }),
    ("a buffer of another device", |f| {
        f.train(SHAPE, f.other.zeros(SHAPE.elements()).expect("a tensor"), 0.1)
    }),
    ("a state of another device", |f| {
        let state = State::new(f.other.device(), SHAPE.channels());
        let momentum = Momentum::default();
        let training = Training { x: f.tensor().into(), y: f.tensor().into(), momentum };
        f.bn.bind_training(f.context.device(), &state, SHAPE, training).map(drop)
    }),
    ("a tensor beyond all memory", |f| f.context.zeros(u64::MAX).map(drop)),
    ("a download of what cannot be copied", |f| {
        f.context.download(f.with_usage(wgpu::BufferUsages::STORAGE)).map(drop)
    }),
    ("too few values of a row", |f| f.state.set(f.context.queue(), Row::Gamma, &[1.0])),
    ("a wait of a nanosecond", |f| {
        let shape = Shape::nc(1 << 14, 64);
        let n = shape.elements() as usize;
        let step = Step::bind(f.context, &f.bn, shape, &vec![0.5; n], &vec![0.5; n])?;
        f.context.run(|encoder| (0..40).for_each(|_| step.encode(encoder)));
        f.context.clone().with_timeout(Duration::from_nanos(1)).wait()
    }),
];

#[test]
fn the_device_goes_on_after_every_fault() {
    let Some(devices) = device::others(1 << 27, 2) else { return };
    let (context, other) = (&devices[0], &devices[1]);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = heard.clone();
    context.device().on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        sink.lock().expect("no panic while it is held").push(error.to_string());
    }));
    let bn = || BatchNorm::new(context.device(), &BatchNormDescriptor::default()).expect("a layer");
    let state = State::new(context.device(), SHAPE.channels());
    let fixture = Fixture { context, other, bn: bn(), state };
    let n = SHAPE.elements() as usize;
    let (x, dy) = (Random(1).normals(n, 3.0), Random(2).normals(n, 0.0));
    let before = Step::bind(context, &fixture.bn, SHAPE, &x, &dy).expect("a step");
    let want = before.run().expect("a run");
    want.assert_right("before", SHAPE, &x, &dy);
    let statistics = || {
        [Row::RunningMean, Row::RunningVar, Row::Batches]
            .map(|row| context.download_words(fixture.state.range(row)).expect("a download"))
    };
    let untouched = statistics();
    for (what, fault) in FAULTS {
        let error = fault(&fixture).expect_err(what);
        assert!(!matches!(error, Error::DeviceLost), "{what}: {error}");
        assert_eq!(statistics(), untouched, "{what}");
        assert_eq!(before.run().expect(what), want, "{what}");
        let after = Step::bind(context, &bn(), SHAPE, &x, &dy).expect(what);
        assert_eq!(after.run().expect(what).hash(), want.hash(), "{what}");
        let heard = std::mem::take(&mut *heard.lock().expect("no panic"));
        assert!(heard.is_empty(), "{what}: {heard:?}");
    }
}
