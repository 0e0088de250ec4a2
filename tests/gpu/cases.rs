//! The one table of cases, which every variant runs through, and the data of a case.

use wgpu_batchnorm::{Activation, BatchNormDescriptor, Element, Momentum, RunningVariance, Shape};

/// A shape, its data, and the options of the layer.
#[derive(Clone, Debug)]
pub struct Case {
    pub shape: Shape,
    /// Mean of the data over its standard deviation, which is 1.
    pub mean: f32,
    /// Where tensors start in their buffers, in elements.
    pub offset: usize,
    pub descriptor: BatchNormDescriptor,
    pub momentum: Momentum,
    pub residual: bool,
    pub weights: Weighting,
    /// y over x in inference, dx over dy.
    pub in_place: bool,
}

/// What has a weight of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weighting {
    Nothing,
    /// An outer index: a sample, or, channels last, a row.
    Outer,
    Position,
    /// A position, and none of the first half counts.
    Late,
}

impl Case {
    pub fn new(shape: Shape) -> Self {
        Self {
            shape,
            mean: 0.5,
            offset: 0,
            descriptor: BatchNormDescriptor::default(),
            momentum: Momentum::Exponential(0.1),
            residual: false,
            weights: Weighting::Nothing,
            in_place: false,
        }
    }
}

