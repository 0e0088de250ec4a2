//! Many layers in one encoder, sub-ranges of one buffer, other people's passes, constant channels.

use crate::cases::Random;
use crate::device;
use wgpu_batchnorm::{
    Backward, BatchNorm, BatchNormDescriptor, BufferRange, Momentum, Row, Shape, State, Training,
    reference,
};

/// As frameworks do: all tensors are ranges of one buffer, and every layer shares the kernels.
#[test]
fn layers_record_into_one_encoder_and_share_a_buffer() {
    let Some(context) = device::context() else { return };
    let device = context.device();
    let shape = Shape::nchw(4, 6, 5, 5);
    let bytes = shape.elements() * 4;
    let bn = BatchNorm::new(device, &BatchNormDescriptor::default()).unwrap();
    let x = Random(5).normals(shape.elements() as usize, 1.0);
    let layers = 8;
    // Layer k reads tensor k and writes tensor k + 1; gradients come after.
    let mut page = vec![0f32; x.len() * (2 * layers + 2)];
    page[..x.len()].copy_from_slice(&x);
    let last = x.len() * (2 * layers + 1);
    page[last..].copy_from_slice(&Random(6).normals(x.len(), 0.0));
    let page = context.upload(&page).unwrap();
    let tensor = |k: usize| BufferRange::new(&page, k as u64 * bytes, bytes);
    let states: Vec<_> = (0..layers).map(|_| State::new(device, shape.channels())).collect();
    let forwards: Vec<_> = (0..layers)
        .map(|k| {
            let momentum = Momentum::Exponential(1.0);
            let training = Training { x: tensor(k), y: tensor(k + 1), momentum };
            bn.bind_training(device, &states[k], shape, training).unwrap()
        })
        .collect();
    let backwards: Vec<_> = (0..layers)
        .map(|k| {
            let (dx, dy) = (tensor(layers + 1 + k), tensor(layers + 2 + k));
            bn.bind_backward(device, &forwards[k], Backward { dy, dx }).unwrap()
        })
        .collect();
    context.run(|encoder| {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        forwards.iter().for_each(|f| f.encode_in(&mut pass));
        backwards.iter().rev().for_each(|b| b.encode_in(&mut pass));
    });
    // Normalised data stays as it is, but for ε.
    let y = context.download(tensor(layers)).unwrap();
    let statistics = reference::statistics(shape, &y);
    assert!(statistics.mean.iter().all(|m| m.abs() < 1e-6), "{statistics:?}");
    assert!(statistics.variance.iter().all(|v| (v - 1.0).abs() < 2e-4), "{statistics:?}");
    let variance = context.download(states[layers - 1].range(Row::RunningVar)).unwrap();
    let m = shape.count() as f64;
    assert!(variance.iter().all(|&v| (v as f64 * (m - 1.0) / m - 1.0).abs() < 2e-4));
    let dx = context.download(tensor(layers + 1)).unwrap();
    assert!(dx.iter().all(|v| v.is_finite()) && dx.iter().any(|&v| v != 0.0));
}

/// A constant channel has variance 0, so y is β to the last bit and dx is finite.
#[test]
fn constant_channels_give_beta() {
    let Some(context) = device::context() else { return };
    let device = context.device();
    let bn = BatchNorm::new(device, &BatchNormDescriptor::default()).unwrap();
    let constants = [100.0, 0.1, 1e7, 1e10, -3.3];
    let beta = [0.1, -2.0, 3.7, 1e-3, 0.0];
    for shape in [
        Shape::nchw(3, 5, 7, 7),
        Shape::nchw(8, 40, 7, 7),
        Shape::nchw(9, 5, 16, 16),
        Shape::ncl(1, 5, 50_000),
        Shape::channels_last(1_001, 5),
    ] {
        let value = |i: u64| constants[(i / shape.inner() % 5) as usize];
        let x: Vec<f32> = (0..shape.elements()).map(value).collect();
        let state = State::new(device, shape.channels());
        let repeated = |five: [f32; 5]| five.repeat(shape.channels() as usize / 5);
        state.set(context.queue(), Row::Beta, &repeated(beta)).unwrap();
        let x = context.upload(&x).unwrap();
        let y = context.zeros(shape.elements()).unwrap();
        let dx = context.zeros(shape.elements()).unwrap();
        let dy = context.upload(&Random(1).normals(shape.elements() as usize, 0.0)).unwrap();
        let momentum = Momentum::Exponential(1.0);
        let training = Training { x: (&x).into(), y: (&y).into(), momentum };
        let forward = bn.bind_training(device, &state, shape, training).unwrap();
        let tensors = Backward { dy: dy.into(), dx: (&dx).into() };
        let backward = bn.bind_backward(device, &forward, tensors).unwrap();
        context.run(|encoder| {
            forward.encode(encoder);
            backward.encode(encoder);
        });
        let y = context.download(&y).unwrap();
        for (i, y) in y.iter().enumerate() {
            let beta = beta[(i as u64 / shape.inner() % 5) as usize];
            assert_eq!(y.to_bits(), beta.to_bits(), "{shape} y[{i}]");
        }
        let variance = context.download(state.range(Row::RunningVar)).unwrap();
        assert_eq!(variance, repeated([0.0; 5]), "{shape}");
        let mean = context.download(state.range(Row::RunningMean)).unwrap();
        assert_eq!(mean, repeated(constants), "{shape}");
        assert!(context.download(&dx).unwrap().iter().all(|v| v.is_finite()));
    }
}

