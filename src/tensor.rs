//! The caller's tensors: ranges of buffers, checked before they are bound.

use crate::{Error, plan::Piece};
use std::num::NonZeroU64;

/// A tensor of the caller: a range of a buffer, in bytes.
///
/// Made from a whole buffer (`(&buffer).into()`), from a slice (`buffer.slice(256..).into()`), or
/// with [`new`](Self::new). The buffer needs the usage [`STORAGE`](wgpu::BufferUsages::STORAGE);
/// the offset must be a multiple of 4, and multiples of 16 are faster. Cloning is cheap: wgpu
/// counts references.
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

    /// Checks that the range holds `elements` values of four bytes that a kernel may use.
    pub(crate) fn check(&self, name: &'static str, elements: u64) -> Result<(), Error> {
        let need = wgpu::BufferUsages::STORAGE;
        let have = self.buffer.usage();
        if !have.contains(need) {
            return Err(Error::MissingUsage { name, need, have });
        }
        if !self.offset.is_multiple_of(4) {
            return Err(Error::Misaligned { name, offset: self.offset, alignment: 4 });
        }
        let end = self.offset.saturating_add(self.size);
        if end > self.buffer.size() {
            return Err(Error::RangeOutOfBounds { name, end, size: self.buffer.size() });
        }
        let need = elements.saturating_mul(4);
        if need > self.size {
            return Err(Error::BufferTooSmall { name, need, have: self.size });
        }
        Ok(())
    }

    /// Checks that writing the first `elements` values of `self` leaves those of `other` alone.
    pub(crate) fn check_disjoint(
        &self,
        name: &'static str,
        other: &Self,
        other_name: &'static str,
        elements: u64,
    ) -> Result<(), Error> {
        let bytes = elements * 4;
        let apart = self.offset + bytes <= other.offset || other.offset + bytes <= self.offset;
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

    /// The binding that covers a piece, and the element of the piece's start in it.
    pub(crate) fn window(&self, piece: &Piece, alignment: u64) -> (wgpu::BufferBinding<'_>, u32) {
        let start = self.offset + piece.start * 4;
        let offset = start / alignment * alignment;
        let size = NonZeroU64::new(start + piece.length * 4 - offset);
        (wgpu::BufferBinding { buffer: &self.buffer, offset, size }, ((start - offset) / 4) as u32)
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
