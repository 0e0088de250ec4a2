//! γ and β take steps of an optimizer at the end of the backward pass.

use crate::cases::Random;
use crate::device::{self, OnEach};
use crate::tolerance::{ROUNDOFF, assert_within};
use wgpu_batchnorm::plan::{Adapter, Mapping, Pass, Path, Plan, Request, row_stride};
use wgpu_batchnorm::{
    BackwardPass, BatchNorm, BatchNormDescriptor, Context, Error, Forward, Gradients, Inference,
    Momentum, Optimizer, Row, Rule, Shape, State, Training, wgpu,
};

const fn descent(momentum: f64, dampening: f64, nesterov: bool) -> Rule {
    Rule::GradientDescent { momentum, dampening, nesterov }
}

/// Each rule, and each way that its numbers lead.
const RULES: [Rule; 10] = [
    descent(0.0, 0.5, true),
    descent(0.9, 0.0, false),
    descent(0.9, 0.3, false),
    descent(0.9, 0.0, true),
    Rule::RmsProp { alpha: 0.99, epsilon: 1e-8, momentum: 0.0 },
    Rule::RmsProp { alpha: 0.9, epsilon: 1e-5, momentum: 0.9 },
    Rule::RmsProp { alpha: 1.0, epsilon: 0.01, momentum: 0.5 },
    Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
    Rule::Adam { beta1: 0.0, beta2: 0.9, epsilon: 1e-6 },
    Rule::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
];

/// What torch.optim (PyTorch 2.15, `f64`) makes of 0.7 with these gradients, a learning rate of 0.1
/// and a weight decay of 0.1.
#[test]
fn the_reference_agrees_with_pytorch() {
    const GRADIENTS: [f64; 5] = [0.5, -1.25, 2.0, 0.125, -0.75];
    const WANT: [f64; RULES.len()] = [
        0.6055556094299999,
        0.34949602263,
        0.38517180291894293,
        0.29781002305935556,
        0.044025610353886246,
        -0.26187885847109105,
        7.631250000000002,
        0.5509463997293577,
        0.630722095407014,
        0.5402165116135094,
    ];
    for (rule, want) in RULES.into_iter().zip(WANT) {
        let optimizer = Optimizer { rule, learning_rate: 0.1, weight_decay: 0.1 };
        let mut averages = [0.0; 2];
        let steps = (1..).zip(GRADIENTS);
        let have = steps.fold(0.7, |value, (t, g)| optimizer.step(value, g, &mut averages, t));
        assert!((have - want).abs() <= 1e-14, "{rule:?}: {have} instead of {want}");
    }
}

/// A layer for each mapping, path and adapter: as planned for lavapipe, for tiles, for a GPU.
fn layers(context: &Context) -> &'static [(BatchNorm, Shape)] {
    static LAYERS: OnEach<Vec<(BatchNorm, Shape)>> = OnEach::new();
    LAYERS.get_or_init(|| new_layers(context))
}

