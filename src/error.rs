//! What can go wrong, as one enum.

/// Why a batch norm could not be built, bound or run.
///
/// Binding checks everything that recording relies on, so [`encode`](crate::Forward::encode) cannot
/// fail. Whatever returns an error has written nothing: running statistics stay as they were.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No adapter answers the request.
    #[error(
        "no adapter{}: {reason}. On Linux without a GPU install a software Vulkan driver \
         (Debian, Ubuntu: apt-get install mesa-vulkan-drivers)",
        .name.as_ref().map(|n| format!(" whose name contains `{n}`")).unwrap_or_default()
    )]
    NoAdapter {
        /// The name that was asked for, if any.
        name: Option<String>,
        /// What wgpu says, or the names of the adapters there are.
        reason: String,
    },
    /// The adapter gives no device.
    #[error("the adapter gives no device: {0}")]
    NoDevice(String),
    /// `epsilon` must be finite and above zero: it keeps the square root away from zero.
    #[error("epsilon must be finite and above 0, but is {0}")]
    InvalidEpsilon(f32),
    /// The slope of leaky ReLU must be finite.
    #[error("the slope of leaky ReLU must be finite, but is {0}")]
    InvalidSlope(f32),
    /// A number of an optimizer, or a bound of batch renormalization, is out of its range.
    #[error("`{name}` is out of its range: {value}")]
    InvalidHyperparameter {
        /// The number.
        name: &'static str,
        /// Its value.
        value: f64,
    },
    /// An exponential momentum must be in `0..=1`.
    #[error("momentum must be from 0 to 1, but is {0}")]
    InvalidMomentum(f32),
    /// There are no channels, or more than 2³¹.
    #[error("the number of channels must be from 1 to 2^31, but is {0}")]
    InvalidChannels(u64),
    /// The shape has more elements than 64 bits can count, or, in training, a channel has 2³² values
    /// or more.
    #[error("the shape {0} has too many elements")]
    ShapeOverflow(crate::Shape),
    /// The state was made for another number of channels.
    #[error("the state holds {have} channels, but the shape has {need}")]
    ChannelMismatch {
        /// Channels of the shape.
        need: u32,
        /// Channels of the state.
        have: u32,
    },
    /// Statistics of a batch need at least two values a channel.
    #[error("training needs at least 2 values a channel, but the shape {shape} gives {count}")]
    TooFewValues {
        /// The shape.
        shape: crate::Shape,
        /// Values a channel.
        count: u64,
    },
    /// The unbiased variance divides by m − 1, which must be above 0.
    #[error("an unbiased variance needs at least 2 values a channel, but there are {0}")]
    NoUnbiasedVariance(u64),
    /// A tensor's range is shorter than its shape.
    #[error("`{name}` needs {need} bytes, but its range has {have}")]
    BufferTooSmall {
        /// The tensor.
        name: &'static str,
        /// Bytes that the shape takes.
        need: u64,
        /// Bytes of the range.
        have: u64,
    },
    /// A tensor's range ends beyond its buffer.
    #[error("`{name}` ends at byte {end}, but its buffer has {size} bytes")]
    RangeOutOfBounds {
        /// The tensor.
        name: &'static str,
        /// End of the range, in bytes from the start of the buffer.
        end: u64,
        /// Size of the buffer in bytes.
        size: u64,
    },
    /// A tensor's offset is not a multiple of its element size.
    #[error("`{name}` starts at byte {offset}, which is not a multiple of {alignment}")]
    Misaligned {
        /// The tensor.
        name: &'static str,
        /// Offset in bytes.
        offset: u64,
        /// What the offset must be a multiple of.
        alignment: u64,
    },
    /// A buffer was created without a usage that the kernels need.
    #[error("the buffer of `{name}` needs the usage {need:?}, but has {have:?}")]
    MissingUsage {
        /// The tensor.
        name: &'static str,
        /// Usages that are needed.
        need: wgpu::BufferUsages,
        /// Usages that the buffer has.
        have: wgpu::BufferUsages,
    },
    /// Two ranges share bytes, and one of them is written.
    #[error("`{written}` is written, but overlaps `{other}`")]
    Overlap {
        /// The tensor that is written.
        written: &'static str,
        /// The tensor that shares bytes with it.
        other: &'static str,
    },
    /// There are not as many weights as samples or positions, or as divide them.
    #[error("the {positions} positions of {shape} cannot share {weights} weights evenly")]
    WeightCount {
        /// The shape.
        shape: crate::Shape,
        /// Its positions, outer · inner.
        positions: u64,
        /// Weights that are given.
        weights: u64,
    },
    /// The forward pass wrote y over x, which the backward pass needs.
    #[error("y was written over x, which the backward pass needs")]
    InputOverwritten,
    /// A backward pass is asked for no gradient, or for a step of γ and β without theirs.
    #[error("the backward pass is asked for no gradient, or to step γ and β without theirs")]
    NothingToDo,
    /// dresidual is asked for, but the forward pass added no residual.
    #[error("the forward pass has no residual, so there is no dresidual")]
    NoResidual,
    /// There are not as many parts.
    #[error("there is no part {part} of {parts}")]
    NoSuchPart {
        /// The part that is asked for, from 0.
        part: u32,
        /// Parts that there are.
        parts: u32,
    },
    /// The parts of a batch could not exchange what they found.
    #[error("the exchange between the parts of a batch failed: {0}")]
    Exchange(String),
    /// There are no groups, or fewer samples than groups.
    #[error("{outer} samples or rows cannot make {groups} groups")]
    GroupCount {
        /// Groups that are asked for.
        groups: u64,
        /// Outer indices: samples, or rows.
        outer: u64,
    },
    /// What a batch in parts cannot do.
    #[error("{0} is not available for a batch in parts")]
    NotInParts(&'static str),
    /// The device's limits are below what is needed.
    #[error("{what} needs {need}, but the device's limit is {limit}")]
    LimitExceeded {
        /// What is limited.
        what: &'static str,
        /// What is needed.
        need: u64,
        /// What the device allows.
        limit: u64,
    },
    /// A slice on the host has another length than what it stands for.
    #[error("`{name}` needs {need} values, but has {have}")]
    LengthMismatch {
        /// The slice.
        name: &'static str,
        /// Values that are needed.
        need: u64,
        /// Values that are there.
        have: u64,
    },
    /// The bytes are not a whole safetensors file, or none can be made.
    #[error("safetensors: {0}")]
    Safetensors(String),
    /// A file lacks an entry.
    #[error("the file has no entry `{name}`; expected is {expected}")]
    MissingEntry {
        /// The entry, with its prefix.
        name: String,
        /// Type and shape that it should have.
        expected: String,
    },
    /// An entry of a file has another type, shape or value than it must have.
    #[error("the entry `{name}` is {found}; expected is {expected}")]
    InvalidEntry {
        /// The entry, with its prefix.
        name: String,
        /// Type and shape, or values, that it should have.
        expected: String,
        /// What it has.
        found: String,
    },
    /// wgpu rejected what it was asked to create.
    #[error("wgpu: {0}")]
    Wgpu(String),
    /// The work did not end within the time that the caller set.
    #[error("the device did not finish within {0:?}")]
    Timeout(std::time::Duration),
    /// The device is gone; nothing that was made on it can be used.
    #[error("the device is lost")]
    DeviceLost,
}
