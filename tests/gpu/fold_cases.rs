//! What is folded, and the same in `f64`, index by index.

use crate::cases::Random;
use wgpu_batchnorm::fold::{Layer, WeightLayout};
use wgpu_batchnorm::{BatchNormDescriptor, Snapshot};

/// A layer with batch norm behind it. Weights have four axes: `[out, in, kh, kw]`, but permuted.
#[derive(Clone)]
pub struct FoldCase {
    pub layout: WeightLayout,
    pub channels: usize,
    /// Inputs, and height and width of the kernel.
    pub rest: [usize; 3],
    pub descriptor: BatchNormDescriptor,
    pub snapshot: Snapshot,
    pub weights: Vec<f32>,
    pub bias: Option<Vec<f32>>,
}

/// w', b', and what b' was added from: |(b − μ)·s| + |β|.
pub struct Want {
    pub weights: Vec<f64>,
    pub bias: Vec<f64>,
    pub bias_terms: Vec<f64>,
}

impl FoldCase {
    pub fn new(layout: WeightLayout, channels: usize, rest: [usize; 3]) -> Self {
        let each: usize = rest.iter().product();
        let mut random = Random((channels * 1000 + each) as u64);
        let variance = |random: &mut Random| (random.uniform() * 10.0 - 5.0).exp2() as f32;
        let snapshot = Snapshot {
            gamma: random.normals(channels, 0.0),
            beta: random.normals(channels, 0.0),
            running_mean: random.normals(channels, 3.0),
            running_var: (0..channels).map(|_| variance(&mut random)).collect(),
            batches: 1,
        };
        let weights = random.normals(channels * each, 0.0);
        let bias = Some(random.normals(channels, 0.0));
        let descriptor = BatchNormDescriptor::default();
        Self { layout, channels, rest, descriptor, snapshot, weights, bias }
    }

    pub fn each(&self) -> usize {
        self.rest.iter().product()
    }

    pub fn layer(&self) -> Layer<'_> {
        Layer { layout: self.layout, weights: &self.weights, bias: self.bias.as_deref() }
    }

    /// Where a weight is: written out axis by axis, unlike in the crate.
    fn at(&self, out: usize, input: usize, y: usize, x: usize) -> usize {
        let [inputs, height, width] = self.rest;
        let row_major = |axes: [(usize, usize); 4]| {
            axes.iter().fold(0, |at, (index, extent)| at * extent + index)
        };
        let out = (out, self.channels);
        let (input, y, x) = ((input, inputs), (y, height), (x, width));
        match self.layout {
            WeightLayout::OutputFirst => row_major([out, input, y, x]),
            WeightLayout::OutputLast => row_major([y, x, input, out]),
            WeightLayout::OutputBetween { .. } => row_major([input, out, y, x]),
        }
    }

    pub fn want(&self) -> Want {
        let mut weights = vec![f64::NAN; self.weights.len()];
        let (mut bias, mut bias_terms) = (Vec::new(), Vec::new());
        let [inputs, height, width] = self.rest;
        let Snapshot { gamma, beta, running_mean, running_var, .. } = &self.snapshot;
        for c in 0..self.channels {
            let deviation = (running_var[c] as f64 + self.descriptor.epsilon as f64).sqrt();
            let gamma = if self.descriptor.scale { gamma[c] as f64 } else { 1.0 };
            let beta = if self.descriptor.shift { beta[c] as f64 } else { 0.0 };
            for input in 0..inputs {
                for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                    let at = self.at(c, input, y, x);
                    weights[at] = gamma * self.weights[at] as f64 / deviation;
                }
            }
            let own = self.bias.as_ref().map_or(0.0, |bias| bias[c] as f64);
            let product = gamma * (own - running_mean[c] as f64) / deviation;
            bias.push(product + beta);
            bias_terms.push(product.abs() + beta.abs());
        }
        Want { weights, bias, bias_terms }
    }
}

/// Every layout, flag and odd extent.
pub fn cases() -> Vec<FoldCase> {
    let mut cases = Vec::new();
    for rest in [[1, 1, 1], [5, 1, 1], [3, 3, 3], [64, 1, 1], [7, 5, 3]] {
        for channels in [1, 3, 64, 65, 130] {
            let between = WeightLayout::OutputBetween { outer: rest[0] as u64 };
            for layout in [WeightLayout::OutputFirst, WeightLayout::OutputLast, between] {
                cases.push(FoldCase::new(layout, channels, rest));
            }
        }
    }
    let case = FoldCase::new(WeightLayout::OutputLast, 6, [4, 3, 3]);
    for (scale, shift) in [(false, false), (true, false), (false, true)] {
        let descriptor = BatchNormDescriptor { scale, shift, epsilon: 1e-3, ..Default::default() };
        cases.push(FoldCase { descriptor, ..case.clone() });
    }
    cases.push(FoldCase { bias: None, ..case.clone() });
    // No γ in one channel, no variance in another, a large one in a third.
    let mut edges = case;
    edges.snapshot.gamma[0] = 0.0;
    edges.snapshot.running_var[1] = 0.0;
    edges.snapshot.running_var[2] = 1e20;
    cases.push(edges);
    cases
}
