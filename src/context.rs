//! The easy path: a device of its own, uploads, downloads. Nothing here that a caller could not
//! write with wgpu and the rest of the crate.

use crate::{BatchNorm, BufferRange, Error, device};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How to choose an adapter.
#[derive(Clone, Debug, Default)]
pub struct ContextOptions {
    /// Take the first adapter whose name contains this, ignoring case; `None` takes the best GPU,
    /// or a software adapter where there is none.
    pub adapter: Option<String>,
    /// Ask for the lowest limits that WebGPU guarantees, instead of all that the adapter has, and for
    /// no features that kernels can do without.
    pub lowest_limits: bool,
}

/// A device and its queue, with blocking and asynchronous helpers.
///
/// ```no_run
/// # fn main() -> Result<(), wgpu_batchnorm::Error> {
/// use wgpu_batchnorm::{BatchNorm, BatchNormDescriptor, Context, Inference, Shape, State};
///
/// let context = Context::new()?;
/// let shape = Shape::nc(2, 3);
/// let bn = BatchNorm::new(context.device(), &BatchNormDescriptor::default())?;
/// let state = State::new(context.device(), shape.channels());
/// let x = context.upload(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
/// let y = context.zeros(shape.elements())?;
/// let tensors = Inference { x: (&x).into(), y: (&y).into() };
/// let forward = bn.bind_inference(context.device(), &state, shape, tensors)?;
/// context.run(|encoder| forward.encode(encoder));
/// println!("{:?}", context.download(&y)?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Context {
    adapter: wgpu::AdapterInfo,
    device: wgpu::Device,
    queue: wgpu::Queue,
    timeout: Duration,
    lost: Arc<AtomicBool>,
}

