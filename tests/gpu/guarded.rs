//! Tensors with guard words on both sides, filled with NaN before use.

use wgpu_batchnorm::{BufferRange, Context, wgpu};

/// Values between guards, `offset` values into its buffer.
pub struct Guarded {
    buffer: wgpu::Buffer,
    offset: usize,
    length: usize,
}

const GUARD: u32 = 0x7fc5_a5a5;
const TAIL: usize = 67;

impl Guarded {
    /// A tensor of `values`.
    pub fn new(context: &Context, values: &[f32], offset: usize) -> Self {
        let mut words = vec![f32::from_bits(GUARD); offset + values.len() + TAIL];
        words[offset..][..values.len()].copy_from_slice(values);
        let buffer = context.upload(&words).expect("a buffer");
        Self { buffer, offset, length: values.len() }
    }

    /// A tensor that holds nothing but NaN.
    pub fn poisoned(context: &Context, length: usize, offset: usize) -> Self {
        Self::new(context, &vec![f32::NAN; length], offset)
    }

    pub fn range(&self) -> BufferRange {
        BufferRange::new(&self.buffer, self.offset as u64 * 4, self.length as u64 * 4)
    }

    /// The values, after a look at the guards.
    #[track_caller]
    pub fn read(&self, context: &Context) -> Vec<f32> {
        let words = context.download(&self.buffer).expect("a download");
        let end = self.offset + self.length;
        let guards = words[..self.offset].iter().chain(&words[end..]);
        assert!(guards.map(|w| w.to_bits()).all(|w| w == GUARD), "written outside the range");
        words[self.offset..end].to_vec()
    }
}
