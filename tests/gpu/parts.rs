//! Batches in parts: one after the other, on several devices, as ghost batches; and precise statistics.

use crate::cases::Random;
use crate::device;
use crate::tolerance::{self, ROUNDOFF, assert_close, assert_within};
use wgpu_batchnorm::plan::Adapter;
use wgpu_batchnorm::reference::{self, AffineParams, Statistics};
use wgpu_batchnorm::{
    Activation, BatchNorm, BatchNormDescriptor, BufferRange, Context, Error, Exchange, Extras,
    Gradients, LocalExchange, Momentum, Optimizer, Part, Parts, Row, Saved, Shape, State, Training,
    Weights,
};

/// A batch, its parts along the outer axis, and what the reference makes of the whole.
struct Batch {
    shape: Shape,
    /// Outer indices of each part.
    parts: Vec<u64>,
    x: Vec<f32>,
    dy: Vec<f32>,
    residual: Vec<f32>,
    weights: Option<Vec<f32>>,
    gamma: Vec<f32>,
    beta: Vec<f32>,
    activation: Activation,
}

struct Want {
    y: Vec<f64>,
    running: Statistics,
    inv_std: Vec<f64>,
    gradients: reference::Gradients,
}

impl Batch {
    fn new(shape: Shape, parts: &[u64], mean: f32, weighted: bool) -> Self {
        assert_eq!(parts.iter().sum::<u64>(), shape.outer());
        let mut random = Random(shape.elements() + parts.len() as u64);
        let (n, c) = (shape.elements() as usize, shape.channels() as usize);
        let weight =
            |_| if random.next_u64().is_multiple_of(3) { 0.0 } else { random.uniform() as f32 };
        let weights = weighted.then(|| (0..shape.outer()).map(weight).collect());
        let mut random = Random(n as u64);
        Self {
            shape,
            parts: parts.into(),
            x: random.normals(n, mean),
            dy: random.normals(n, 0.1),
            residual: random.normals(n, 0.0),
            weights,
            gamma: random.signed(c),
            beta: random.signed(c),
            activation: Activation::Silu,
        }
    }

    fn descriptor(&self) -> BatchNormDescriptor {
        BatchNormDescriptor { activation: self.activation, ..Default::default() }
    }

