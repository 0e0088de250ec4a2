//! What a layer keeps on the GPU: γ, β, running statistics, the batch count, and the gradients.

use crate::plan::row_stride;
use crate::{BufferRange, Error, Optimizer, device};
use std::ops::Range;

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
    /// Steps that the optimizer took; `u32`, the same in every channel.
    Steps = 8,
    /// What the optimizer keeps of dγ: b of gradient descent and RMSProp, m of Adam; `f32`.
    GammaFirst = 9,
    /// v of RMSProp and Adam, of dγ; `f32`.
    GammaSecond = 10,
    /// As [`GammaFirst`](Self::GammaFirst), of dβ.
    BetaFirst = 11,
    /// As [`GammaSecond`](Self::GammaSecond), of dβ.
    BetaSecond = 12,
}

/// `ROW_SETTINGS` of shaders/buffers.wgsl: numbers that may change between two submissions.
pub(crate) const ROW_SETTINGS: u64 = 7;
const ROWS: u64 = 13;

/// Words of the settings row: `SETTING_*` of shaders/settings.wgsl. The optimizer's follow the two
/// bounds.
pub(crate) const SETTING_R_MAX: u64 = 0;
pub(crate) const SETTING_RULE: u64 = 2;
/// r_max and d_max of a new layer.
const DEFAULT_BOUNDS: [f32; 2] = [3.0, 5.0];