fn new_layers(context: &Context) -> Vec<(BatchNorm, Shape)> {
    let descriptor = &BatchNormDescriptor::default();
    let device = context.device();
    let adapter = Adapter::new(&device.adapter_info(), &device.limits());
    // Narrower workgroups have no tiles, and wider ones than 16 no lines, whatever the device is.
    let adapter = Adapter { subgroup: 8, cores: 4, ..adapter };
    let adapters = [
        Adapter { is_cpu: true, ..adapter },
        Adapter { is_cpu: true, tiles_from: 0, ..adapter },
        Adapter { is_cpu: false, ..adapter },
    ];
    let shapes = [
        Shape::ncl(2, 5, 31),
        Shape::ncl(4, 6, 49),
        Shape::ncl(41, 20, 30),
        Shape::ncl(3, 2, 20_000),
        Shape::channels_last(8, 13),
        Shape::channels_last(70, 600),
        Shape::channels_last(500, 12),
        // A tile, split; and rows of which eight are one of a strip, and one is left over.
        Shape::ncl(521, 5, 9),
        Shape::channels_last(521, 33),
        Shape::channels_last(1_040, 32),
        Shape::ncl(8, 20, 260),
        Shape::ncl(8, 40, 49),
        Shape::ncl(16, 12, 49),
        Shape::ncl(16, 12, 1_003),
    ];
    let mut layers = Vec::new();
    let mut paths = Vec::new();
    for adapter in adapters {
        let bn = BatchNorm::with_adapter(device, descriptor, adapter).expect("a layer");
        for shape in shapes {
            let plan =
                Plan::new(&adapter, shape, &Request::new(Pass::Backward, &[])).expect("a plan");
            paths.push((plan.mapping, plan.path));
            layers.push((bn.with_descriptor(descriptor).expect("a layer"), shape));
        }
    }
    for (mapping, its_paths) in [
        (Mapping::Rows, &[Path::OnChip, Path::Fused, Path::Split][..]),
        (Mapping::Columns, &[Path::OnChip, Path::Fused, Path::Split]),
        // A tile is kept by nothing but the caches; of threads that wait for no other only those of strips may own a
        // channel.
        (Mapping::Tiles, &[Path::Fused, Path::Split]),
        (Mapping::Strips, &[Path::Fused, Path::Split]),
        (Mapping::Lines, &[Path::Split]),
        (Mapping::Runs, &[Path::Split]),
    ] {
        for &path in its_paths {
            assert!(paths.contains(&(mapping, path)), "no {mapping:?}, {path:?}: {paths:?}");
        }
    }
    layers
}

/// A layer in training: its tensors, its state, and both passes.
struct Layer<'a> {
    context: &'a Context,
    shape: Shape,
    state: State,
    dy: wgpu::Buffer,
    dx: wgpu::Buffer,
    forward: Forward,
    backward: BackwardPass,
}

impl<'a> Layer<'a> {
    fn new(
        context: &'a Context,
        bn: &BatchNorm,
        shape: Shape,
        frozen: bool,
        optimize: bool,
    ) -> Self {
        let (device, queue) = (context.device(), context.queue());
        let elements = shape.elements() as usize;
        let state = State::new(device, shape.channels());
        let mut random = Random(11);
        for row in [Row::Gamma, Row::Beta] {
            let values = random.signed(shape.channels() as usize);
            state.set(queue, row, &values).expect("C values");
        }
        let x = context.upload(&random.normals(elements, 0.5)).expect("x");
        let y = context.zeros(shape.elements()).expect("y");
        let dy = context.zeros(shape.elements()).expect("dy");
        let dx = context.zeros(shape.elements()).expect("dx");
        let (x, y) = (x.into(), (&y).into());
        let forward = match frozen {
            true => bn.bind_inference(device, &state, shape, Inference { x, y }),
            false => {
                let training = Training { x, y, momentum: Momentum::default() };
                bn.bind_training(device, &state, shape, training)
            }
        };
        let forward = forward.expect("a forward pass");
        let gradients = Gradients { dx: Some((&dx).into()), optimize, ..Gradients::default() };
        let backward = bn.bind_backward_with(device, &forward, &dy, gradients).expect("backward");
        Self { context, shape, state, dy, dx, forward, backward }
    }

    fn set_dy(&self, dy: &[f32]) {
        self.context.queue().write_buffer(&self.dy, 0, bytemuck::cast_slice(dy));
    }

    fn optimizer(&self, optimizer: &Optimizer) {
        self.state.set_optimizer(self.context.queue(), optimizer).expect("an optimizer");
    }

    fn run(&self) {
        self.context.run(|encoder| {
            self.forward.encode(encoder);
            self.backward.encode(encoder);
        });
    }

    fn read(&self, row: Row) -> Vec<f32> {
        self.context.download(self.state.range(row)).expect("a download")
    }

    fn affine(&self) -> [Vec<f32>; 2] {
        [Row::Gamma, Row::Beta].map(|row| self.read(row))
    }
}

