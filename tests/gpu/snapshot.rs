//! Snapshots and resets of a state on the GPU: every bit, and nothing beside.

use crate::cases::Random;
use crate::device;
use wgpu_batchnorm::{
    BatchNorm, BatchNormDescriptor, Context, Error, Momentum, Row, Shape, Snapshot, State,
    Training, reference,
};

const ALL: [Row; 7] = [
    Row::Gamma,
    Row::Beta,
    Row::RunningMean,
    Row::RunningVar,
    Row::Batches,
    Row::DGamma,
    Row::DBeta,
];

fn rows(context: &Context, state: &State) -> Vec<Vec<u32>> {
    ALL.map(|row| context.download_words(state.range(row)).unwrap()).to_vec()
}

/// Words without a pattern: NaN with payloads and denormal numbers are among them.
fn random(channels: u32) -> Snapshot {
    let mut random = Random(channels as u64);
    let mut row = || (0..channels).map(|_| f32::from_bits(random.next_u64() as u32)).collect();
    let (gamma, beta, running_mean) = (row(), row(), row());
    Snapshot { gamma, beta, running_mean, running_var: row(), batches: 0xfedc_ba98 }
}

fn words(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn a_new_state_is_a_new_snapshot() {
    let Some(context) = device::context() else { return };
    for channels in [1, 3, 64, 65, 1000] {
        let state = State::new(context.device(), channels);
        assert_eq!(context.snapshot(&state).unwrap(), Snapshot::new(channels));
    }
}

#[test]
fn what_is_loaded_comes_back_bit_by_bit() {
    let Some(context) = device::context() else { return };
    for channels in [1, 63, 64, 65, 4097] {
        let state = State::new(context.device(), channels);
        let gradient = vec![0.5; channels as usize];
        state.set(context.queue(), Row::DGamma, &gradient).unwrap();
        let want = random(channels);
        state.load(context.queue(), &want).unwrap();
        let asynchronous = pollster::block_on(context.snapshot_async(&state)).unwrap();
        for have in [context.snapshot(&state).unwrap(), asynchronous] {
            assert_eq!(words(&have.gamma), words(&want.gamma));
            assert_eq!(words(&have.beta), words(&want.beta));
            assert_eq!(words(&have.running_mean), words(&want.running_mean));
            assert_eq!(words(&have.running_var), words(&want.running_var));
            assert_eq!(have.batches, want.batches);
        }
        let rows = rows(context, &state);
        assert_eq!(rows[4], vec![want.batches; channels as usize]);
        assert_eq!(rows[5], words(&gradient), "gradients stay");
    }
}

#[cfg(feature = "safetensors")]
#[test]
fn a_file_goes_through_the_gpu_and_back() {
    let Some(context) = device::context() else { return };
    let bytes = random(130).to_safetensors("layer1.0.bn1").unwrap();
    let state = State::new(context.device(), 130);
    let snapshot = Snapshot::from_safetensors(&bytes, "layer1.0.bn1").unwrap();
    state.load(context.queue(), &snapshot).unwrap();
    let read = context.snapshot(&state).unwrap();
    assert_eq!(read.to_safetensors("layer1.0.bn1").unwrap(), bytes);
}

#[test]
fn a_refused_snapshot_leaves_the_state_alone() {
    let Some(context) = device::context() else { return };
    let state = State::new(context.device(), 3);
    let before = rows(context, &state);
    let long = || vec![9.0; 4];
    let good = random(3);
    for (name, snapshot) in [
        ("gamma", Snapshot { gamma: long(), ..good.clone() }),
        ("beta", Snapshot { beta: long(), ..good.clone() }),
        ("running_mean", Snapshot { running_mean: long(), ..good.clone() }),
        ("running_var", Snapshot { running_var: long(), ..good.clone() }),
    ] {
        let error = state.load(context.queue(), &snapshot).unwrap_err();
        assert_eq!(error, Error::LengthMismatch { name, need: 3, have: 4 });
    }
    assert_eq!(rows(context, &state), before);
}

/// Training sees what was loaded, and a snapshot sees what training wrote.
#[test]
fn training_goes_on_from_a_snapshot() {
    let Some(context) = device::context() else { return };
    let device = context.device();
    let shape = Shape::nc(16, 5);
    let bn = BatchNorm::new(device, &BatchNormDescriptor::default()).unwrap();
    let x = Random(8).normals(shape.elements() as usize, 2.0);
    let input = context.upload(&x).unwrap();
    let y = context.zeros(shape.elements()).unwrap();
    let state = State::new(device, 5);
    let start = Snapshot { running_mean: vec![1.0; 5], batches: 9, ..Snapshot::new(5) };
    state.load(context.queue(), &start).unwrap();
    let momentum = Momentum::Cumulative;
    let training = Training { x: (&input).into(), y: (&y).into(), momentum };
    let forward = bn.bind_training(device, &state, shape, training).unwrap();
    context.run(|encoder| forward.encode(encoder));
    let have = context.snapshot(&state).unwrap();
    assert_eq!((have.batches, &have.gamma), (10, &start.gamma));
    let mean = reference::statistics(shape, &x).mean;
    for (have, mean) in have.running_mean.iter().zip(mean) {
        assert!((*have as f64 - (0.9 + 0.1 * mean)).abs() < 1e-6);
    }
}

#[test]
fn resets_touch_what_they_say() {
    let Some(context) = device::context() else { return };
    for channels in [1, 64, 70] {
        let new = rows(context, &State::new(context.device(), channels));
        let state = State::new(context.device(), channels);
        let (queue, marks) = (context.queue(), vec![3.5; channels as usize]);
        state.load(queue, &random(channels)).unwrap();
        state.set(queue, Row::DGamma, &marks).unwrap();
        state.set(queue, Row::DBeta, &marks).unwrap();
        let before = rows(context, &state);
        state.reset_running(queue).unwrap();
        let after = rows(context, &state);
        for (index, row) in ALL.into_iter().enumerate() {
            let running = matches!(row, Row::RunningMean | Row::RunningVar | Row::Batches);
            let want = if running { &new } else { &before };
            assert_eq!(after[index], want[index], "{row:?}");
        }
        state.load(queue, &random(channels)).unwrap();
        state.reset(queue).unwrap();
        assert_eq!(rows(context, &state), new);
    }
}

#[test]
fn a_state_that_could_not_be_made_says_so() {
    let Some(context) = device::with_max_binding(1 << 16) else { return };
    let state = State::new(context.device(), 20_000);
    let refused = |result: Result<(), Error>| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::LimitExceeded { .. }), "{error}");
    };
    refused(state.load(context.queue(), &Snapshot::new(20_000)));
    refused(state.reset(context.queue()));
    refused(state.reset_running(context.queue()));
    refused(context.snapshot(&state).map(drop));
}
