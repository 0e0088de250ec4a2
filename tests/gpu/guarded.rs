//! Tensors with guard words on both sides, filled with NaN before use.

use crate::read;
use half::{bf16, f16};
use wgpu_batchnorm::{BufferRange, Context, Element, wgpu};

/// Values between guards, `offset` values into its buffer.
pub struct Guarded {
    buffer: wgpu::Buffer,
    element: Element,
    offset: usize,
    length: usize,
}

/// A NaN of either width, byte by byte.
const GUARD: u8 = 0x7f;
const TAIL: usize = 67;

/// The values as an element holds them, rounded to nearest.
pub fn rounded(values: &[f32], element: Element) -> Vec<f32> {
    values
        .iter()
        .map(|&v| match element {
            Element::F32 => v,
            Element::F16 => f16::from_f32(v).to_f32(),
            Element::BF16 => bf16::from_f32(v).to_f32(),
        })
        .collect()
}

fn bytes_of(values: &[f32], element: Element) -> Vec<u8> {
    let bytes = |&v: &f32| match element {
        Element::F32 => v.to_le_bytes().to_vec(),
        Element::F16 => f16::from_f32(v).to_le_bytes().to_vec(),
        Element::BF16 => bf16::from_f32(v).to_le_bytes().to_vec(),
    };
    values.iter().flat_map(bytes).collect()
}

fn values_of(bytes: &[u8], element: Element) -> Vec<f32> {
    let value = |b: &[u8]| match element {
        Element::F32 => f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
        Element::F16 => f16::from_le_bytes([b[0], b[1]]).to_f32(),
        Element::BF16 => bf16::from_le_bytes([b[0], b[1]]).to_f32(),
    };
    bytes.chunks_exact(element.size() as usize).map(value).collect()
}

impl Guarded {
    /// A tensor of `values`.
    pub fn new(context: &Context, values: &[f32], element: Element, offset: usize) -> Self {
        let size = element.size() as usize;
        let mut bytes = vec![GUARD; (offset + values.len() + TAIL).next_multiple_of(2) * size];
        bytes[offset * size..][..values.len() * size].copy_from_slice(&bytes_of(values, element));
        let buffer = context.upload_bytes(&bytes).expect("a buffer");
        Self { buffer, element, offset, length: values.len() }
    }

    /// A tensor that holds nothing but NaN.
    pub fn poisoned(context: &Context, length: usize, element: Element, offset: usize) -> Self {
        Self::new(context, &vec![f32::NAN; length], element, offset)
    }

    pub fn range(&self) -> BufferRange {
        let size = self.element.size();
        BufferRange::new(&self.buffer, self.offset as u64 * size, self.length as u64 * size)
    }

    /// The values, after a look at the guards; `name` is what they are.
    pub async fn read(&self, context: &Context, name: &str) -> Vec<f32> {
        let words = read::words(context, (&self.buffer).into()).await;
        let bytes: &[u8] = bytemuck::cast_slice(&words);
        let size = self.element.size() as usize;
        let (start, end) = (self.offset * size, (self.offset + self.length) * size);
        let mut guards = bytes[..start].iter().chain(&bytes[end..]);
        let whole = guards.all(|&b| b == GUARD);
        assert!(whole, "{name}: written outside bytes {start} to {end}");
        values_of(&bytes[start..end], self.element)
    }
}
