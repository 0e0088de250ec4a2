//! The one device of the tests, and others with lower limits.

use std::sync::{LazyLock, Mutex, PoisonError};
use wgpu_batchnorm::{Context, ContextOptions, wgpu};

static CONTEXT: LazyLock<Option<Context>> = LazyLock::new(|| {
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
});

/// The device, or `None` if there is none and the environment says to skip.
pub fn context() -> Option<&'static Context> {
    CONTEXT.as_ref()
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
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
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
