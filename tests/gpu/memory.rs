//! Memory that there is not, and buffers that are mapped: errors, after which the device goes on.

use crate::cases::Random;
use crate::step::Step;
use crate::{child, device};
use std::sync::{Arc, Mutex};
use wgpu_batchnorm::{
    BatchNorm, BatchNormDescriptor, Context, Error, Momentum, Shape, State, Training, wgpu,
};

/// A training step is right, with everything about it new.
#[track_caller]
fn assert_works(context: &Context) {
    let shape = Shape::nchw(4, 6, 5, 5);
    let n = shape.elements() as usize;
    let (x, dy) = (Random(1).normals(n, 3.0), Random(2).normals(n, 0.0));
    let bn = BatchNorm::new(context.device(), &BatchNormDescriptor::default()).expect("a layer");
    let step = Step::bind(context, &bn, shape, &x, &dy).expect("a step");
    step.run().expect("a run").assert_right("afterwards", shape, &x, &dy);
}

/// Bytes of this process's address space.
#[cfg(target_os = "linux")]
fn address_space() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("a process of Linux");
    let pages = pages.split_whitespace().next().expect("a size");
    pages.parse::<u64>().expect("a number") * 4096
}

/// Lets the address space of this process grow by no more than `bytes`, with the program of
/// util-linux; `None` lifts the limit. False if there is no such program.
#[cfg(target_os = "linux")]
fn allow_to_grow(bytes: Option<u64>) -> bool {
    let limit = bytes.map_or("unlimited".into(), |bytes| (address_space() + bytes).to_string());
    let mut command = std::process::Command::new("prlimit");
    command.arg(format!("--pid={}", std::process::id())).arg(format!("--as={limit}:"));
    command.status().is_ok_and(|status| status.success())
}

/// A process whose address space ends: what does not fit is an error and no abort, and what fits
/// works.
///
/// One thing is beyond the crate: wgpu 30 gives up the device where it finds no memory for a copy of
/// its own, through which data go to the GPU. So an upload may end as [`Error::DeviceLost`].
#[cfg(target_os = "linux")]
#[test]
fn no_memory_is_an_error() {
    const MIB: u64 = 1 << 20;
    let Some(context) = device::context() else { return };
    if context.adapter_info().device_type != wgpu::DeviceType::Cpu {
        println!("skipped: the memory of {} is not the process's", context.adapter_info().name);
        return;
    }
    if !child::is_one() {
        let answers = child::run("memory::no_memory_is_an_error", &[]);
        return answers.iter().for_each(|answer| println!("{answer}"));
    }
    let device = context.device();
    let bn = BatchNorm::new(device, &BatchNormDescriptor::default()).expect("a layer");
    // Saved statistics of so many channels take 88 MiB.
    let wide = Shape::nc(2, 2 << 20);
    let state = State::new(device, wide.channels());
    let [x, y] = [(); 2].map(|_| context.zeros(wide.elements()).expect("a tensor"));
    let values = vec![1f32; (64 * MIB / 4) as usize];
    // What the driver sets up once, and kernels.
    assert_works(context);

    if !allow_to_grow(Some(256 * MIB)) {
        return child::answer("skipped: there is no `prlimit` of util-linux");
    }
    let refused = |what: &str, result: Result<(), Error>| {
        let error = result.expect_err(what);
        assert!(matches!(error, Error::Wgpu(_)), "{what}: {error}");
        child::answer(format!("{what}: {error}").replace('\n', " "));
        assert_works(context);
    };
    let host = Vec::<u8>::new().try_reserve_exact(1024 * MIB as usize);
    host.expect_err("the process is limited");
    let large = context.zeros(256 * MIB);
    if large.is_ok() {
        // As with Mesa 25.0 and later.
        assert!(allow_to_grow(None));
        return child::answer("skipped: the driver's memory is not limited so");
    }
    refused("1 GiB at once", large.map(drop));
    // As a training job fills memory: tensor by tensor, until there is none for scratch memory.
    let mut tensors = Vec::new();
    let full = (0..1000).find_map(|_| context.zeros(8 * MIB).map(|t| tensors.push(t)).err());
    let training = Training { x: x.into(), y: y.into(), momentum: Momentum::default() };
    let bound = bn.bind_training(device, &state, wide, training.clone()).map(drop);
    drop(tensors);
    refused("tensor by tensor", full.map_or(Ok(()), Err));
    refused("scratch memory", bound);
    bn.bind_training(device, &state, wide, training).expect("now that there is memory");

    let many: Result<Vec<_>, _> = (0..100).map(|_| context.upload(&values)).collect();
    let error = many.expect_err("100 uploads");
    assert!(matches!(error, Error::Wgpu(_) | Error::DeviceLost), "{error}");
    let lost = context.zeros(1).is_err();
    child::answer(format!("uploads: {error} (device lost: {lost})").replace('\n', " "));
    assert!(allow_to_grow(None));
    if lost {
        let context = Context::new().expect("another device");
        assert_works(&context);
    } else {
        assert_works(context);
    }
}

/// A tensor that is mapped can be bound, since nothing is read yet. Submitting it is what wgpu
/// refuses, and its answer goes to the device's uncaptured-error handler, not to `encode`, which
/// has no way to fail. Nothing is written, and unmapped it works.
#[test]
fn a_mapped_tensor_is_refused_at_submit() {
    let Some(context) = device::with_max_binding(1 << 27) else { return };
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = heard.clone();
    context.device().on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        sink.lock().expect("no panic while it is held").push(error.to_string());
    }));
    let shape = Shape::nc(64, 8);
    let n = shape.elements() as usize;
    let values = Random(1).normals(n, 1.0);
    let x = context.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("a mapped tensor"),
        size: shape.elements() * 4,
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: true,
    });
    let bn = BatchNorm::new(context.device(), &BatchNormDescriptor::default()).expect("a layer");
    let dy = context.upload(&Random(2).normals(n, 0.0)).expect("dy");
    let step = Step::bind_to(&context, &bn, shape, (&x).into(), dy.into()).expect("a step");
    let before = step.read().expect("what was there");
    context.run(|encoder| step.encode(encoder));
    let errors = std::mem::take(&mut *heard.lock().expect("no panic"));
    assert!(errors.len() == 1 && errors[0].contains("still mapped"), "{errors:?}");
    assert!(errors[0].contains("a mapped tensor"), "{errors:?}");
    assert_eq!(step.read().expect("what was there"), before);
    let mut view = x.slice(..).get_mapped_range_mut().expect("a mapped buffer");
    view.slice(..)
        .copy_from_slice(&values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>());
    drop(view);
    x.unmap();
    let have = step.run().expect("a run");
    have.assert_right("unmapped", shape, &values, &Random(2).normals(n, 0.0));
    assert_eq!(*heard.lock().expect("no panic"), [""; 0]);
}
