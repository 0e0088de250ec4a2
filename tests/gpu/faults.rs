//! What goes wrong around the crate: lost devices, destroyed and foreign buffers, no memory. None
//! of it may panic, abort or hang.

use crate::device;
use wgpu_batchnorm::{
    BatchNorm, BatchNormDescriptor, BufferRange, Context, ContextOptions, Error, Momentum, Shape,
    State, Training, wgpu,
};

const SHAPE: Shape = Shape::nc(64, 8);

/// A device of its own for each test, so that losing it hurts nobody.
fn own() -> Option<Context> {
    device::with_max_binding(1 << 27)
}

fn bind(context: &Context, x: &wgpu::Buffer, y: &wgpu::Buffer) -> Result<(), Error> {
    let bn = BatchNorm::new(context.device(), &BatchNormDescriptor::default())?;
    let state = State::new(context.device(), SHAPE.channels());
    let training = Training { x: x.into(), y: y.into(), momentum: Momentum::default() };
    let forward = bn.bind_training(context.device(), &state, SHAPE, training)?;
    context.run(|encoder| forward.encode(encoder));
    context.wait()
}

#[test]
fn a_destroyed_device_is_an_error() {
    let Some(shared) = device::context() else { return };
    let adapter = Some(shared.adapter_info().name.clone());
    let options = ContextOptions { adapter, ..Default::default() };
    let context = Context::with_options(&options).unwrap();
    let x = context.zeros(SHAPE.elements()).unwrap();
    let y = context.zeros(SHAPE.elements()).unwrap();
    bind(&context, &x, &y).unwrap();
    context.device().destroy();
    // The callback comes with a poll.
    let _ = context.device().poll(wgpu::PollType::Poll);
    bind(&context, &x, &y).unwrap_err();
    assert_eq!(context.upload(&[1.0]).unwrap_err(), Error::DeviceLost);
    assert_eq!(context.zeros(4).unwrap_err(), Error::DeviceLost);
    assert_eq!(context.download(&y).unwrap_err(), Error::DeviceLost);
    assert_eq!(context.wait().unwrap_err(), Error::DeviceLost);
}

/// A device of the caller's, whose device-lost callback is the caller's.
#[test]
fn a_destroyed_device_of_the_callers_is_an_error() {
    let Some(context) = own() else { return };
    let x = context.zeros(SHAPE.elements()).unwrap();
    let y = context.zeros(SHAPE.elements()).unwrap();
    bind(&context, &x, &y).unwrap();
    context.device().destroy();
    bind(&context, &x, &y).unwrap_err();
    context.download(&y).unwrap_err();
}

#[test]
fn a_device_destroyed_during_work_is_no_panic() {
    let Some(context) = own() else { return };
    let x = context.zeros(SHAPE.elements()).unwrap();
    let y = context.zeros(SHAPE.elements()).unwrap();
    let bn = BatchNorm::new(context.device(), &BatchNormDescriptor::default()).unwrap();
    let state = State::new(context.device(), SHAPE.channels());
    let training = Training { x: (&x).into(), y: (&y).into(), momentum: Momentum::default() };
    let forward = bn.bind_training(context.device(), &state, SHAPE, training).unwrap();
    context.run(|encoder| forward.encode(encoder));
    context.device().destroy();
    // Whether what was submitted still ends is the driver's choice; that something is said is ours.
    let _ = context.wait();
    context.download(&y).unwrap_err();
}

#[test]
fn a_destroyed_buffer_is_an_error() {
    let Some(context) = own() else { return };
    let x = context.zeros(SHAPE.elements()).unwrap();
    let y = context.zeros(SHAPE.elements()).unwrap();
    y.destroy();
    context.download(&y).unwrap_err();
    bind(&context, &x, &y).unwrap_err();
    // The device goes on.
    let y = context.zeros(SHAPE.elements()).unwrap();
    bind(&context, &x, &y).unwrap();
}

#[test]
fn a_buffer_of_another_device_is_an_error() {
    // Of one instance: wgpu cannot tell the buffers of different instances apart.
    let Some(devices) = device::others(1 << 27, 2) else { return };
    let (context, other) = (&devices[0], &devices[1]);
    let x = context.zeros(SHAPE.elements()).unwrap();
    let foreign = other.zeros(SHAPE.elements()).unwrap();
    let error = bind(context, &x, &foreign).unwrap_err();
    assert!(matches!(error, Error::Wgpu(_)), "{error}");
    let error = context.download(&foreign).unwrap_err();
    assert!(matches!(error, Error::Wgpu(_)), "{error}");
    let y = context.zeros(SHAPE.elements()).unwrap();
    bind(context, &x, &y).unwrap();
}

#[test]
fn more_than_the_largest_buffer_is_an_error() {
    let Some(context) = own() else { return };
    for elements in [1 << 40, u64::MAX / 4, u64::MAX] {
        let error = context.zeros(elements).unwrap_err();
        assert!(matches!(error, Error::Wgpu(_)), "{error}");
    }
}

#[test]
fn an_empty_range_downloads_nothing() {
    let Some(context) = device::context() else { return };
    let x = context.upload(&[1.0, 2.0]).unwrap();
    assert_eq!(context.download(BufferRange::new(&x, 4, 0)).unwrap(), [0f32; 0]);
    assert_eq!(context.download(BufferRange::new(&x, 4, 4)).unwrap(), [2.0]);
    context.download(BufferRange::new(&x, 4, 8)).unwrap_err();
    context.download(BufferRange::new(&x, 2, 4)).unwrap_err();
}

#[test]
fn waiting_ends_when_the_caller_says() {
    let Some(context) = device::context() else { return };
    let context = context.clone().with_timeout(std::time::Duration::from_nanos(1));
    let shape = Shape::nc(1 << 16, 64);
    let bn = BatchNorm::new(context.device(), &BatchNormDescriptor::default()).unwrap();
    let state = State::new(context.device(), shape.channels());
    let x = context.zeros(shape.elements()).unwrap();
    let y = context.zeros(shape.elements()).unwrap();
    let training = Training { x: (&x).into(), y: (&y).into(), momentum: Momentum::default() };
    let forward = bn.bind_training(context.device(), &state, shape, training).unwrap();
    context.run(|encoder| (0..20).for_each(|_| forward.encode(encoder)));
    let error = context.wait().unwrap_err();
    assert!(matches!(error, Error::Timeout(_)), "{error}");
    context.with_timeout(std::time::Duration::from_secs(60)).wait().unwrap();
}