impl Context {
    /// The best adapter there is, blocking.
    ///
    /// # Errors
    /// [`Error::NoAdapter`], [`Error::NoDevice`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn new() -> Result<Self, Error> {
        Self::with_options(&ContextOptions::default())
    }

    /// As [`request`](Self::request), blocking.
    ///
    /// # Errors
    /// [`Error::NoAdapter`], [`Error::NoDevice`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn with_options(options: &ContextOptions) -> Result<Self, Error> {
        pollster::block_on(Self::request(options))
    }

    /// Asks for an adapter and a device with all its limits, and, where it has them, with timestamps and
    /// [what makes kernels faster](BatchNorm::useful_features).
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if there is none, or none of that name; [`Error::NoDevice`] if it
    /// refuses.
    pub async fn request(options: &ContextOptions) -> Result<Self, Error> {
        let none = |reason: String| Error::NoAdapter { name: options.adapter.clone(), reason };
        if wgpu::Instance::enabled_backend_features().is_empty() {
            return Err(none("no backend of wgpu is compiled in for this platform".into()));
        }
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        // Debug information and validation layers are for those who ask for them.
        descriptor.flags = wgpu::InstanceFlags::empty().with_env();
        let instance = wgpu::Instance::new(descriptor);
        let adapter = match &options.adapter {
            None => instance
                .request_adapter(&wgpu::RequestAdapterOptions {
                    power_preference: wgpu::PowerPreference::HighPerformance,
                    ..Default::default()
                })
                .await
                .map_err(|error| none(error.to_string()))?,
            Some(name) => {
                let adapters = instance.enumerate_adapters(wgpu::Backends::all()).await;
                let names: Vec<_> = adapters.iter().map(|a| a.get_info().name).collect();
                let wanted = name.to_lowercase();
                adapters
                    .into_iter()
                    .find(|a| a.get_info().name.to_lowercase().contains(&wanted))
                    .ok_or_else(|| none(format!("there are {names:?}")))?
            }
        };
        let useful = match options.lowest_limits {
            true => wgpu::Features::empty(),
            false => BatchNorm::useful_features(&adapter),
        };
        let (device, queue) = adapter
            .request_device(&wgpu::DeviceDescriptor {
                label: Some("batch_norm"),
                required_features: useful | (adapter.features() & wgpu::Features::TIMESTAMP_QUERY),
                required_limits: match options.lowest_limits {
                    true => wgpu::Limits::default(),
                    false => adapter.limits(),
                },
                ..Default::default()
            })
            .await
            .map_err(|error| Error::NoDevice(error.to_string()))?;
        let context = Self::from_device(device, queue);
        let lost = context.lost.clone();
        context.device.set_device_lost_callback(move |_, _| lost.store(true, Ordering::Relaxed));
        Ok(context)
    }

    /// Wraps a device of the caller's, whose device-lost callback stays the caller's: only a device
    /// of the context's own is known to be lost before it is used.
    pub fn from_device(device: wgpu::Device, queue: wgpu::Queue) -> Self {
        let timeout = Duration::from_secs(60);
        Self { adapter: device.adapter_info(), device, queue, timeout, lost: Arc::default() }
    }

    fn check_not_lost(&self) -> Result<(), Error> {
        if self.lost.load(Ordering::Relaxed) { Err(Error::DeviceLost) } else { Ok(()) }
    }

    /// Sets how long blocking calls wait for the device; 60 s at first.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The device.
    pub fn device(&self) -> &wgpu::Device {
        &self.device
    }

    /// The queue.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    /// The adapter behind the device.
    pub fn adapter_info(&self) -> &wgpu::AdapterInfo {
        &self.adapter
    }

    /// A tensor on the GPU with the given values.
    ///
    /// # Errors
    /// [`Error::Wgpu`] if the device is out of memory or allows no buffer of that size;
    /// [`Error::DeviceLost`].
    pub fn upload(&self, values: &[f32]) -> Result<wgpu::Buffer, Error> {
        self.upload_bytes(bytemuck::cast_slice(values))
    }

    /// A tensor of `elements` zeros of four bytes on the GPU: 16-bit ones take half as many.
    ///
    /// # Errors
    /// [`Error::Wgpu`] if the device is out of memory or allows no buffer of that size;
    /// [`Error::DeviceLost`].
    pub fn zeros(&self, elements: u64) -> Result<wgpu::Buffer, Error> {
        self.check_not_lost()?;
        device::scoped(&self.device, || {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("batch_norm.tensor"),
                size: elements.saturating_mul(4).max(4),
                usage: TENSOR,
                mapped_at_creation: false,
            })
        })
    }

    /// A buffer on the GPU with the given bytes, padded to whole words: for 16-bit tensors.
    ///
    /// # Errors
    /// As [`upload`](Self::upload).
    pub fn upload_bytes(&self, bytes: &[u8]) -> Result<wgpu::Buffer, Error> {
        self.check_not_lost()?;
        device::scoped(&self.device, || {
            device::buffer_with(&self.device, "batch_norm.tensor", bytes, TENSOR)
        })
    }

    /// Lets `record` write commands, and submits them. Does not wait.
    pub fn run(&self, record: impl FnOnce(&mut wgpu::CommandEncoder)) -> wgpu::SubmissionIndex {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        record(&mut encoder);
        self.queue.submit([encoder.finish()])
    }

    /// Waits until all that was submitted is done.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::DeviceLost`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn wait(&self) -> Result<(), Error> {
        self.check_not_lost()?;
        let poll = wgpu::PollType::Wait { submission_index: None, timeout: Some(self.timeout) };
        match self.device.poll(poll) {
            Ok(_) => Ok(()),
            Err(wgpu::PollError::Timeout) => Err(Error::Timeout(self.timeout)),
            Err(error) => Err(Error::Wgpu(error.to_string())),
        }
    }

    /// The values of a buffer or a range of one, blocking: waits for all that was submitted.
    ///
    /// # Errors
    /// [`Error::MissingUsage`] without `COPY_SRC`; [`Error::Timeout`]; [`Error::Wgpu`] or
    /// [`Error::DeviceLost`] if it cannot be read.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn download(&self, range: impl Into<BufferRange>) -> Result<Vec<f32>, Error> {
        Ok(self.download_words(range)?.into_iter().map(f32::from_bits).collect())
    }

    /// As [`download`](Self::download), as integers: for [`Row::Batches`](crate::Row::Batches).
    ///
    /// # Errors
    /// As [`download`](Self::download).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn download_words(&self, range: impl Into<BufferRange>) -> Result<Vec<u32>, Error> {
        let (staging, answer) = self.stage(&range.into())?;
        self.wait()?;
        // The answer is there, or another thread that polls is about to give it.
        finish(&staging, pollster::block_on(answer.receive()))
    }

    /// As [`download`](Self::download), as bytes, wherever the range starts and ends: for 16-bit
    /// tensors.
    ///
    /// # Errors
    /// As [`download`](Self::download).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn download_bytes(&self, range: impl Into<BufferRange>) -> Result<Vec<u8>, Error> {
        let range = range.into();
        Ok(bytes_of(&range, &self.download_words(words_around(&range))?))
    }

    /// The values of a range, asynchronous: does not block a thread, works in a browser.
    ///
    /// # Errors
    /// As [`download`](Self::download), but without a timeout.
    pub async fn download_async(&self, range: impl Into<BufferRange>) -> Result<Vec<f32>, Error> {
        Ok(self.download_words_async(range).await?.into_iter().map(f32::from_bits).collect())
    }

    /// As [`download_async`](Self::download_async), as integers: for [`Row::Batches`](crate::Row::Batches).
    ///
    /// # Errors
    /// As [`download_async`](Self::download_async).
    pub async fn download_words_async(
        &self,
        range: impl Into<BufferRange>,
    ) -> Result<Vec<u32>, Error> {
        use std::{future::Future, pin::pin, task::Poll};
        let (staging, answer) = self.stage(&range.into())?;
        let mut answer = pin!(answer.receive());
        let received = std::future::poll_fn(|context| {
            // Native devices make progress only when polled; a browser's needs no poll.
            if self.device.poll(wgpu::PollType::Poll).is_err() {
                return Poll::Ready(None);
            }
            let polled = answer.as_mut().poll(context);
            if polled.is_pending() && !cfg!(target_arch = "wasm32") {
                context.waker().wake_by_ref();
            }
            polled
        });
        finish(&staging, received.await)
    }

    /// As [`download_async`](Self::download_async), as bytes, wherever the range starts and ends: for
    /// 16-bit tensors.
    ///
    /// # Errors
    /// As [`download_async`](Self::download_async).
    pub async fn download_bytes_async(
        &self,
        range: impl Into<BufferRange>,
    ) -> Result<Vec<u8>, Error> {
        let range = range.into();
        Ok(bytes_of(&range, &self.download_words_async(words_around(&range)).await?))
    }

    /// Copies a range to a buffer that can be mapped, and asks for the mapping.
    fn stage(&self, range: &BufferRange) -> Result<(wgpu::Buffer, MapAnswer), Error> {
        self.check_not_lost()?;
        let (need, have) = (wgpu::BufferUsages::COPY_SRC, range.buffer.usage());
        if !have.contains(need) {
            return Err(Error::MissingUsage { name: "range to download", need, have });
        }
        let (sender, receiver) = futures_intrusive::channel::shared::oneshot_channel();
        let staging = device::scoped(&self.device, || {
            let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("batch_norm.staging"),
                size: range.size,
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            self.run(|encoder| {
                encoder.copy_buffer_to_buffer(&range.buffer, range.offset, &staging, 0, range.size);
            });
            staging.slice(..).map_async(wgpu::MapMode::Read, move |result| {
                // Fails only if nobody waits for the answer any more.
                let _ = sender.send(result);
            });
            staging
        })?;
        Ok((staging, receiver))
    }
}

