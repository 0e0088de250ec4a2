//! What folding on the GPU refuses, none with an effect.

use crate::device;
use wgpu_batchnorm::fold::{Folding, Tensors, WeightLayout};
use wgpu_batchnorm::{BatchNormDescriptor, BufferRange, Context, Error, State, wgpu};

/// A layer of 3 channels with 4 weights each, to be refused.
struct Setup {
    context: &'static Context,
    folding: Folding,
    state: State,
    page: wgpu::Buffer,
}

impl Setup {
    fn new() -> Option<Self> {
        let context = device::context()?;
        let folding = Folding::new(context.device(), &BatchNormDescriptor::default()).unwrap();
        let state = State::new(context.device(), 3);
        Some(Self { context, folding, state, page: context.zeros(256).unwrap() })
    }

    fn at(&self, element: u64, length: u64) -> BufferRange {
        BufferRange::new(&self.page, element * 4, length * 4)
    }

    /// Good ones: weights 0..12, bias 12..15, w' 16..28, b' 28..31.
    fn tensors(&self) -> Tensors {
        Tensors {
            weights: self.at(0, 12),
            bias: Some(self.at(12, 3)),
            folded_weights: self.at(16, 12),
            folded_bias: self.at(28, 3),
        }
    }

    fn bind(&self, tensors: Tensors) -> Result<(), Error> {
        let layout = WeightLayout::OutputFirst;
        self.folding.bind(self.context.device(), &self.state, layout, 4, tensors).map(drop)
    }
}

#[test]
fn what_is_written_overlaps_nothing_but_its_source() {
    let Some(s) = Setup::new() else { return };
    s.bind(s.tensors()).unwrap();
    s.bind(Tensors { folded_weights: s.at(0, 12), ..s.tensors() }).unwrap();
    s.bind(Tensors { folded_bias: s.at(12, 3), ..s.tensors() }).unwrap();
    let overlap = |written, other| Err(Error::Overlap { written, other });
    for (range, other) in [(1, "weights"), (11, "weights"), (12, "bias"), (14, "bias")] {
        let tensors = Tensors { folded_weights: s.at(range, 12), ..s.tensors() };
        assert_eq!(s.bind(tensors), overlap("folded_weights", other), "{range}");
    }
    for (range, other) in [(0, "weights"), (11, "weights"), (13, "bias")] {
        let tensors = Tensors { folded_bias: s.at(range, 3), ..s.tensors() };
        assert_eq!(s.bind(tensors), overlap("folded_bias", other), "{range}");
    }
    for range in [14, 16, 27] {
        let folded_bias = s.at(range, 3);
        let tensors = Tensors { bias: None, folded_bias, ..s.tensors() };
        assert_eq!(s.bind(tensors), overlap("folded_weights", "folded_bias"), "{range}");
    }
    let own = BufferRange::new(s.state.buffer(), 0, 48);
    let tensors = Tensors { weights: own, ..s.tensors() };
    assert_eq!(s.bind(tensors), overlap("state", "weights"));
}

#[test]
fn ranges_are_checked_by_name() {
    let Some(s) = Setup::new() else { return };
    let short = |name, need, have| Err(Error::BufferTooSmall { name, need, have });
    let tensors = Tensors { weights: s.at(0, 11), ..s.tensors() };
    assert_eq!(s.bind(tensors), short("weights", 48, 44));
    let tensors = Tensors { bias: Some(s.at(12, 2)), ..s.tensors() };
    assert_eq!(s.bind(tensors), short("bias", 12, 8));
    let tensors = Tensors { folded_weights: s.at(16, 0), ..s.tensors() };
    assert_eq!(s.bind(tensors), short("folded_weights", 48, 0));
    let odd = BufferRange::new(&s.page, 130, 12);
    let misaligned = Error::Misaligned { name: "folded_bias", offset: 130, alignment: 4 };
    assert_eq!(s.bind(Tensors { folded_bias: odd, ..s.tensors() }), Err(misaligned));
    let beyond = BufferRange::new(&s.page, u64::MAX - 3, 48);
    let error = s.bind(Tensors { weights: beyond, ..s.tensors() }).unwrap_err();
    assert!(matches!(error, Error::RangeOutOfBounds { name: "weights", .. }), "{error}");
    let plain = s.context.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 48,
        usage: wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    });
    let error = s.bind(Tensors { weights: plain.into(), ..s.tensors() }).unwrap_err();
    assert!(matches!(error, Error::MissingUsage { name: "weights", .. }), "{error}");
}

#[test]
fn extents_and_configurations_are_checked() {
    let Some(s) = Setup::new() else { return };
    let device = s.context.device();
    let bind = |state: &State, layout, each| {
        s.folding.bind(device, state, layout, each, s.tensors()).map(drop)
    };
    let first = WeightLayout::OutputFirst;
    let none = Error::LengthMismatch { name: "weights", need: 3, have: 0 };
    assert_eq!(bind(&s.state, first, 0), Err(none));
    let between = WeightLayout::OutputBetween { outer: 3 };
    let odd = Error::LengthMismatch { name: "weights", need: 18, have: 12 };
    assert_eq!(bind(&s.state, between, 4), Err(odd));
    assert_eq!(bind(&State::new(device, 0), first, 4), Err(Error::InvalidChannels(0)));
    let error = bind(&s.state, first, u64::MAX / 6).unwrap_err();
    assert!(matches!(error, Error::ShapeOverflow(_)), "{error}");
    let error = bind(&s.state, first, 1 << 40).unwrap_err();
    assert!(matches!(error, Error::BufferTooSmall { name: "weights", .. }), "{error}");
    let descriptor = BatchNormDescriptor { epsilon: 0.0, ..Default::default() };
    assert_eq!(Folding::new(device, &descriptor).unwrap_err(), Error::InvalidEpsilon(0.0));
    let error = s.folding.with_descriptor(&descriptor).unwrap_err();
    assert_eq!(error, Error::InvalidEpsilon(0.0));
}
