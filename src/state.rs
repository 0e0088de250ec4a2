//! What a layer keeps on the GPU: γ, β, running statistics, the batch count, and the gradients.

use crate::plan::row_stride;
use crate::{BufferRange, Error, device};

/// A row of a [`State`]: one value a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Row {
    /// γ, the scale; `f32`. PyTorch calls it `weight`.
    Gamma = 0,
    /// β, the shift; `f32`. PyTorch calls it `bias`.
    Beta = 1,
    /// Running mean; `f32`.
    RunningMean = 2,
    /// Running variance; `f32`.
    RunningVar = 3,
    /// Batches that the running statistics have seen; `u32`, the same in every channel.
    Batches = 4,
    /// dγ, written by the backward pass; `f32`.
    DGamma = 5,
    /// dβ, written by the backward pass; `f32`.
    DBeta = 6,
}

const ROWS: u64 = 7;

/// γ, β, running statistics, batch count and gradients of one layer, in one buffer on the GPU.
///
/// One row each, [`range`](Self::range) tells where. Rows start at multiples of 256 bytes, so that
/// an optimizer can bind them one by one. Cloning is cheap and shares the buffer.
#[derive(Clone, Debug)]
pub struct State {
    buffer: wgpu::Buffer,
    channels: u32,
    // Reported when the state is bound, so that making one needs no error handling.
    failed: Option<Error>,
}

impl State {
    /// A new layer: γ = 1, β = 0, running mean 0, running variance 1, no batches seen.
    ///
    /// If the device cannot hold it, binding it says so.
    pub fn new(device: &wgpu::Device, channels: u32) -> Self {
        let stride = row_stride(channels) as usize;
        let mut words = vec![0u32; stride * ROWS as usize];
        for row in [Row::Gamma, Row::RunningVar] {
            words[row as usize * stride..][..channels as usize].fill(1f32.to_bits());
        }
        let usage = wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST;
        let mut buffer = None;
        let failed = device::scoped(device, || {
            let contents = bytemuck::cast_slice(&words);
            buffer = Some(device::buffer_with(device, "batch_norm.state", contents, usage));
        });
        let buffer = buffer.unwrap_or_else(|| unreachable!("`scoped` runs its argument"));
        Self { buffer, channels, failed: failed.err() }
    }

    /// Number of channels, C.
    pub fn channels(&self) -> u32 {
        self.channels
    }

    /// The buffer that holds all rows; `STORAGE`, `COPY_SRC` and `COPY_DST`.
    pub fn buffer(&self) -> &wgpu::Buffer {
        &self.buffer
    }

    /// Where a row is: 4 · C bytes at a multiple of 256.
    pub fn range(&self, row: Row) -> BufferRange {
        let offset = row as u64 * row_stride(self.channels) * 4;
        BufferRange::new(&self.buffer, offset, self.channels as u64 * 4)
    }

    /// Sets a row of `f32` values, before whatever is submitted next.
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] if there are not C `values`.
    pub fn set(&self, queue: &wgpu::Queue, row: Row, values: &[f32]) -> Result<(), Error> {
        let (need, have) = (self.channels as u64, values.len() as u64);
        if need != have {
            return Err(Error::LengthMismatch { name: row.name(), need, have });
        }
        if row == Row::Batches {
            self.set_batches(queue, values[0] as u32);
        } else {
            queue.write_buffer(&self.buffer, self.range(row).offset, bytemuck::cast_slice(values));
        }
        Ok(())
    }

    /// Sets how many batches the running statistics have seen.
    pub fn set_batches(&self, queue: &wgpu::Queue, batches: u32) {
        let counts = vec![batches; self.channels as usize];
        let offset = self.range(Row::Batches).offset;
        queue.write_buffer(&self.buffer, offset, bytemuck::cast_slice(&counts));
    }

    pub(crate) fn check(&self, need: u32) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let have = self.channels;
        if need != have {
            return Err(Error::ChannelMismatch { need, have });
        }
        Ok(())
    }
}

impl Row {
    fn name(self) -> &'static str {
        match self {
            Row::Gamma => "gamma",
            Row::Beta => "beta",
            Row::RunningMean => "running_mean",
            Row::RunningVar => "running_var",
            Row::Batches => "num_batches_tracked",
            Row::DGamma => "dgamma",
            Row::DBeta => "dbeta",
        }
    }
}