/// dy of a step.
fn dy(shape: Shape, step: u32) -> Vec<f32> {
    let mut random = Random(step as u64 * 7919);
    let mean = random.normal() as f32 / 4.0;
    random.normals(shape.elements() as usize, mean)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// A row of parameters and what the reference knows of it.
struct Followed {
    row: Row,
    gradient: Row,
    want: Vec<f64>,
    averages: Vec<[f64; 2]>,
    /// As if all gradients were of one sign: what roundings are relative to.
    magnitudes: Vec<[f64; 2]>,
    bound: Vec<f64>,
}

impl Followed {
    fn new(layer: &Layer<'_>, row: Row) -> Self {
        let want: Vec<f64> = layer.read(row).into_iter().map(f64::from).collect();
        let channels = want.len();
        Self {
            row,
            gradient: if row == Row::Gamma { Row::DGamma } else { Row::DBeta },
            want,
            averages: vec![[0.0; 2]; channels],
            magnitudes: vec![[0.0; 2]; channels],
            bound: vec![0.0; channels],
        }
    }

    /// Takes the step that the layer took, by the layer's own gradients, and compares.
    ///
    /// θ is rounded once a step. So is what is subtracted: 8 times in the formulas, up to 12 in
    /// quotients and roots of which Vulkan allows 2.5 ulp, and once or twice a step so far in the
    /// averages that it comes from, where most of them cancel.
    fn check(&mut self, layer: &Layer<'_>, optimizer: &Optimizer, steps: u32, what: &str) {
        let gradients = layer.read(self.gradient);
        let plain = Optimizer { weight_decay: 0.0, ..*optimizer };
        for (c, gradient) in gradients.into_iter().enumerate() {
            let value = self.want[c];
            let gradient = gradient as f64;
            self.want[c] = optimizer.step(value, gradient, &mut self.averages[c], steps);
            let largest = gradient.abs() + optimizer.weight_decay * value.abs();
            let path = plain.step(0.0, largest, &mut self.magnitudes[c], steps).abs();
            let roundings = 20.0 + steps as f64;
            self.bound[c] += ROUNDOFF * (self.want[c].abs() + roundings * path);
        }
        let name = format!("{:?} after step {steps}, {what}", self.row);
        assert_within(&name, &layer.read(self.row), &self.want, |c, _| self.bound[c]);
    }

    fn reset(&mut self) {
        self.averages.fill([0.0; 2]);
        self.magnitudes.fill([0.0; 2]);
    }
}

/// Follows layers of every kind over steps with changing gradients and learning rates, each with
/// its own rule, bound once. Begins anew after `reset` steps.
fn follow(rules: &[Rule], steps: u32, reset: u32, frozen: bool, descriptor: &BatchNormDescriptor) {
    let Some(context) = device::context() else { return };
    for (bn, shape) in layers(context) {
        let (bn, shape) = (bn.with_descriptor(descriptor).expect("a layer"), *shape);
        let mut followed: Vec<_> = (0..)
            .zip(rules)
            .map(|(k, &rule)| {
                let layer = Layer::new(context, &bn, shape, frozen, true);
                let rows = [Row::Gamma, Row::Beta].map(|row| Followed::new(&layer, row));
                // Every other rule has weight decay; AdamW does.
                let weight_decay = if k % 2 == 1 { 0.05 } else { 0.0 };
                (layer, rows, Optimizer { rule, learning_rate: 0.0, weight_decay })
            })
            .collect();
        for step in 0..steps {
            let dy = dy(shape, step);
            for (layer, rows, optimizer) in &mut followed {
                if step == reset {
                    layer.state.reset_optimizer(context.queue()).expect("a state");
                    rows.iter_mut().for_each(Followed::reset);
                }
                layer.set_dy(&dy);
                optimizer.learning_rate = 0.01 / (1.0 + step as f64 / 20.0);
                layer.optimizer(optimizer);
                layer.run();
                let what = format!("{optimizer:?}, {shape}, {:?}", bn.adapter());
                for followed in rows {
                    let is_gamma = followed.row == Row::Gamma;
                    if if is_gamma { descriptor.scale } else { descriptor.shift } {
                        let t = if step < reset { step + 1 } else { step - reset + 1 };
                        followed.check(layer, optimizer, t, &what);
                    } else {
                        let fixed = &followed.want;
                        assert_within(&what, &layer.read(followed.row), fixed, |_, _| 0.0);
                    }
                }
            }
        }
    }
}

/// Every rule, over 40 steps and 10 more after it began anew.
#[test]
fn rules_agree_with_the_reference() {
    follow(&RULES, 50, 40, false, &BatchNormDescriptor::default());
}

/// Through frozen statistics; scale or shift alone, and neither: what is not used stays.
#[test]
pub fn other_passes_take_the_same_steps() {
    let rules = [RULES[3], RULES[9]];
    follow(&rules, 3, 3, true, &BatchNormDescriptor::default());
    for (scale, shift) in [(true, false), (false, true), (false, false)] {
        let descriptor = BatchNormDescriptor { scale, shift, ..Default::default() };
        follow(&rules, 3, 3, false, &descriptor);
        follow(&rules, 2, 2, true, &descriptor);
    }
}

/// dx, dγ and dβ come out to the same bits, and without `optimize` no optimizer touches γ and β. The two are kernels of
/// their own, which a GPU's compiler may contract each as it likes.
#[test]
fn a_step_disturbs_nothing_else() {
    let Some(context) = device::context() else { return };
    let is_cpu = context.adapter_info().device_type == wgpu_batchnorm::wgpu::DeviceType::Cpu;
    let same = |one: &[f32], other: &[f32]| {
        let largest = other.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let is_near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-6 * largest;
        bits(one) == bits(other) || !is_cpu && one.iter().zip(other).all(is_near)
    };
    for &(ref bn, shape) in layers(context) {
        for frozen in [false, true] {
            let [with, without] =
                [true, false].map(|optimize| Layer::new(context, bn, shape, frozen, optimize));
            let start = with.affine();
            for layer in [&with, &without] {
                // Too large a rate for a γ that came too early to go unnoticed.
                layer.optimizer(&Optimizer::gradient_descent(10.0));
                layer.set_dy(&dy(layer.shape, 1));
                layer.run();
            }
            let what = format!("{shape}, {:?}, frozen: {frozen}", bn.adapter());
            let dx = |layer: &Layer<'_>| context.download(&layer.dx).expect("a download");
            assert!(same(&dx(&with), &dx(&without)), "dx, {what}");
            for row in [Row::DGamma, Row::DBeta, Row::RunningMean, Row::RunningVar] {
                assert!(same(&with.read(row), &without.read(row)), "{row:?}, {what}");
            }
            assert_eq!(without.affine(), start, "{what}");
            let moved = with.affine().concat().into_iter().zip(start.concat());
            assert!(moved.into_iter().all(|(now, before)| now != before), "{what}");
        }
    }
}

/// The row of a state that counts an optimizer's steps, behind those that have names.
const STEPS: u64 = 8;

/// 1 − βᵗ, from the first step to where it is 1, for β that `f32` can hardly tell from 1.
#[test]
fn bias_correction_is_right_at_any_age() {
    let Some(context) = device::context() else { return };
    let bn = BatchNorm::new(context.device(), &BatchNormDescriptor::default()).expect("a layer");
    let shape = Shape::ncl(4, 6, 49);
    let layer = Layer::new(context, &bn, shape, false, true);
    layer.set_dy(&dy(layer.shape, 3));
    for (beta1, beta2) in [(0.9, 0.999), (0.0, 0.99), (0.5, 0.0), (0.99, 1.0 - 1e-9)] {
        let rule = Rule::Adam { beta1, beta2, epsilon: 1e-8 };
        let optimizer = Optimizer { rule, learning_rate: 0.5, weight_decay: 0.0 };
        layer.optimizer(&optimizer);
        for steps in [1, 2, 7, 100, 693, 700, 5_000, 100_000, 1_000_000, 1 << 24, 3_000_000_000] {
            layer.state.reset(context.queue()).expect("a state");
            let counts = vec![steps - 1; 6];
            let offset = STEPS * row_stride(6) * 4;
            let bytes = bytemuck::cast_slice(&counts);
            context.queue().write_buffer(layer.state.buffer(), offset, bytes);
            layer.run();
            let want: Vec<f64> = layer
                .read(Row::DBeta)
                .into_iter()
                .map(|g| optimizer.step(0.0, g as f64, &mut [0.0; 2], steps))
                .collect();
            let name = format!("the first step, as step {steps}, {rule:?}");
            let bound = |_, want: f64| 24.0 * ROUNDOFF * want.abs();
            assert_within(&name, &layer.read(Row::Beta), &want, bound);
        }
    }
}

/// An average over a thousand steps has the digits of `f32`, though its decay rounded to `f32` has
/// not: that is off by 1.3e-8, so that the average would be off by 7e-6, the step by half as much.
/// Each step rounds the average once; of 1500 roundings either way, √500 or so remain, halved by
/// the root.
#[test]
fn long_averages_keep_their_digits() {
    let Some(context) = device::context() else { return };
    let bn = BatchNorm::new(context.device(), &BatchNormDescriptor::default()).expect("a layer");
    let adam = Rule::Adam { beta1: 0.0, beta2: 0.999, epsilon: 1e-8 };
    for rule in [Rule::RmsProp { alpha: 0.999, epsilon: 1e-8, momentum: 0.0 }, adam] {
        let layer = Layer::new(context, &bn, Shape::ncl(2, 5, 31), false, true);
        let mut optimizer = Optimizer { rule, learning_rate: 0.0, weight_decay: 0.0 };
        let mut averages = [[0.0; 2]; 5];
        let mut want = Vec::new();
        for step in 0..1500 {
            if step == 1499 {
                layer.state.set(context.queue(), Row::Beta, &[0.0; 5]).expect("C values");
                optimizer.learning_rate = 1.0;
            }
            layer.optimizer(&optimizer);
            layer.set_dy(&dy(layer.shape, step));
            layer.run();
            let gradients = layer.read(Row::DBeta).into_iter().zip(&mut averages);
            let stepped = gradients.map(|(g, a)| optimizer.step(0.0, g as f64, a, step + 1));
            want = stepped.collect();
        }
        let bound = |_, want: f64| 24.0 * ROUNDOFF * want.abs();
        assert_within(&format!("{rule:?}"), &layer.read(Row::Beta), &want, bound);
    }
}

/// At a rate of 0 nothing moves; without ε, a gradient that was always 0 gives 0/0 as in PyTorch.
#[test]
fn nothing_is_guarded_that_pytorch_does_not_guard() {
    let Some(context) = device::context() else { return };
    let bn = BatchNorm::new(context.device(), &BatchNormDescriptor::default()).expect("a layer");
    let layer = Layer::new(context, &bn, Shape::ncl(4, 6, 49), false, true);
    let start = layer.affine();
    layer.set_dy(&dy(layer.shape, 2));
    // A new layer's optimizer has a rate of 0, too.
    layer.run();
    assert_eq!(layer.affine(), start);
    for rule in RULES {
        layer.optimizer(&Optimizer { rule, learning_rate: 0.0, weight_decay: 0.1 });
        layer.run();
        assert_eq!(layer.affine(), start, "{rule:?}");
    }
    let zeros = vec![0f32; layer.shape.elements() as usize];
    for epsilon in [1e-8, 0.0] {
        let adam = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon };
        let rms_prop = Rule::RmsProp { alpha: 0.99, epsilon, momentum: 0.9 };
        for rule in [adam, rms_prop] {
            layer.state.reset(context.queue()).expect("a state");
            layer.optimizer(&Optimizer { rule, learning_rate: 0.1, weight_decay: 0.0 });
            layer.set_dy(&zeros);
            layer.run();
            let beta = layer.read(Row::Beta);
            match epsilon == 0.0 {
                true => assert!(beta.iter().all(|v| v.is_nan()), "{rule:?}: {beta:?}"),
                false => assert_eq!(beta, [0.0; 6], "{rule:?}"),
            }
        }
    }
}