    fn extras(&self) -> reference::Extras<'_> {
        reference::Extras {
            activation: self.activation,
            residual: Some(&self.residual),
            weights: self.weights.as_deref(),
            corrections: None,
        }
    }

    fn want(&self) -> Want {
        let (shape, extras) = (self.shape, self.extras());
        let affine = AffineParams { gamma: Some(&self.gamma), beta: Some(&self.beta) };
        let batch = reference::weighted_statistics(shape, &self.x, extras);
        let c = shape.channels() as usize;
        let mut running = Statistics { mean: vec![0.0; c], variance: vec![1.0; c] };
        let kind = Default::default();
        let m = extras.count(shape);
        reference::update_running(&mut running, &batch, Momentum::default(), kind, 1, m);
        Want {
            y: reference::forward(shape, &self.x, &batch, 1e-5, affine, extras),
            running,
            inv_std: batch.variance.iter().map(|&v| reference::inv_std(v, 1e-5)).collect(),
            gradients: reference::backward_with(
                shape, &self.x, &self.dy, &batch, false, 1e-5, affine, extras,
            ),
        }
    }

    fn state(&self, context: &Context) -> State {
        let state = State::new(context.device(), self.shape.channels());
        state.set(context.queue(), Row::Gamma, &self.gamma).unwrap();
        state.set(context.queue(), Row::Beta, &self.beta).unwrap();
        state
    }

    /// The shape of a part, and its elements.
    fn part(&self, part: usize) -> (Shape, std::ops::Range<usize>) {
        let first: u64 = self.parts[..part].iter().sum();
        let sample = self.shape.channels() as u64 * self.shape.inner();
        let outer = self.parts[part];
        let shape = match self.shape.layout() {
            wgpu_batchnorm::Layout::ChannelsFirst => {
                Shape::channels_first(outer, self.shape.channels(), self.shape.inner())
            }
            _ => Shape::channels_last(outer, self.shape.channels()),
        };
        (shape, (first * sample) as usize..((first + outer) * sample) as usize)
    }

    /// Buffers of a part, on a device.
    fn tensors(&self, context: &Context, part: usize) -> Tensors {
        let (shape, elements) = self.part(part);
        let upload = |values: &[f32]| context.upload(&values[elements.clone()]).unwrap();
        let first: u64 = self.parts[..part].iter().sum();
        let rows = first as usize..(first + self.parts[part]) as usize;
        let weights = self
            .weights
            .as_ref()
            .map(|weights| Weights::new(context.upload(&weights[rows]).unwrap(), self.parts[part]));
        Tensors {
            shape,
            x: upload(&self.x).into(),
            dy: upload(&self.dy).into(),
            y: context.zeros(shape.elements()).unwrap().into(),
            dx: context.zeros(shape.elements()).unwrap().into(),
            extras: Extras { residual: Some(upload(&self.residual).into()), weights },
        }
    }

    fn check(&self, what: &str, context: &Context, outcome: &Outcome, state: &State) {
        let want = self.want();
        assert_close(&format!("y, {what}"), &outcome.y, &want.y, tolerance::Y, 0.0);
        let read = |row| context.download(state.range(row)).unwrap();
        assert_close(
            &format!("running mean, {what}"),
            &read(Row::RunningMean),
            &want.running.mean,
            tolerance::RUNNING,
            tolerance::RUNNING,
        );
        assert_close(
            &format!("running variance, {what}"),
            &read(Row::RunningVar),
            &want.running.variance,
            0.0,
            tolerance::RUNNING,
        );
        let bound = 3.0 * 2.0 * ROUNDOFF;
        assert_close(&format!("inv_std, {what}"), &outcome.inv_std, &want.inv_std, 0.0, bound);
        let largest = want.gradients.dx.iter().fold(0f64, |a, v| a.max(v.abs()));
        let bound = tolerance::DX * largest;
        assert_close(&format!("dx, {what}"), &outcome.dx, &want.gradients.dx, bound, 0.0);
        // Σ|dz| is at most Σ|dy| times the largest slope; the slope is as exact as y.
        let terms: f64 = self.dy.iter().map(|v| v.abs() as f64).sum::<f64>() * 6.0;
        let each = terms / self.shape.channels() as f64;
        let bound = |_, _| each * (tolerance::SUMS + 2.0 * tolerance::Y);
        assert_within(&format!("dβ, {what}"), &read(Row::DBeta), &want.gradients.dbeta, bound);
        assert_within(&format!("dγ, {what}"), &read(Row::DGamma), &want.gradients.dgamma, bound);
        assert!(context.download_words(state.range(Row::Batches)).unwrap().iter().all(|&n| n == 1));
    }
}

struct Tensors {
    shape: Shape,
    x: BufferRange,
    dy: BufferRange,
    y: BufferRange,
    dx: BufferRange,
    extras: Extras,
}

/// The tensors of all parts, one after the other.
struct Outcome {
    y: Vec<f32>,
    dx: Vec<f32>,
    inv_std: Vec<f32>,
}

fn batches() -> Vec<Batch> {
    vec![
        Batch::new(Shape::ncl(12, 5, 49), &[4, 1, 7], 0.5, false),
        Batch::new(Shape::ncl(18, 40, 35), &[8, 10], 0.5, false),
        Batch::new(Shape::ncl(26, 20, 35), &[8, 18], 0.5, false),
        Batch::new(Shape::ncl(6, 3, 20_000), &[3, 3], 100.0, false),
        Batch::new(Shape::channels_last(1_000, 12), &[1, 2, 3, 994], -3.0, false),
        Batch::new(Shape::channels_last(300, 7), &[100, 200], 0.0, true),
        Batch::new(Shape::ncl(9, 4, 64), &[8, 1], 1e4, true),
        Batch::new(Shape::nc(64, 200), &[64], 0.0, false),
        // Parts of which a row is left over, and none.
        Batch::new(Shape::channels_last(10_081, 13), &[5_041, 5_040], 0.5, false),
    ]
}

