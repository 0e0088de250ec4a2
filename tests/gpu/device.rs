//! The devices of the tests, and others with lower limits.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use wgpu_batchnorm::{Context, ContextOptions, wgpu};

/// A device compiles one kernel at a time, which is what the tests spend their time on.
const DEVICES: usize = 2;

/// How many tests are on each device.
static TESTS: Mutex<[usize; DEVICES]> = Mutex::new([0; DEVICES]);

/// A test, which is a thread, on one of the devices.
struct Seat(usize);

thread_local! {
    static SEAT: Seat = Seat::least_taken();
}

impl Seat {
    fn least_taken() -> Self {
        let mut tests = unpoisoned(&TESTS);
        let seat = (0..DEVICES).min_by_key(|&k| tests[k]).expect("a device");
        tests[seat] += 1;
        Self(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        unpoisoned(&TESTS)[self.0] -= 1;
    }
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is made once for each device.
pub struct OnEach<T>([OnceLock<T>; DEVICES]);

impl<T> OnEach<T> {
    pub const fn new() -> Self {
        Self([const { OnceLock::new() }; DEVICES])
    }

    /// Of the device of this test.
    pub fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        self.0[SEAT.with(|seat| seat.0)].get_or_init(make)
    }
}

/// The device of this test, or `None` if there is none and the environment says to skip.
pub fn context() -> Option<&'static Context> {
    static CONTEXTS: OnEach<Option<Context>> = OnEach::new();
    CONTEXTS.get_or_init(open).as_ref()
}

fn open() -> Option<Context> {
    let options = ContextOptions {
        adapter: std::env::var("WGPU_BATCHNORM_ADAPTER").ok(),
        lowest_limits: std::env::var_os("WGPU_BATCHNORM_LOWEST_LIMITS").is_some(),
    };
    match Context::with_options(&options) {
        Ok(context) => Some(context),
        Err(error) if std::env::var_os("WGPU_BATCHNORM_SKIP_GPU").is_some() => {
            println!("skipped, since WGPU_BATCHNORM_SKIP_GPU is set: {error}");
            None
        }
        Err(error) => panic!("{error}; or set WGPU_BATCHNORM_SKIP_GPU to skip what needs one"),
    }
}

/// A device of the same adapter whose bindings cover at most `max_binding` bytes.
pub fn with_max_binding(max_binding: u64) -> Option<Context> {
    others(max_binding, 1)?.pop()
}

/// Devices of one instance, of the same adapter.
pub fn others(max_binding: u64, count: usize) -> Option<Vec<Context>> {
    let required_limits =
        wgpu::Limits { max_storage_buffer_binding_size: max_binding, ..wgpu::Limits::default() };
    with_limits(&vec![required_limits; count])
}

/// Devices of one instance, of the same adapter, with these limits.
pub fn with_limits(limits: &[wgpu::Limits]) -> Option<Vec<Context>> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = unpoisoned(&ONE_AT_A_TIME);
    let wanted = context()?.adapter_info().name.clone();
    // As the context's: without debug information and validation, unless the environment says so.
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    descriptor.flags = wgpu::InstanceFlags::empty().with_env();
    let instance = wgpu::Instance::new(descriptor);
    let device = |limits: &wgpu::Limits| {
        let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
        let adapter = adapters.into_iter().find(|a| a.get_info().name == wanted);
        let required_limits = limits.clone();
        let descriptor = wgpu::DeviceDescriptor { required_limits, ..Default::default() };
        let request = adapter.expect("the adapter").request_device(&descriptor);
        let (device, queue) = pollster::block_on(request).expect("a device");
        Context::from_device(device, queue)
    };
    Some(limits.iter().map(device).collect())
}
