//! Snapshots from and to safetensors files, under PyTorch's names.

use super::Snapshot;
use crate::Error;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, View};
use std::borrow::Cow;

const WEIGHT: &str = "weight";
const BIAS: &str = "bias";
const RUNNING_MEAN: &str = "running_mean";
const RUNNING_VAR: &str = "running_var";
const BATCHES: &str = "num_batches_tracked";

/// Type, shape and bytes of an entry of a safetensors file.
///
/// [`safetensors::serialize`] takes it, beside entries of the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotEntry {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl View for SnapshotEntry {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.data)
    }

    fn data_len(&self) -> usize {
        self.data.len()
    }
}

/// Layers in safetensors files (<https://github.com/huggingface/safetensors>), under the names that
/// PyTorch's `BatchNorm` modules give: `weight` (γ), `bias` (β), `running_mean`, `running_var`, all
/// F32 of shape `[C]`, and `num_batches_tracked`, I64 of shape `[]`; behind a prefix such as
/// `layer1.0.bn1` and a dot, or, if the prefix is empty, alone.
impl Snapshot {
    /// The layer `prefix` of a safetensors file. To read many, parse the file once and use
    /// [`from_tensors`](Self::from_tensors).
    ///
    /// # Errors
    /// [`Error::Safetensors`] if `bytes` are not a whole safetensors file, and those of
    /// [`from_tensors`](Self::from_tensors).
    pub fn from_safetensors(bytes: &[u8], prefix: &str) -> Result<Self, Error> {
        Self::from_tensors(&SafeTensors::deserialize(bytes).map_err(refused)?, prefix)
    }

    /// The layer `prefix` of a parsed safetensors file. Other entries are ignored.
    ///
    /// C is the length of `running_mean`. If both `weight` and `bias` are missing, as with PyTorch's
    /// `affine=False`, γ is 1 and β is 0; one without the other is an error. A missing
    /// `num_batches_tracked`, as in files from before PyTorch 0.4.1, stands for 0; its shape may
    /// also be `[1]`.
    ///
    /// # Errors
    /// [`Error::MissingEntry`] for any other entry that is not there: `running_mean` and
    /// `running_var`, too, where PyTorch's `track_running_stats` was off; [`Error::InvalidEntry`] if
    /// one has another type or shape, or the count is negative or above `u32::MAX`;
    /// [`Error::InvalidChannels`].
    pub fn from_tensors(tensors: &SafeTensors<'_>, prefix: &str) -> Result<Self, Error> {
        let file = File { tensors, prefix };
        let running_mean = file.row(RUNNING_MEAN, None)?;
        let channels = running_mean.len();
        if channels == 0 || channels > 1 << 31 {
            return Err(Error::InvalidChannels(channels as u64));
        }
        let running_var = file.row(RUNNING_VAR, Some(channels))?;
        let affine = file.find(WEIGHT).is_some() || file.find(BIAS).is_some();
        let (gamma, beta) = match affine {
            true => (file.row(WEIGHT, Some(channels))?, file.row(BIAS, Some(channels))?),
            false => (vec![1.0; channels], vec![0.0; channels]),
        };
        Ok(Self { gamma, beta, running_mean, running_var, batches: file.batches()? })
    }

    /// A safetensors file with this layer alone.
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] if the rows differ in length; [`Error::Safetensors`] if `prefix` is
    /// longer than the header of a file may be.
    pub fn to_safetensors(&self, prefix: &str) -> Result<Vec<u8>, Error> {
        safetensors::serialize(self.entries(prefix)?, None).map_err(refused)
    }

    /// The entries of this layer and their names, for a file with other things in it.
    ///
    /// All five are there; what reads a layer with `affine=False` may want the file without `weight`
    /// and `bias`.
    ///
    /// ```
    /// use wgpu_batchnorm::{Snapshot, safetensors};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let layers = [("bn1", Snapshot::new(64)), ("layer1.0.bn1", Snapshot::new(256))];
    /// let mut entries = Vec::new();
    /// for (prefix, layer) in &layers {
    ///     entries.extend(layer.entries(prefix)?);
    /// }
    /// let bytes = safetensors::serialize(entries, None)?;
    /// assert_eq!(Snapshot::from_safetensors(&bytes, "layer1.0.bn1")?, layers[1].1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] if the rows differ in length.
    pub fn entries(&self, prefix: &str) -> Result<Vec<(String, SnapshotEntry)>, Error> {
        self.check(self.channels())?;
        let row = |name, values: &[f32]| {
            let data = values.iter().flat_map(|value| value.to_bits().to_le_bytes()).collect();
            (
                full(prefix, name),
                SnapshotEntry { dtype: Dtype::F32, shape: vec![values.len()], data },
            )
        };
        let data = (self.batches as i64).to_le_bytes().to_vec();
        let batches = SnapshotEntry { dtype: Dtype::I64, shape: Vec::new(), data };
        Ok(vec![
            row(WEIGHT, &self.gamma),
            row(BIAS, &self.beta),
            row(RUNNING_MEAN, &self.running_mean),
            row(RUNNING_VAR, &self.running_var),
            (full(prefix, BATCHES), batches),
        ])
    }
}

/// One layer of a file.
struct File<'a> {
    tensors: &'a SafeTensors<'a>,
    prefix: &'a str,
}

impl File<'_> {
    fn find(&self, name: &str) -> Option<TensorView<'_>> {
        self.tensors.tensor(&full(self.prefix, name)).ok()
    }

    /// A row, of any length if `channels` is `None`.
    fn row(&self, name: &str, channels: Option<usize>) -> Result<Vec<f32>, Error> {
        let length = channels.map_or("C".to_owned(), |c| c.to_string());
        let expected = format!("F32 of shape [{length}]");
        let Some(view) = self.find(name) else {
            return Err(Error::MissingEntry { name: full(self.prefix, name), expected });
        };
        let fits = match view.shape() {
            [have] => channels.is_none_or(|need| need == *have),
            _ => false,
        };
        if view.dtype() != Dtype::F32 || !fits {
            return Err(self.invalid(name, expected, describe(&view)));
        }
        let bits = |b: &[u8]| u32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        Ok(view.data().chunks_exact(4).map(|b| f32::from_bits(bits(b))).collect())
    }

    fn batches(&self) -> Result<u32, Error> {
        let Some(view) = self.find(BATCHES) else { return Ok(0) };
        let bytes: Option<[u8; 8]> = view.data().try_into().ok();
        match (view.dtype(), view.shape(), bytes) {
            (Dtype::I64, [] | [1], Some(bytes)) => {
                let count = i64::from_le_bytes(bytes);
                let expected = || format!("a count from 0 to {}", u32::MAX);
                u32::try_from(count)
                    .map_err(|_| self.invalid(BATCHES, expected(), count.to_string()))
            }
            _ => Err(self.invalid(BATCHES, "I64 of shape []".to_owned(), describe(&view))),
        }
    }

    fn invalid(&self, name: &str, expected: String, found: String) -> Error {
        Error::InvalidEntry { name: full(self.prefix, name), expected, found }
    }
}

fn full(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

fn describe(view: &TensorView<'_>) -> String {
    format!("{} of shape {:?}", view.dtype(), view.shape())
}

fn refused(error: safetensors::SafeTensorError) -> Error {
    Error::Safetensors(error.to_string())
}
