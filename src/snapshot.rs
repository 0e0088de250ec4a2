//! A layer's state on the host: to keep, to move between programs, to start from.

#[cfg(feature = "safetensors")]
mod file;

use crate::plan::row_stride;
use crate::{BufferRange, Context, Error, Row, State};
#[cfg(feature = "safetensors")]
pub use file::SnapshotEntry;

/// What a layer keeps but for its gradients: one value a channel in each row, and a count.
///
/// All rows have the length of [`running_mean`](Self::running_mean); what takes a snapshot checks it.
/// Values are copied bit by bit, NaN included, so saving and loading changes nothing. `==` compares
/// numbers, and so tells a NaN from itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// γ, the scale.
    pub gamma: Vec<f32>,
    /// β, the shift.
    pub beta: Vec<f32>,
    /// Running mean.
    pub running_mean: Vec<f32>,
    /// Running variance.
    pub running_var: Vec<f32>,
    /// Batches that the running statistics have seen.
    pub batches: u32,
}

/// The rows of a state that a snapshot has; they are neighbours, from the first on.
const ROWS: [Row; 5] = [Row::Gamma, Row::Beta, Row::RunningMean, Row::RunningVar, Row::Batches];

impl Snapshot {
    /// A new layer, as [`State::new`] makes it: γ = 1, β = 0, running mean 0, running variance 1,
    /// no batches seen.
    pub fn new(channels: u32) -> Self {
        let row = |value| vec![value; channels as usize];
        Self {
            gamma: row(1.0),
            beta: row(0.0),
            running_mean: row(0.0),
            running_var: row(1.0),
            batches: 0,
        }
    }

    /// Number of channels: the length of [`running_mean`](Self::running_mean).
    pub fn channels(&self) -> usize {
        self.running_mean.len()
    }

    /// Checks that every row has `need` values.
    pub(crate) fn check(&self, need: usize) -> Result<(), Error> {
        for (row, values) in self.rows() {
            let (need, have) = (need as u64, values.len() as u64);
            if need != have {
                return Err(Error::LengthMismatch { name: row.name(), need, have });
            }
        }
        Ok(())
    }

    fn rows(&self) -> [(Row, &[f32]); 4] {
        [
            (Row::Gamma, &self.gamma),
            (Row::Beta, &self.beta),
            (Row::RunningMean, &self.running_mean),
            (Row::RunningVar, &self.running_var),
        ]
    }

    /// From the words of the rows of a state, `stride` from one to the next.
    fn from_words(channels: u32, words: &[u32]) -> Self {
        let stride = row_stride(channels) as usize;
        let row = |row: Row| {
            let words = words.iter().skip(row as usize * stride).take(channels as usize);
            words.map(|&word| f32::from_bits(word)).collect()
        };
        Self {
            gamma: row(Row::Gamma),
            beta: row(Row::Beta),
            running_mean: row(Row::RunningMean),
            running_var: row(Row::RunningVar),
            batches: words.get(Row::Batches as usize * stride).copied().unwrap_or(0),
        }
    }
}

impl State {
    /// Takes over a snapshot, before whatever is submitted next. Gradients stay.
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] if a row has not C values; what was wrong with
    /// [`new`](Self::new). After an error the state is as it was.
    pub fn load(&self, queue: &wgpu::Queue, snapshot: &Snapshot) -> Result<(), Error> {
        self.check_made()?;
        snapshot.check(self.channels() as usize)?;
        let stride = row_stride(self.channels()) as usize;
        let mut words = vec![0; stride * ROWS.len()];
        for (row, values) in snapshot.rows() {
            let places = words.iter_mut().skip(row as usize * stride);
            places.zip(values).for_each(|(place, value)| *place = value.to_bits());
        }
        let counts = words.iter_mut().skip(Row::Batches as usize * stride);
        counts.take(snapshot.channels()).for_each(|count| *count = snapshot.batches);
        queue.write_buffer(self.buffer(), 0, bytemuck::cast_slice(&words));
        Ok(())
    }

    /// The rows of a snapshot, in one range, so that one copy reads them all.
    fn snapshot_range(&self) -> Result<BufferRange, Error> {
        self.check_made()?;
        let size = row_stride(self.channels()) * ROWS.len() as u64 * 4;
        Ok(BufferRange::new(self.buffer(), 0, size))
    }
}

impl Context {
    /// The state of a layer after all that was submitted, blocking. The batch count is that of the
    /// first channel; training keeps it the same in all.
    ///
    /// # Errors
    /// As [`download`](Self::download); what was wrong with [`State::new`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn snapshot(&self, state: &State) -> Result<Snapshot, Error> {
        let words = self.download_words(state.snapshot_range()?)?;
        Ok(Snapshot::from_words(state.channels(), &words))
    }

    /// As `snapshot`, asynchronous: does not block a thread, works in a browser.
    ///
    /// # Errors
    /// As [`download_async`](Self::download_async); what was wrong with [`State::new`].
    pub async fn snapshot_async(&self, state: &State) -> Result<Snapshot, Error> {
        let words = self.download_words_async(state.snapshot_range()?).await?;
        Ok(Snapshot::from_words(state.channels(), &words))
    }
}
