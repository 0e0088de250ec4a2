//! The type of a tensor's elements in memory.

/// How x, y, dy, dx, residual and dresidual are stored. Arithmetic, statistics, γ and β are `f32`
/// whatever this is, so a 16-bit result is the `f32` result rounded to nearest.
///
/// No adapter feature is needed: shaders load and store words. `f16` is faster on a device that is known to convert it
/// exactly: see [`Context::probe`](crate::Context::probe).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Element {
    /// IEEE 754 binary32.
    #[default]
    F32,
    /// IEEE 754 binary16, two a word: the element of lower index in the lower half.
    F16,
    /// The upper half of a binary32, two a word, as `F16`.
    BF16,
}

impl Element {
    /// Bytes of an element.
    pub const fn size(self) -> u64 {
        match self {
            Element::F32 => 4,
            Element::F16 | Element::BF16 => 2,
        }
    }

    /// Bytes that `elements` take, rounded up to whole words, as buffers and bindings are.
    pub(crate) const fn words(self, elements: u64) -> u64 {
        elements.saturating_mul(self.size()).div_ceil(4).saturating_mul(4)
    }
}
