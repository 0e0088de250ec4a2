//! The control of `cargo xtask validate`: what Vulkan's validation layer must report, so that its
//! silence about everything else means something.

use crate::device;
use wgpu_batchnorm::wgpu::hal::vulkan;

/// A buffer of no bytes, and two writes to the same bytes without a barrier: one mistake that any
/// validation reports, one that only synchronization validation does. Drivers put up with both.
#[test]
#[ignore = "it is wrong on purpose, for `cargo xtask validate`"]
fn what_the_layer_must_report() {
    let Some(context) = device::context() else { return };
    let buffer = context.zeros(64).expect("a buffer");
    let mut encoder = context.device().create_command_encoder(&Default::default());
    // SAFETY: The handles are used while their owners live, and are not destroyed. The buffer of no
    // bytes is invalid on purpose: a driver may refuse it, and it is bound to nothing.
    unsafe {
        let device = context.device().as_hal::<vulkan::Api>().expect("a device of Vulkan");
        let raw = device.raw_device();
        if let Ok(empty) = raw.create_buffer(&Default::default(), None) {
            raw.destroy_buffer(empty, None);
        }
        let buffer = buffer.as_hal::<vulkan::Api>().expect("a buffer of Vulkan").raw_handle();
        encoder.as_hal_mut::<vulkan::Api, _, _>(|encoder| {
            let encoder = encoder.expect("an encoder of Vulkan").raw_handle();
            raw.cmd_fill_buffer(encoder, buffer, 0, 256, 1);
            raw.cmd_fill_buffer(encoder, buffer, 0, 256, 2);
        });
    }
    context.queue().submit([encoder.finish()]);
    context.wait().expect("the work is done");
}