/// Shapes at the edges: 1, primes, around powers of two, rows that are no multiple of four.
pub fn shapes() -> Vec<Shape> {
    let mut shapes = vec![
        Shape::nc(2, 1),
        Shape::nc(3, 2),
        Shape::nc(32, 64),
        Shape::nc(257, 255),
        Shape::nc(1024, 3),
        Shape::nc(31, 257),
        Shape::ncl(1, 1, 2),
        Shape::ncl(2, 3, 5),
        Shape::ncl(7, 5, 3),
        Shape::ncl(64, 4, 1),
        Shape::ncl(5, 6, 255),
        Shape::ncl(3, 7, 256),
        Shape::ncl(2, 2, 257),
        Shape::ncl(1, 3, 10_007),
        Shape::ncl(1, 1, 300_000),
        Shape::ncl(2, 1000, 16),
        Shape::ncl(4, 300, 49),
        Shape::nchw(4, 8, 7, 7),
        Shape::nchw(8, 12, 14, 14),
        Shape::nchw(4, 16, 28, 28),
        Shape::nchw(2, 3, 112, 112),
        Shape::ncdhw(2, 5, 3, 4, 5),
        Shape::nhwc(4, 7, 7, 8),
        Shape::nhwc(2, 14, 14, 96),
        Shape::nhwc(3, 5, 5, 1),
        Shape::nhwc(3, 9, 9, 31),
        Shape::channels_last(2, 1),
        Shape::channels_last(9_001, 4),
        Shape::channels_last(10_000, 64),
        Shape::channels_last(70_001, 6),
        Shape::channels_last(37, 1030),
        // Lines of two pairs and more in a last band of few channels, one and three among them, of an odd number of
        // quads, and of more than are summed as one part.
        Shape::ncl(6, 20, 256),
        Shape::ncl(8, 9, 136),
        Shape::ncl(8, 11, 136),
        Shape::ncl(8, 10, 1_060),
        Shape::ncl(3, 24, 4_500),
        // Short ones, whose moments are taken in runs, in seven bands as wide as any.
        Shape::ncl(8, 200, 132),
        // Long ones that end anywhere in a pair, in bands of 32 channels, and whose moments are taken line by line, in
        // one group and a few.
        Shape::ncl(3, 136, 1_003),
        Shape::ncl(7, 12, 1_006),
        Shape::ncl(9, 12, 5_006),
        // Lines of some segments where gradients are summed, the last of which goes on; and of longer ones.
        Shape::ncl(8, 20, 2_060),
        Shape::ncl(8, 8, 20_004),
        // Runs: of fewer channels than threads have room for; short, of more samples than are summed as one part; of
        // every place in a pair; long, of more than are summed as one group, split; of two segments in moments; and of
        // 24 channels a run, but for the last; and of so few channels that the runs of a workgroup are of several
        // splits, some of fewer samples.
        Shape::ncl(8, 40, 49),
        Shape::ncl(40, 48, 17),
        Shape::ncl(4, 72, 33),
        Shape::ncl(18, 40, 999),
        Shape::ncl(8, 40, 8_203),
        Shape::ncl(131, 376, 33),
        Shape::ncl(45, 24, 65),
        // Several samples as one, whose channels repeat: in runs, split, of two samples and of eight; and as lines, of
        // whole rounds, of an odd number of quads, and that end anywhere, in bands that have some channels twice.
        Shape::ncl(16, 12, 49),
        Shape::ncl(40, 7, 265),
        Shape::ncl(24, 3, 1_024),
        Shape::ncl(16, 9, 196),
        Shape::ncl(18, 12, 1_003),
        // Strips of 8 and 12 pairs a thread, of as many as there may be, of sixteen, of one, and of six in rows of
        // sixteen; and of more rows than are summed as one part.
        Shape::nc(70, 512),
        Shape::nc(66, 768),
        Shape::nc(130, 2_048),
        Shape::nc(520, 1_000),
        Shape::nc(131, 64),
        Shape::channels_last(1_056, 24),
        Shape::channels_last(2_200, 256),
        // Of a channel each, which are one dispatch, of few rows; and two or three side by side, of shared rows.
        Shape::nc(9, 512),
        Shape::nc(17, 1_600),
        Shape::nc(200, 2_568),
        // Of rows of which some threads lack the last pair, or the last few: one row, one in several strips, six rows
        // as one, and lines of all channels.
        Shape::nc(67, 1_000),
        Shape::nc(67, 5_000),
        Shape::nc(330, 24),
        Shape::ncl(70, 40, 7),
        // Those whose quads are of several channels: an odd number of these, or fewer than four, in rows of 64 and
        // more; and lines of two to nine values, of all channels.
        Shape::channels_last(33_280, 7),
        Shape::channels_last(66_560, 3),
        Shape::channels_last(133_120, 1),
        Shape::nc(8_320, 10),
        Shape::ncl(74, 64, 9),
        Shape::ncl(70, 32, 6),
        Shape::ncl(100, 32, 4),
        Shape::ncl(130, 96, 2),
        // Samples that are left over: of rows of a strip, one and some, which are whole quads or not; of several that
        // are one of runs, and of lines.
        Shape::nc(1_003, 30),
        Shape::channels_last(2_061, 20),
        Shape::channels_last(1_090, 3),
        Shape::ncl(33, 20, 49),
        Shape::ncl(23, 7, 81),
        Shape::ncl(17, 3, 1_003),
        Shape::ncl(65, 9, 1_004),
        // A single channel, whose values are one line: of axes that do not matter, and with values left over.
        Shape::ncl(1_000, 1, 17),
        Shape::ncl(64, 1, 784),
        Shape::nc(20_011, 1),
        Shape::ncl(1_021, 1, 97),
        // As many values as a thread of a GPU keeps.
        Shape::ncl(12, 4, 1024),
        Shape::nc(1000, 64),
    ];
    // Around the extents at which mappings, lanes and blocks change.
    for extent in [1, 3, 4, 7, 8, 9, 31, 32, 33, 63, 64, 65] {
        shapes.push(Shape::ncl(3, 5, extent));
        shapes.push(Shape::channels_last(extent as u64 + 1, 5));
        shapes.push(Shape::channels_last(40, extent));
    }
    shapes
}

/// A shape for each way that a tensor is walked.
pub const SOME: [Shape; 16] = [
    Shape::nc(33, 20),
    Shape::nc(40, 264),
    Shape::ncl(4, 6, 49),
    Shape::ncl(6, 5, 64),
    Shape::channels_last(500, 12),
    Shape::channels_last(333, 7),
    Shape::channels_last(2_861, 7),
    Shape::channels_last(520, 32),
    Shape::nc(330, 24),
    Shape::ncl(66, 64, 3),
    Shape::ncl(8, 20, 132),
    Shape::ncl(8, 40, 35),
    Shape::ncl(16, 16, 1_003),
    Shape::ncl(16, 12, 35),
    Shape::ncl(16, 3, 1_003),
    Shape::ncl(3, 2, 20_000),
];