/// A layer whose dispatches are grids of two dimensions from 24 workgroups on.
fn layer_of_small_grids(context: &Context, descriptor: &BatchNormDescriptor) -> BatchNorm {
    let device = context.device();
    let adapter = Adapter::new(&device.adapter_info(), &device.limits());
    let adapter = Adapter { max_workgroups: 23, ..adapter };
    BatchNorm::with_adapter(device, descriptor, adapter).unwrap()
}

/// A batch larger than memory: its parts one after the other, forward and backward.
#[test]
fn parts_in_turn_give_what_the_whole_gives() {
    let Some(context) = device::context() else { return };
    let device = context.device();
    for batch in batches() {
        // In places of their own, or all in one.
        for in_one_place in [false, true] {
            let what = format!("{} in {:?}, one place: {in_one_place}", batch.shape, batch.parts);
            let bn = match in_one_place {
                true => layer_of_small_grids(context, &batch.descriptor()),
                false => BatchNorm::new(device, &batch.descriptor()).unwrap(),
            };
            let state = batch.state(context);
            let count = if in_one_place { 1 } else { batch.parts.len() as u32 };
            let parts = Parts::new(device, batch.shape.channels(), count).unwrap();
            let tensors: Vec<_> =
                (0..batch.parts.len()).map(|k| batch.tensors(context, k)).collect();
            // The first replaces what was there.
            let place = |k: usize| match (in_one_place, k) {
                (false, _) => Part::At(k as u32),
                (true, 0) => Part::At(0),
                (true, _) => Part::AddTo(0),
            };
            let moments: Vec<_> = tensors
                .iter()
                .enumerate()
                .map(|(k, t)| {
                    let weights = t.extras.weights.clone();
                    bn.bind_part_moments(device, t.shape, &t.x, weights, &parts, place(k)).unwrap()
                })
                .collect();
            let forwards: Vec<_> = tensors
                .iter()
                .enumerate()
                .map(|(k, t)| {
                    let (x, y) = (t.x.clone(), t.y.clone());
                    let training = Training { x, y, momentum: Momentum::default() };
                    let extras = t.extras.clone();
                    bn.bind_part_normalize(
                        device,
                        &state,
                        t.shape,
                        training,
                        extras,
                        &parts,
                        k == 0,
                    )
                    .unwrap()
                })
                .collect();
            let sums: Vec<_> = tensors
                .iter()
                .zip(&forwards)
                .enumerate()
                .map(|(k, (t, f))| bn.bind_part_sums(device, f, &t.dy, &parts, place(k)).unwrap())
                .collect();
            let inputs: Vec<_> = tensors
                .iter()
                .zip(&forwards)
                .enumerate()
                .map(|(k, (t, forward))| {
                    let gradients = Gradients { dx: Some(t.dx.clone()), ..Default::default() };
                    bn.bind_part_input(device, forward, &t.dy, gradients, &parts, k == 0).unwrap()
                })
                .collect();
            // Twice: what a step leaves behind does not reach the next.
            for _ in 0..2 {
                state.reset_running(context.queue()).unwrap();
                context.run(|encoder| {
                    moments.iter().for_each(|pass| pass.encode(encoder));
                    forwards.iter().for_each(|pass| pass.encode(encoder));
                    sums.iter().for_each(|pass| pass.encode(encoder));
                    inputs.iter().for_each(|pass| pass.encode(encoder));
                });
            }
            let all = |of: &dyn Fn(&Tensors) -> BufferRange| -> Vec<f32> {
                tensors.iter().flat_map(|t| context.download(of(t)).unwrap()).collect()
            };
            let outcome = Outcome {
                y: all(&|t| t.y.clone()),
                dx: all(&|t| t.dx.clone()),
                inv_std: context.download(forwards[0].saved(Saved::InvStd).unwrap()).unwrap(),
            };
            batch.check(&what, context, &outcome, &state);
        }
    }
}

