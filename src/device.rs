//! Small helpers around a wgpu device: errors as results, buffers with contents.

use crate::Error;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Runs `create` and returns the gravest error that wgpu has for it, instead of letting it reach
/// the device's uncaptured-error handler, which panics by default.
///
/// In a browser the answer comes later than this function returns; there the error goes the usual
/// way, to the handler.
pub fn scoped<T>(device: &wgpu::Device, create: impl FnOnce() -> T) -> Result<T, Error> {
    if cfg!(target_arch = "wasm32") {
        return Ok(create());
    }
    let filters = [
        wgpu::ErrorFilter::OutOfMemory,
        wgpu::ErrorFilter::Internal,
        wgpu::ErrorFilter::Validation,
    ];
    let scopes = filters.map(|filter| device.push_error_scope(filter));
    let created = create();
    // Of several the outermost says most: without memory a buffer is invalid, too.
    let mut found = None;
    for scope in scopes.into_iter().rev() {
        if let Some(Some(error)) = now(scope.pop()) {
            found = Some(error);
        }
    }
    match found {
        None => Ok(created),
        Some(error) => Err(Error::Wgpu(error.to_string())),
    }
}

/// What a future gives without waiting; `None` if it is not ready.
pub fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// A buffer that holds `contents`. Call it within [`scoped`].
pub fn buffer_with(
    device: &wgpu::Device,
    label: &str,
    contents: &[u8],
    usage: wgpu::BufferUsages,
) -> wgpu::Buffer {
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        size: (contents.len() as u64).next_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT).max(4),
        usage,
        mapped_at_creation: true,
    });
    // Fails only where the buffer could not be created, which the error scope knows.
    if let Ok(mut view) = buffer.slice(..).get_mapped_range_mut() {
        view.slice(..contents.len()).copy_from_slice(contents);
    }
    buffer.unmap();
    buffer
}