/// An infinite gradient spoils γ and β, but once they are set anew, plain descent goes on.
#[test]
fn plain_descent_has_no_memory() {
    let Some(context) = device::context() else { return };
    let bn = BatchNorm::new(context.device(), &BatchNormDescriptor::default()).expect("a layer");
    let layer = Layer::new(context, &bn, Shape::ncl(4, 6, 49), false, true);
    let start = layer.affine();
    layer.optimizer(&Optimizer::gradient_descent(0.1));
    let infinite = vec![f32::INFINITY; layer.shape.elements() as usize];
    layer.set_dy(&infinite);
    layer.run();
    assert!(layer.read(Row::Beta).iter().all(|v| !v.is_finite()));
    for optimizer in [Optimizer::gradient_descent(0.1), Optimizer::adam(0.1)] {
        for (row, values) in [Row::Gamma, Row::Beta].into_iter().zip(&start) {
            layer.state.set(context.queue(), row, values).expect("C values");
        }
        layer.set_dy(&dy(layer.shape, 1));
        layer.optimizer(&optimizer);
        layer.run();
        assert!(layer.affine().concat().iter().all(|v| v.is_finite()), "{optimizer:?}");
    }
}

#[test]
fn hyperparameters_must_be_in_range() {
    let Some(context) = device::context() else { return };
    let state = State::new(context.device(), 3);
    let refuses = |what: &'static str, optimizer: Optimizer| {
        let error = state.set_optimizer(context.queue(), &optimizer).unwrap_err();
        let named = matches!(error, Error::InvalidHyperparameter { name, .. } if name == what);
        assert!(named, "{what}: {error}");
    };
    let plain = Optimizer::gradient_descent(0.1);
    let of = |rule| Optimizer { rule, ..plain };
    // 1e39 is infinite in `f32`.
    for value in [-1e-9, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e39] {
        refuses("learning_rate", Optimizer { learning_rate: value, ..plain });
        refuses("weight_decay", Optimizer { weight_decay: value, ..plain });
        refuses("epsilon", of(Rule::RmsProp { alpha: 0.9, epsilon: value, momentum: 0.0 }));
        refuses("epsilon", of(Rule::Adam { beta1: 0.9, beta2: 0.9, epsilon: value }));
        refuses("epsilon", of(Rule::AdamW { beta1: 0.9, beta2: 0.9, epsilon: value }));
        refuses("momentum", of(descent(value, 0.0, false)));
    }
    for value in [-1e-9, 1.0 + 1e-9, f64::NAN] {
        refuses("momentum", of(descent(value, 0.0, false)));
        refuses("dampening", of(descent(0.0, value, false)));
        refuses("alpha", of(Rule::RmsProp { alpha: value, epsilon: 0.0, momentum: 0.0 }));
        refuses("momentum", of(Rule::RmsProp { alpha: 0.9, epsilon: 0.0, momentum: value }));
    }
    for value in [-1e-9, 1.0, f64::NAN] {
        refuses("beta1", of(Rule::Adam { beta1: value, beta2: 0.9, epsilon: 0.0 }));
        refuses("beta2", of(Rule::Adam { beta1: 0.9, beta2: value, epsilon: 0.0 }));
        refuses("beta1", of(Rule::AdamW { beta1: value, beta2: 0.9, epsilon: 0.0 }));
        refuses("beta2", of(Rule::AdamW { beta1: 0.9, beta2: value, epsilon: 0.0 }));
    }
    for rule in RULES {
        state.set_optimizer(context.queue(), &of(rule)).expect("numbers in range");
    }
    for optimizer in [Optimizer::rms_prop(0.1), Optimizer::adam(0.1), Optimizer::adam_w(0.1)] {
        state.set_optimizer(context.queue(), &optimizer).expect("defaults");
    }
}

/// γ and β cannot step without their gradients.
#[test]
fn a_step_needs_gradients() {
    let Some(context) = device::context() else { return };
    let bn = BatchNorm::new(context.device(), &BatchNormDescriptor::default()).expect("a layer");
    let layer = Layer::new(context, &bn, Shape::ncl(4, 6, 49), false, true);
    for dx in [None, Some((&layer.dx).into())] {
        let gradients = Gradients { dx, dresidual: None, affine: false, optimize: true };
        let bound = bn.bind_backward_with(context.device(), &layer.forward, &layer.dy, gradients);
        assert_eq!(bound.unwrap_err(), Error::NothingToDo);
    }
}