/// Two devices' worth of layers and one configuration used by several threads.
#[test]
fn a_configuration_is_shared_between_threads() {
    let Some(context) = device::context() else { return };
    let device = context.device();
    let shape = Shape::nc(64, 8);
    let bn = BatchNorm::new(device, &BatchNormDescriptor::default()).unwrap();
    let x = Random(3).normals(shape.elements() as usize, 2.0);
    let input = context.upload(&x).unwrap();
    let results: Vec<Vec<f32>> = std::thread::scope(|scope| {
        let run = || {
            let state = State::new(device, shape.channels());
            let y = context.zeros(shape.elements()).unwrap();
            let momentum = Momentum::Cumulative;
            let training = Training { x: (&input).into(), y: (&y).into(), momentum };
            let forward = bn.bind_training(device, &state, shape, training).unwrap();
            context.run(|encoder| forward.encode(encoder));
            context.download(&y).unwrap()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|t| t.join().expect("no panic")).collect()
    });
    let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert!(results.iter().all(|r| bits(r) == bits(&results[0])));
}

/// Reading without blocking a thread gives what blocking gives.
#[test]
fn downloads_agree_blocking_and_not() {
    let Some(context) = device::context() else { return };
    let values = Random(9).normals(1000, 0.0);
    let buffer = context.upload(&values).unwrap();
    assert_eq!(context.download(&buffer).unwrap(), values);
    assert_eq!(pollster::block_on(context.download_async(&buffer)).unwrap(), values);
    let words = context.download_words(&buffer).unwrap();
    assert!(words.iter().zip(&values).all(|(word, value)| *word == value.to_bits()));
    assert_eq!(pollster::block_on(context.download_words_async(&buffer)).unwrap(), words);
    // Bytes may start and end anywhere in a word.
    let all: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    for (start, size) in [(0, 4_000), (2, 6), (5, 3), (7, 2), (3_998, 2)] {
        let range = || BufferRange::new(&buffer, start, size);
        let want = &all[start as usize..][..size as usize];
        assert_eq!(context.download_bytes(range()).unwrap(), want);
        assert_eq!(pollster::block_on(context.download_bytes_async(range())).unwrap(), want);
    }
}

/// The backward pass follows the configuration and the plan of its forward pass, whoever binds it.
#[test]
fn any_configuration_binds_the_backward_pass_alike() {
    let Some(context) = device::context() else { return };
    let device = context.device();
    let shape = Shape::ncl(2, 2, 20_000);
    let bn = BatchNorm::new(device, &BatchNormDescriptor::default()).unwrap();
    let plain = BatchNormDescriptor { scale: false, epsilon: 0.5, ..Default::default() };
    let gpu = wgpu_batchnorm::plan::Adapter { is_cpu: false, ..*bn.adapter() };
    let others = [
        bn.with_descriptor(&plain).unwrap(),
        BatchNorm::with_adapter(device, &plain, gpu).unwrap(),
    ];
    let state = State::new(device, shape.channels());
    state.set(context.queue(), Row::Gamma, &[3.0, -2.0]).unwrap();
    let n = shape.elements() as usize;
    let x = context.upload(&Random(1).normals(n, 1.0)).unwrap();
    let dy = context.upload(&Random(2).normals(n, 0.0)).unwrap();
    let y = context.zeros(n as u64).unwrap();
    let momentum = Momentum::default();
    let training = Training { x: (&x).into(), y: (&y).into(), momentum };
    let forward = bn.bind_training(device, &state, shape, training).unwrap();
    let gradient = |bn: &BatchNorm| {
        let dx = context.zeros(n as u64).unwrap();
        let tensors = Backward { dy: (&dy).into(), dx: (&dx).into() };
        let backward = bn.bind_backward(device, &forward, tensors).unwrap();
        context.run(|encoder| {
            forward.encode(encoder);
            backward.encode(encoder);
        });
        context.download(&dx).unwrap()
    };
    let want = gradient(&bn);
    assert!(others.iter().all(|other| gradient(other) == want));
}