/// γ, β, running statistics, batch count, gradients and optimizer state of one layer, in one buffer on
/// the GPU.
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
    /// If the device cannot hold it, whatever uses it says so.
    pub fn new(device: &wgpu::Device, channels: u32) -> Self {
        let size = row_stride(channels) * ROWS * 4;
        let limits = device.limits();
        let limit = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let fits = size <= limit;
        let mut words = if fits { new_rows(channels, 0..ROWS) } else { vec![0] };
        if fits && channels > 0 {
            let settings = ROW_SETTINGS as usize * row_stride(channels) as usize;
            words[settings..][..2].copy_from_slice(&DEFAULT_BOUNDS.map(f32::to_bits));
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
        let what = "the state of a layer in one storage binding, in bytes";
        let too_large = Error::LimitExceeded { what, need: size, limit };
        let none = (channels == 0).then_some(Error::InvalidChannels(0));
        let failed = failed.err().or((!fits).then_some(too_large)).or(none);
        Self { buffer, channels, failed }
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
    ///
    /// All rows share a buffer, and wgpu tracks usage by buffer: a kernel that writes one row must
    /// bind all rows that it uses as `read_write`.
    pub fn range(&self, row: Row) -> BufferRange {
        let offset = row as u64 * row_stride(self.channels) * 4;
        BufferRange::new(&self.buffer, offset, self.channels as u64 * 4)
    }

    /// Sets a row, before whatever is submitted next. [`Row::Batches`] and [`Row::Steps`] take whole
    /// numbers.
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] if there are not C `values`; what was wrong with
    /// [`new`](Self::new).
    pub fn set(&self, queue: &wgpu::Queue, row: Row, values: &[f32]) -> Result<(), Error> {
        let (need, have) = (self.channels as u64, values.len() as u64);
        if need != have {
            return Err(Error::LengthMismatch { name: row.name(), need, have });
        }
        if matches!(row, Row::Batches | Row::Steps) {
            let counts: Vec<u32> = values.iter().map(|&v| v as u32).collect();
            return self.write(queue, row, bytemuck::cast_slice(&counts));
        }
        self.write(queue, row, bytemuck::cast_slice(values))
    }

    /// Sets how many batches the running statistics have seen.
    ///
    /// # Errors
    /// What was wrong with [`new`](Self::new).
    pub fn set_batches(&self, queue: &wgpu::Queue, batches: u32) -> Result<(), Error> {
        let counts = vec![batches; if self.failed.is_none() { self.channels as usize } else { 0 }];
        self.write(queue, Row::Batches, bytemuck::cast_slice(&counts))
    }

    /// Sets how γ and β learn, before whatever is submitted next; what is bound stays bound. A new
    /// layer has plain gradient descent with a learning rate of 0.
    ///
    /// Steps, momenta and averages so far are kept: to begin anew, see
    /// [`reset_optimizer`](Self::reset_optimizer).
    ///
    /// # Errors
    /// [`Error::InvalidHyperparameter`]; what was wrong with [`new`](Self::new).
    pub fn set_optimizer(&self, queue: &wgpu::Queue, optimizer: &Optimizer) -> Result<(), Error> {
        self.write_settings(queue, SETTING_RULE, &optimizer.settings()?)
    }

    /// Forgets the optimizer's steps, momenta and averages.
    ///
    /// # Errors
    /// What was wrong with [`new`](Self::new).
    pub fn reset_optimizer(&self, queue: &wgpu::Queue) -> Result<(), Error> {
        self.reset_rows(queue, Row::Steps as u64..ROWS)
    }

    /// Sets the bounds of batch renormalization, before whatever is submitted next:
    /// 1/r_max ≤ r ≤ r_max and |d| ≤ d_max. A new layer has 3 and 5, to which the paper's schedule
    /// rises from 1 and 0, which is plain batch norm.
    ///
    /// # Errors
    /// [`Error::InvalidHyperparameter`] unless 1 ≤ r_max and 0 ≤ d_max, both finite; what was wrong
    /// with [`new`](Self::new).
    pub fn set_renormalization(
        &self,
        queue: &wgpu::Queue,
        r_max: f32,
        d_max: f32,
    ) -> Result<(), Error> {
        for (name, value, least) in [("r_max", r_max, 1.0), ("d_max", d_max, 0.0)] {
            if !(value.is_finite() && value >= least) {
                return Err(Error::InvalidHyperparameter { name, value: value as f64 });
            }
        }
        self.write_settings(queue, SETTING_R_MAX, &[r_max.to_bits(), d_max.to_bits()])
    }

    fn write_settings(&self, queue: &wgpu::Queue, at: u64, words: &[u32]) -> Result<(), Error> {
        self.check_made()?;
        let offset = (ROW_SETTINGS * row_stride(self.channels) + at) * 4;
        queue.write_buffer(&self.buffer, offset, bytemuck::cast_slice(words));
        Ok(())
    }

    /// Forgets all batches: running mean 0, running variance 1, no batches seen. γ, β and gradients
    /// stay. PyTorch's `reset_running_stats`.
    ///
    /// # Errors
    /// What was wrong with [`new`](Self::new).
    pub fn reset_running(&self, queue: &wgpu::Queue) -> Result<(), Error> {
        self.reset_rows(queue, Row::RunningMean as u64..Row::Batches as u64 + 1)
    }

    /// Makes every [`Row`] new again: γ = 1, β = 0, gradients 0, and what
    /// [`reset_running`](Self::reset_running) and [`reset_optimizer`](Self::reset_optimizer) do;
    /// settings stay. PyTorch's `reset_parameters`.
    ///
    /// # Errors
    /// What was wrong with [`new`](Self::new).
    pub fn reset(&self, queue: &wgpu::Queue) -> Result<(), Error> {
        self.reset_rows(queue, Row::Gamma as u64..Row::DBeta as u64 + 1)?;
        self.reset_optimizer(queue)
    }

    fn reset_rows(&self, queue: &wgpu::Queue, rows: Range<u64>) -> Result<(), Error> {
        self.check_made()?;
        let offset = rows.start * row_stride(self.channels) * 4;
        let words = new_rows(self.channels, rows);
        queue.write_buffer(&self.buffer, offset, bytemuck::cast_slice(&words));
        Ok(())
    }

    fn write(&self, queue: &wgpu::Queue, row: Row, bytes: &[u8]) -> Result<(), Error> {
        self.check_made()?;
        queue.write_buffer(&self.buffer, self.range(row).offset, bytes);
        Ok(())
    }

    /// Reports what was wrong with [`new`](Self::new).
    pub(crate) fn check_made(&self) -> Result<(), Error> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    pub(crate) fn check(&self, need: u32) -> Result<(), Error> {
        self.check_made()?;
        let have = self.channels;
        if need != have {
            return Err(Error::ChannelMismatch { need, have });
        }
        Ok(())
    }
}

/// The words of some rows of a new layer.
fn new_rows(channels: u32, rows: Range<u64>) -> Vec<u32> {
    let stride = row_stride(channels) as usize;
    let mut words = vec![0; stride * (rows.end - rows.start) as usize];
    for row in [Row::Gamma as u64, Row::RunningVar as u64] {
        if rows.contains(&row) {
            let start = (row - rows.start) as usize * stride;
            words[start..][..channels as usize].fill(1f32.to_bits());
        }
    }
    words
}

impl Row {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Row::Gamma => "gamma",
            Row::Beta => "beta",
            Row::RunningMean => "running_mean",
            Row::RunningVar => "running_var",
            Row::Batches => "num_batches_tracked",
            Row::DGamma => "dgamma",
            Row::DBeta => "dbeta",
            Row::Steps => "steps",
            Row::GammaFirst => "gamma_first",
            Row::GammaSecond => "gamma_second",
            Row::BetaFirst => "beta_first",
            Row::BetaSecond => "beta_second",
        }
    }
}
