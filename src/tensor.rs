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

#[cfg(test)]
mod tests {
    use super::*;
    use wgpu::BufferUsages;

    fn buffer(device: &wgpu::Device, size: u64, usage: BufferUsages) -> wgpu::Buffer {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage,
            mapped_at_creation: false,
        })
    }

    /// Two buffers of 64 bytes on a device that does nothing.
    fn buffers() -> [wgpu::Buffer; 2] {
        let (device, _) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
        [(), ()].map(|()| buffer(&device, 64, BufferUsages::STORAGE))
    }

    #[test]
    fn a_range_is_of_a_buffer_or_a_slice() {
        let [buffer, _] = buffers();
        let parts = |range: BufferRange| (range.buffer() == &buffer, range.offset(), range.size());
        assert_eq!(parts(BufferRange::new(&buffer, 8, 24)), (true, 8, 24));
        assert_eq!(parts((&buffer).into()), (true, 0, 64));
        assert_eq!(parts(buffer.clone().into()), (true, 0, 64));
        assert_eq!(parts(buffer.slice(16..48).into()), (true, 16, 32));
        assert_eq!(parts((&BufferRange::new(&buffer, 8, 24)).into()), (true, 8, 24));
        for (size, bound) in [(24, NonZeroU64::new(24)), (0, None)] {
            let range = BufferRange::new(&buffer, 8, size);
            let wgpu::BindingResource::Buffer(binding) = range.binding() else {
                panic!("a buffer")
            };
            assert_eq!((binding.buffer, binding.offset, binding.size), (&buffer, 8, bound));
        }
    }

    /// What is checked, from offset, size and elements: up to the last byte it is right.
    #[test]
    fn ranges_are_checked_to_the_byte() {
        use Element::{F16, F32};
        let [buffer, _] = buffers();
        let check = |offset, size, elements, element| {
            BufferRange::new(&buffer, offset, size).check("x", elements, element)
        };
        for (offset, size, elements, element) in [
            (0, 64, 16, F32),
            (4, 60, 15, F32),
            (64, 0, 0, F32),
            (2, 62, 31, F16),
            (0, 62, 31, F16),
            // More than is needed.
            (8, 56, 3, F32),
        ] {
            assert!(check(offset, size, elements, element).is_ok(), "{offset}, {size}, {elements}");
        }
        let misaligned = |offset, element| match check(offset, 4, 1, element) {
            Err(Error::Misaligned { name: "x", offset, alignment }) => Some((offset, alignment)),
            _ => None,
        };
        assert_eq!(misaligned(2, F32), Some((2, 4)));
        assert_eq!(misaligned(3, F16), Some((3, 2)));
        let beyond = |offset, size| match check(offset, size, 1, F32) {
            Err(Error::RangeOutOfBounds { name: "x", end, size }) => Some((end, size)),
            _ => None,
        };
        assert_eq!(beyond(4, 61), Some((65, 64)));
        assert_eq!(beyond(8, u64::MAX), Some((u64::MAX, 64)));
        let small = |size, elements, element| match check(0, size, elements, element) {
            Err(Error::BufferTooSmall { name: "x", need, have }) => Some((need, have)),
            _ => None,
        };
        assert_eq!(small(63, 16, F32), Some((64, 63)));
        assert_eq!(small(5, 3, F16), Some((6, 5)));
        assert_eq!(small(64, u64::MAX, F32), Some((u64::MAX, 64)));
    }

    /// The last word of an odd number of 16-bit elements is bound as a whole.
    #[test]
    fn a_buffer_goes_on_to_the_end_of_the_word() {
        let (device, _) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
        let cut = buffer(&device, 62, BufferUsages::STORAGE);
        let check = |elements| BufferRange::new(&cut, 0, 62).check("x", elements, Element::BF16);
        assert!(check(30).is_ok());
        let Err(Error::RangeOutOfBounds { name: "x", end: 64, size: 62 }) = check(31) else {
            panic!("a word that ends beyond the buffer");
        };
    }

    #[test]
    fn kernels_need_storage() {
        let (device, _) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
        let other = buffer(&device, 64, BufferUsages::COPY_DST);
        let Err(Error::MissingUsage { name: "x", need, have }) =
            BufferRange::from(&other).check("x", 1, Element::F32)
        else {
            panic!("a buffer without the usage");
        };
        assert_eq!((need, have), (BufferUsages::STORAGE, BufferUsages::COPY_DST));
    }

    #[test]
    fn ranges_may_touch_and_not_overlap() {
        let [one, two] = buffers();
        let overlap = |a: (u64, u64), b: (u64, u64), other: &wgpu::Buffer| {
            let (first, second) =
                (BufferRange::new(&one, a.0, 64), BufferRange::new(other, b.0, 64));
            match first.check_disjoint("y", &second, "x", a.1, b.1) {
                Ok(()) => false,
                Err(Error::Overlap { written: "y", other: "x" }) => true,
                Err(error) => panic!("{error}"),
            }
        };
        for (a, b, overlaps) in [
            ((0, 8), (8, 8), false),
            ((8, 8), (0, 8), false),
            ((0, 9), (8, 8), true),
            ((8, 8), (0, 9), true),
            ((4, 4), (0, 64), true),
            ((0, 64), (4, 4), true),
        ] {
            assert_eq!(overlap(a, b, &one), overlaps, "{a:?}, {b:?}");
            assert!(!overlap(a, b, &two), "of another buffer: {a:?}, {b:?}");
        }
        let range = |buffer, offset| BufferRange::new(buffer, offset, 8);
        assert!(range(&one, 8).is_same(&BufferRange::new(&one, 8, 16)));
        assert!(!range(&one, 8).is_same(&range(&one, 4)));
        assert!(!range(&one, 8).is_same(&range(&two, 8)));
        assert!(range(&one, 8).check_apart("x", &two, "state").is_ok());
        let Err(Error::Overlap { written: "state", other: "x" }) =
            range(&one, 8).check_apart("x", &one, "state")
        else {
            panic!("a range of the layer's own buffer");
        };
    }

    /// Bindings start where the device lets them, before the first element, and end with a word.
    #[test]
    fn a_window_starts_at_an_alignment() {
        let [buffer, _] = buffers();
        // The range's offset, start and length in elements; offset and size of the binding, first.
        for (offset, start, length, element, binding) in [
            (0, 0, 16, Element::F32, (0, 64, 0)),
            (4, 0, 15, Element::F32, (0, 64, 1)),
            (4, 3, 2, Element::F32, (16, 8, 0)),
            (4, 5, 2, Element::F32, (16, 16, 2)),
            (2, 0, 3, Element::F16, (0, 8, 1)),
            (2, 10, 4, Element::F16, (16, 16, 3)),
            (36, 0, 1, Element::F32, (32, 8, 1)),
        ] {
            let range = BufferRange::new(&buffer, offset, 64 - offset);
            let (bound, first) = range.window(start, length, element, 16);
            let size = bound.size.expect("a size").get();
            assert_eq!((bound.offset, size, first), binding, "{offset}, {start}, {length}");
            assert_eq!(bound.buffer, &buffer);
        }
    }
}
