//! The caller's tensors: ranges of buffers, checked before they are bound.

use crate::{Element, Error};
use std::num::NonZeroU64;

/// A tensor of the caller: a range of a buffer, in bytes.
///
/// Made from a whole buffer (`(&buffer).into()`), from a slice (`buffer.slice(256..).into()`), or
/// with [`new`](Self::new). The buffer needs the usage [`STORAGE`](wgpu::BufferUsages::STORAGE);
/// the offset must be a multiple of the element's size, and multiples of 4 elements are faster. An odd
/// number of 16-bit elements needs a buffer that goes on to the end of the word. Cloning is cheap:
/// wgpu counts references.
///
/// In a browser, tensors of one pass that share a buffer must start at multiples of the device's
/// `min_storage_buffer_offset_alignment` (256 at most), since WebGPU rejects bindings that overlap,
/// and a binding starts at such a multiple. Native wgpu has no such rule.
#[derive(Clone, Debug)]
pub struct BufferRange {
    pub(crate) buffer: wgpu::Buffer,
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

impl BufferRange {
    /// `size` bytes of `buffer` from `offset` on.
    pub fn new(buffer: &wgpu::Buffer, offset: u64, size: u64) -> Self {
        Self { buffer: buffer.clone(), offset, size }
    }

    /// The buffer.
    pub fn buffer(&self) -> &wgpu::Buffer {
        &self.buffer
    }

    /// Offset of the first byte in the buffer.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// For a bind group of the caller's. An empty range cannot be bound, and gives the rest of the
    /// buffer.
    pub fn binding(&self) -> wgpu::BindingResource<'_> {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: &self.buffer,
            offset: self.offset,
            size: NonZeroU64::new(self.size),
        })
    }

    /// Checks that the range holds `elements` values that a kernel may use.
    pub(crate) fn check(
        &self,
        name: &'static str,
        elements: u64,
        element: Element,
    ) -> Result<(), Error> {
        let need = wgpu::BufferUsages::STORAGE;
        let have = self.buffer.usage();
        if !have.contains(need) {
            return Err(Error::MissingUsage { name, need, have });
        }
        let alignment = element.size();
        if !self.offset.is_multiple_of(alignment) {
            return Err(Error::Misaligned { name, offset: self.offset, alignment });
        }
        let end = self.offset.saturating_add(self.size);
        if end > self.buffer.size() {
            return Err(Error::RangeOutOfBounds { name, end, size: self.buffer.size() });
        }
        let need = elements.saturating_mul(element.size());
        if need > self.size {
            return Err(Error::BufferTooSmall { name, need, have: self.size });
        }
        // Bindings are whole words.
        let end = (self.offset + need).next_multiple_of(4);
        if end > self.buffer.size() {
            return Err(Error::RangeOutOfBounds { name, end, size: self.buffer.size() });
        }
        Ok(())
    }

    /// Whether both start at the same byte of the same buffer.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.buffer == other.buffer && self.offset == other.offset
    }

    /// Checks that writing the first `bytes` of `self` leaves the first `other_bytes` of `other` alone.
    pub(crate) fn check_disjoint(
        &self,
        name: &'static str,
        other: &Self,
        other_name: &'static str,
        bytes: u64,
        other_bytes: u64,
    ) -> Result<(), Error> {
        let (end, other_end) = (self.offset + bytes, other.offset + other_bytes);
        let apart = end <= other.offset || other_end <= self.offset;
        if self.buffer == other.buffer && !apart {
            return Err(Error::Overlap { written: name, other: other_name });
        }
        Ok(())
    }

    /// Checks that the range is in another buffer than the layer's own.
    pub(crate) fn check_apart(
        &self,
        name: &'static str,
        own: &wgpu::Buffer,
        own_name: &'static str,
    ) -> Result<(), Error> {
        if self.buffer == *own {
            return Err(Error::Overlap { written: own_name, other: name });
        }
        Ok(())
    }

    /// The binding that covers `length` elements from `start` on, and which of its elements is the
    /// first.
    pub(crate) fn window(
        &self,
        start: u64,
        length: u64,
        element: Element,
        alignment: u64,
    ) -> (wgpu::BufferBinding<'_>, u32) {
        let start = self.offset + start * element.size();
        let offset = start / alignment * alignment;
        let end = (start + length * element.size()).next_multiple_of(4);
        let size = NonZeroU64::new(end - offset);
        let first = (start - offset) / element.size();
        (wgpu::BufferBinding { buffer: &self.buffer, offset, size }, first as u32)
    }
}

impl From<&wgpu::Buffer> for BufferRange {
    fn from(buffer: &wgpu::Buffer) -> Self {
        Self { buffer: buffer.clone(), offset: 0, size: buffer.size() }
    }
}

impl From<&BufferRange> for BufferRange {
    fn from(range: &BufferRange) -> Self {
        range.clone()
    }
}

impl From<wgpu::Buffer> for BufferRange {
    fn from(buffer: wgpu::Buffer) -> Self {
        Self { offset: 0, size: buffer.size(), buffer }
    }
}

impl From<wgpu::BufferSlice<'_>> for BufferRange {
    fn from(slice: wgpu::BufferSlice<'_>) -> Self {
        Self { buffer: slice.buffer().clone(), offset: slice.offset(), size: slice.size() }
    }
}