/// Synchronized batch norm: each part on a device and a thread of its own.
#[test]
fn devices_in_step_give_what_the_whole_gives() {
    // Each device compiles its own kernels, so two batches must do: whole and weighted.
    for batch in batches().into_iter().step_by(3) {
        let count = batch.parts.len();
        let Some(devices) = device::others(1 << 27, count) else { return };
        let exchanges = LocalExchange::group(count);
        let outcomes: Vec<(Outcome, State)> = std::thread::scope(|scope| {
            let threads: Vec<_> = exchanges
                .into_iter()
                .zip(&devices)
                .enumerate()
                .map(|(k, (exchange, context))| {
                    let batch = &batch;
                    scope.spawn(move || train_part(batch, context, k, exchange).unwrap())
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let whole = Outcome {
            y: outcomes.iter().flat_map(|(o, _)| o.y.clone()).collect(),
            dx: outcomes.iter().flat_map(|(o, _)| o.dx.clone()).collect(),
            inv_std: outcomes[0].0.inv_std.clone(),
        };
        // Every device has the same running statistics and gradients.
        for (k, (outcome, state)) in outcomes.iter().enumerate() {
            assert_eq!(outcome.inv_std, whole.inv_std);
            for row in [Row::RunningMean, Row::RunningVar, Row::DGamma, Row::DBeta] {
                let of = |k: usize| devices[k].download(outcomes[k].1.range(row)).unwrap();
                assert_eq!(of(k), of(0), "{row:?} on device {k}");
            }
            let what = format!("{} on device {k} of {count}", batch.shape);
            batch.check(&what, &devices[k], &whole, state);
        }
    }
}

fn train_part(
    batch: &Batch,
    context: &Context,
    k: usize,
    mut exchange: LocalExchange,
) -> Result<(Outcome, State), Error> {
    let device = context.device();
    let bn = BatchNorm::new(device, &batch.descriptor())?;
    let state = batch.state(context);
    let parts = Parts::new(device, batch.shape.channels(), batch.parts.len() as u32)?;
    let (t, own) = (batch.tensors(context, k), k as u32);
    let weights = t.extras.weights.clone();
    let moments = bn.bind_part_moments(device, t.shape, &t.x, weights, &parts, Part::At(own))?;
    let training = Training { x: t.x, y: t.y.clone(), momentum: Momentum::default() };
    let forward =
        bn.bind_part_normalize(device, &state, t.shape, training, t.extras, &parts, true)?;
    let sums = bn.bind_part_sums(device, &forward, &t.dy, &parts, Part::At(own))?;
    let gradients = Gradients { dx: Some(t.dx.clone()), ..Default::default() };
    let input = bn.bind_part_input(device, &forward, &t.dy, gradients, &parts, true)?;

    context.run(|encoder| moments.encode(encoder));
    parts.exchange_moments(context, own, &mut exchange)?;
    context.run(|encoder| {
        forward.encode(encoder);
        sums.encode(encoder);
    });
    parts.exchange_sums(context, own, &mut exchange)?;
    context.run(|encoder| input.encode(encoder));
    let inv_std = context.download(forward.saved(Saved::InvStd).unwrap())?;
    let outcome = Outcome { y: context.download(t.y)?, dx: context.download(t.dx)?, inv_std };
    Ok((outcome, state))
}

/// Nobody waits for a part that has gone, or longer than the caller says.
#[test]
fn an_exchange_ends_when_a_part_has_gone() {
    let mut group = LocalExchange::group(3);
    drop(group.pop());
    let error = group[0].all_gather(&[1]).unwrap_err();
    assert!(matches!(error, Error::Exchange(_)), "{error}");
    let mut group = LocalExchange::group(2);
    let mut first = group.remove(0).with_timeout(std::time::Duration::from_millis(1));
    let error = first.all_gather(&[1]).unwrap_err();
    assert!(matches!(error, Error::Exchange(_)), "{error}");
}

/// The running statistics of a set of batches under fixed weights are those of their union.
#[test]
fn precise_statistics_are_those_of_all_batches() {
    let Some(context) = device::context() else { return };
    let device = context.device();
    let bn = layer_of_small_grids(context, &BatchNormDescriptor::default());
    let (shape, batches) = (Shape::ncl(8, 200, 9), 20);
    let whole = Shape::ncl(8 * batches, 200, 9);
    let mut values = Random(3).normals(whole.elements() as usize, 2.0);
    // Batches of different means, whose spread counts too.
    let batch = shape.elements() as usize;
    for (k, values) in values.chunks_mut(batch).enumerate() {
        values.iter_mut().for_each(|v| *v += k as f32);
    }
    let state = State::new(device, shape.channels());
    let parts = Parts::new(device, shape.channels(), 1).unwrap();
    let x = context.zeros(shape.elements()).unwrap();
    let add = bn.bind_part_moments(device, shape, &x, None, &parts, Part::AddTo(0)).unwrap();
    let momentum = Momentum::Exponential(1.0);
    let set = bn.bind_part_statistics(device, &state, &parts, momentum).unwrap();
    for _ in 0..2 {
        parts.clear(context.queue());
        for values in values.chunks(batch) {
            context.queue().write_buffer(&x, 0, bytemuck::cast_slice(values));
            context.run(|encoder| add.encode(encoder));
        }
        context.run(|encoder| set.encode(encoder));
    }
    let want = reference::statistics(whole, &values);
    let m = whole.count() as f64;
    let unbiased: Vec<f64> = want.variance.iter().map(|v| v * m / (m - 1.0)).collect();
    let read = |row| context.download(state.range(row)).unwrap();
    assert_close("mean", &read(Row::RunningMean), &want.mean, 0.0, tolerance::RUNNING);
    // The squared difference of means, which is most of it, is twice as far off as they are.
    let bound = 3.0 * tolerance::RUNNING;
    assert_close("variance", &read(Row::RunningVar), &unbiased, 0.0, bound);
}

/// Groups of samples are batches of their own, but that they share γ, β and running statistics.
#[test]
fn ghost_batches_are_batches() {
    let Some(context) = device::context() else { return };
    let device = context.device();
    let bn = BatchNorm::new(device, &BatchNormDescriptor::default()).unwrap();
    let weights: Vec<f32> = (0..10).map(|i| (i % 3) as f32).collect();
    for shape in [Shape::ncl(10, 4, 25), Shape::channels_last(500, 6)] {
        let (n, c) = (shape.elements() as usize, shape.channels() as usize);
        let (x, dy) = (Random(5).normals(n, 1.0), Random(6).normals(n, 0.1));
        let state = State::new(device, c as u32);
        let gamma = Random(7).signed(c);
        state.set(context.queue(), Row::Gamma, &gamma).unwrap();
        state.set_optimizer(context.queue(), &Optimizer::gradient_descent(0.5)).unwrap();
        let [x_gpu, dy_gpu] = [&x, &dy].map(|values| context.upload(values).unwrap());
        let [y_gpu, dx_gpu] = [(); 2].map(|_| context.zeros(n as u64).unwrap());
        let momentum = Momentum::Exponential(0.25);
        let training = Training { x: (&x_gpu).into(), y: (&y_gpu).into(), momentum };
        let weights_gpu = Weights::new(context.upload(&weights).unwrap(), 10);
        let extras = Extras { residual: None, weights: Some(weights_gpu) };
        let groups = 5;
        let forward =
            bn.bind_ghost_training(device, &state, shape, training, extras, groups).unwrap();
        let gradients =
            Gradients { dx: Some((&dx_gpu).into()), optimize: true, ..Default::default() };
        let backward = bn.bind_ghost_backward(device, &forward, &dy_gpu, gradients).unwrap();
        context.run(|encoder| {
            forward.encode(encoder);
            backward.encode(encoder);
        });
        let mut running = Statistics { mean: vec![0.0; c], variance: vec![1.0; c] };
        let (mut y, mut dx) = (Vec::new(), Vec::new());
        let (mut dgamma, mut dbeta) = (vec![0.0; c], vec![0.0; c]);
        let outer = shape.outer() / groups;
        let part = match shape.layout() {
            wgpu_batchnorm::Layout::ChannelsFirst => Shape::channels_first(outer, c as u32, 25),
            _ => Shape::channels_last(outer, c as u32),
        };
        let elements = part.elements() as usize;
        for (k, (x, dy)) in x.chunks(elements).zip(dy.chunks(elements)).enumerate() {
            let weights = &weights[2 * k..][..2];
            let extras = reference::Extras { weights: Some(weights), ..Default::default() };
            let batch = reference::weighted_statistics(part, x, extras);
            let (kind, m) = (Default::default(), extras.count(part));
            reference::update_running(&mut running, &batch, momentum, kind, 1, m);
            let affine = AffineParams { gamma: Some(&gamma), beta: None };
            y.extend(reference::forward(part, x, &batch, 1e-5, affine, extras));
            let g = reference::backward_with(part, x, dy, &batch, false, 1e-5, affine, extras);
            dx.extend(g.dx);
            dgamma.iter_mut().zip(g.dgamma).for_each(|(sum, v)| *sum += v);
            dbeta.iter_mut().zip(g.dbeta).for_each(|(sum, v)| *sum += v);
        }
        let read = |row| context.download(state.range(row)).unwrap();
        assert_close("y", &context.download(&y_gpu).unwrap(), &y, tolerance::Y, 0.0);
        assert_close("dx", &context.download(&dx_gpu).unwrap(), &dx, 1e-5, 0.0);
        assert_close("mean", &read(Row::RunningMean), &running.mean, 3e-7, 3e-7);
        assert_close("variance", &read(Row::RunningVar), &running.variance, 0.0, 5e-7);
        let stepped: Vec<f64> =
            gamma.iter().zip(&dgamma).map(|(&gamma, d)| gamma as f64 - 0.5 * d).collect();
        // Sums of some hundred terms of about 1.
        assert_close("dγ", &read(Row::DGamma), &dgamma, 3e-5, 1e-6);
        assert_close("dβ", &read(Row::DBeta), &dbeta, 3e-5, 1e-6);
        assert_close("γ", &read(Row::Gamma), &stepped, 2e-5, 1e-6);
    }
    let shape = Shape::nc(4, 3);
    let state = State::new(device, 3);
    let [x, y] = [(); 2].map(|_| context.zeros(12).unwrap());
    for groups in [0, 5] {
        let training = Training { x: (&x).into(), y: (&y).into(), momentum: Momentum::default() };
        let bound =
            bn.bind_ghost_training(device, &state, shape, training, Extras::default(), groups);
        assert_eq!(bound.unwrap_err(), Error::GroupCount { groups, outer: 4 });
    }
}

/// What one group reads another may write: tensors are apart as a whole, not group by group.
#[test]
fn ghost_batches_are_checked_as_a_whole() {
    let Some(context) = device::context() else { return };
    let device = context.device();
    let bn = BatchNorm::new(device, &BatchNormDescriptor::default()).unwrap();
    let (shape, bytes) = (Shape::nc(8, 4), 8 * 4 * 4);
    let state = State::new(device, 4);
    let page = context.zeros(shape.elements() * 4).unwrap();
    let at = |offset| BufferRange::new(&page, offset, bytes);
    let bind = |x, y, residual| {
        let training = Training { x, y, momentum: Momentum::default() };
        let extras = Extras { residual, weights: None };
        bn.bind_ghost_training(device, &state, shape, training, extras, 2)
    };
    let error = bind(at(0), at(bytes / 2), None).map(drop).unwrap_err();
    assert_eq!(error, Error::Overlap { written: "y", other: "x" });
    let far = BufferRange::new(&page, u64::MAX - 3, bytes);
    let error = bind(at(0), at(bytes), Some(far.clone())).map(drop).unwrap_err();
    assert!(matches!(error, Error::RangeOutOfBounds { name: "residual", .. }), "{error}");
    let forward = bind(at(0), at(bytes), None).unwrap();
    let differentiate = |dy: BufferRange, dx| {
        let gradients = Gradients { dx: Some(dx), ..Default::default() };
        bn.bind_ghost_backward(device, &forward, dy, gradients).map(drop)
    };
    let error = differentiate(at(2 * bytes), at(5 * bytes / 2)).unwrap_err();
    assert_eq!(error, Error::Overlap { written: "dx", other: "dy" });
    let error = differentiate(far, at(2 * bytes)).unwrap_err();
    assert!(matches!(error, Error::RangeOutOfBounds { name: "dy", .. }), "{error}");
    let short = BufferRange::new(&page, 2 * bytes, bytes - 4);
    let error = differentiate(short, at(3 * bytes)).unwrap_err();
    assert!(matches!(error, Error::BufferTooSmall { name: "dy", .. }), "{error}");
    differentiate(at(2 * bytes), at(3 * bytes)).unwrap();
}

#[test]
fn what_parts_cannot_do_is_an_error() {
    let Some(context) = device::context() else { return };
    let device = context.device();
    let bn = BatchNorm::new(device, &BatchNormDescriptor::default()).unwrap();
    let shape = Shape::nc(4, 3);
    let parts = Parts::new(device, 3, 2).unwrap();
    let state = State::new(device, 3);
    let [x, y, dy] = [(); 3].map(|_| context.zeros(12).unwrap());
    let bind = |part| bn.bind_part_moments(device, shape, &x, None, &parts, part).map(drop);
    assert_eq!(bind(Part::At(2)).unwrap_err(), Error::NoSuchPart { part: 2, parts: 2 });
    bind(Part::AddTo(1)).unwrap();
    let other = Shape::nc(4, 2);
    let bound = bn.bind_part_moments(device, other, &x, None, &parts, Part::At(0));
    assert_eq!(bound.map(drop).unwrap_err(), Error::ChannelMismatch { need: 2, have: 3 });
    let training = || Training { x: (&x).into(), y: (&y).into(), momentum: Momentum::default() };
    let renormalize = BatchNormDescriptor { renormalize: true, ..Default::default() };
    let renorm = bn.with_descriptor(&renormalize).unwrap();
    let extras = Extras::default();
    let bound = renorm.bind_part_normalize(device, &state, shape, training(), extras, &parts, true);
    assert!(matches!(bound.map(drop).unwrap_err(), Error::NotInParts(_)));
    let whole = bn.bind_training(device, &state, shape, training()).unwrap();
    let bound = bn.bind_part_sums(device, &whole, &dy, &parts, Part::At(0));
    assert!(matches!(bound.map(drop).unwrap_err(), Error::NotInParts(_)));
    assert!(parts.moments(2).is_none() && parts.sums(1).is_some());
    for (channels, count) in [(1 << 30, 1), (1 << 31, u32::MAX)] {
        let limit = Parts::new(device, channels, count).map(drop).unwrap_err();
        assert!(matches!(limit, Error::LimitExceeded { .. }), "{limit}");
    }
    let own = parts.moments(0).unwrap();
    let training = Training { x: (&x).into(), y: own, momentum: Momentum::default() };
    let extras = Extras::default();
    let bound = bn.bind_part_normalize(device, &state, shape, training, extras, &parts, true);
    let apart = Error::Overlap { written: "parts", other: "y" };
    assert_eq!(bound.map(drop).unwrap_err(), apart);
}