/// Each feature on some of the shapes, in turn: on every `step`-th. A driver's compiler takes its time
/// over so many kernels, so that all of them on all shapes are for those who ask.
pub fn fused_cases(step: usize) -> Vec<Case> {
    let step = if std::env::var_os("WGPU_BATCHNORM_THOROUGH").is_some() { 1 } else { step };
    let of = |(k, shape)| features_of(shape).into_iter().skip(k % step).step_by(step);
    SOME.into_iter().enumerate().flat_map(of).collect()
}

/// Nothing fused: all shapes as they are, then options, offsets and means on some of them.
pub fn plain_cases() -> Vec<Case> {
    let mut cases: Vec<Case> = shapes().into_iter().map(Case::new).collect();
    for shape in SOME {
        let case = Case::new(shape);
        for (scale, shift) in [(false, false), (true, false), (false, true)] {
            let descriptor = BatchNormDescriptor { scale, shift, ..Default::default() };
            cases.push(Case { descriptor, ..case.clone() });
        }
        let descriptor = BatchNormDescriptor { track_running_stats: false, ..Default::default() };
        cases.push(Case { descriptor, ..case.clone() });
        let descriptor = BatchNormDescriptor {
            running_variance: RunningVariance::Biased,
            epsilon: 1e-3,
            ..Default::default()
        };
        for alpha in [0.0, 0.3, 1.0] {
            let momentum = Momentum::Exponential(alpha);
            cases.push(Case { descriptor: descriptor.clone(), momentum, ..case.clone() });
        }
        cases.push(Case { momentum: Momentum::Cumulative, ..case.clone() });
        for offset in [1, 2, 4, 63, 64, 65] {
            cases.push(Case { offset, ..case.clone() });
        }
        for mean in [0.0, -100.0, 1e4] {
            cases.push(Case { mean, ..case.clone() });
        }
    }
    cases
}

/// What may be fused, on one shape.
pub fn features_of(shape: Shape) -> Vec<Case> {
    let case = Case::new(shape);
    let mut cases = Vec::new();
    for activation in ACTIVATIONS {
        let descriptor = BatchNormDescriptor { activation, ..Default::default() };
        for residual in [false, true] {
            cases.push(Case { descriptor: descriptor.clone(), residual, ..case.clone() });
        }
    }
    for element in [Element::F16, Element::BF16] {
        for offset in [0, 1, 4, 7, 8] {
            let descriptor = BatchNormDescriptor { element, ..Default::default() };
            cases.push(Case { descriptor: descriptor.clone(), offset, ..case.clone() });
            let descriptor = BatchNormDescriptor { activation: Activation::Silu, ..descriptor };
            cases.push(Case { descriptor, offset, residual: true, in_place: true, ..case.clone() });
        }
    }
    for offset in [0, 1] {
        cases.push(Case { in_place: true, offset, ..case.clone() });
        for weights in [Weighting::Outer, Weighting::Position] {
            let weighted = Case { weights, offset, ..case.clone() };
            cases.push(weighted.clone());
            cases.push(Case { mean: 1e4, ..weighted.clone() });
            let descriptor = BatchNormDescriptor {
                activation: Activation::LeakyRelu(0.2),
                running_variance: RunningVariance::Biased,
                element: Element::F16,
                ..Default::default()
            };
            cases.push(Case { descriptor, residual: true, in_place: true, ..weighted });
        }
    }
    for running_variance in [RunningVariance::Unbiased, RunningVariance::Biased] {
        let descriptor =
            BatchNormDescriptor { renormalize: true, running_variance, ..Default::default() };
        cases.push(Case { descriptor: descriptor.clone(), ..case.clone() });
        let descriptor = BatchNormDescriptor { activation: Activation::Tanh, ..descriptor };
        cases.push(Case { descriptor, weights: Weighting::Position, ..case.clone() });
    }
    cases
}

pub const ACTIVATIONS: [Activation; 8] = [
    Activation::Relu,
    Activation::LeakyRelu(0.1),
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::Silu,
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::HardSwish,
];

/// Numbers without a pattern: SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to 1.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Mean 0, variance 1, near normal, at most 6: Irwin and Hall's sum of twelve.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    pub fn normals(&mut self, n: usize, mean: f32) -> Vec<f32> {
        (0..n).map(|_| (mean as f64 + self.normal()) as f32).collect()
    }

    /// From −1 to 1.
    pub fn signed(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| (2.0 * self.uniform() - 1.0) as f32).collect()
    }
}