type MapAnswer =
    futures_intrusive::channel::shared::OneshotReceiver<Result<(), wgpu::BufferAsyncError>>;

const TENSOR: wgpu::BufferUsages = wgpu::BufferUsages::STORAGE
    .union(wgpu::BufferUsages::COPY_SRC)
    .union(wgpu::BufferUsages::COPY_DST);

/// The whole words that a range is in.
fn words_around(range: &BufferRange) -> BufferRange {
    let start = range.offset / 4 * 4;
    let size = (range.offset - start + range.size).next_multiple_of(4);
    BufferRange::new(&range.buffer, start, size)
}

/// The bytes of a range, of the words that it is in.
fn bytes_of(range: &BufferRange, words: &[u32]) -> Vec<u8> {
    let bytes: &[u8] = bytemuck::cast_slice(words);
    bytes[(range.offset % 4) as usize..][..range.size as usize].to_vec()
}

/// Reads a staging buffer whose mapping was answered.
fn finish(
    staging: &wgpu::Buffer,
    answer: Option<Result<(), wgpu::BufferAsyncError>>,
) -> Result<Vec<u32>, Error> {
    answer.ok_or(Error::DeviceLost)?.map_err(|e| Error::Wgpu(e.to_string()))?;
    let view = staging.slice(..).get_mapped_range().map_err(|e| Error::Wgpu(e.to_string()))?;
    Ok(view.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}
