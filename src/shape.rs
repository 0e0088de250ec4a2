//! Shapes and layouts: every supported tensor is `outer × channels × inner`.

use crate::Error;
use std::fmt;

/// Where the channel axis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `[N, C, ...]`: the values of a channel in a sample are neighbours.
    ChannelsFirst,
    /// `[N, ..., C]`: the channels of a position are neighbours.
    ChannelsLast,
}

/// The shape of `x`, `y`, `dy` and `dx`: contiguous, row-major tensors.
///
/// A channel's statistics cover [`count`](Self::count) values, all but the channel axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    outer: u64,
    channels: u32,
    inner: u64,
    layout: Layout,
}

impl Shape {
    /// `outer × channels × inner`, row-major: `[N, C, ...]` with `inner` the product of `...`.
    pub const fn channels_first(outer: u64, channels: u32, inner: u64) -> Self {
        Self { outer, channels, inner, layout: Layout::ChannelsFirst }
    }

    /// `rows × channels`, row-major: `[N, ..., C]` with `rows` the product of all but `C`.
    pub const fn channels_last(rows: u64, channels: u32) -> Self {
        Self { outer: rows, channels, inner: 1, layout: Layout::ChannelsLast }
    }

    /// `[N, C]`, as dense layers produce.
    pub const fn nc(n: u32, c: u32) -> Self {
        Self::channels_first(n as u64, c, 1)
    }

    /// `[N, C, L]`.
    pub const fn ncl(n: u32, c: u32, l: u32) -> Self {
        Self::channels_first(n as u64, c, l as u64)
    }

    /// `[N, C, H, W]`.
    pub const fn nchw(n: u32, c: u32, h: u32, w: u32) -> Self {
        Self::channels_first(n as u64, c, h as u64 * w as u64)
    }

    /// `[N, C, D, H, W]`.
    pub const fn ncdhw(n: u32, c: u32, d: u32, h: u32, w: u32) -> Self {
        Self::channels_first(n as u64, c, (h as u64 * w as u64).saturating_mul(d as u64))
    }

    /// `[N, H, W, C]`.
    pub const fn nhwc(n: u32, h: u32, w: u32, c: u32) -> Self {
        Self::channels_last((h as u64 * w as u64).saturating_mul(n as u64), c)
    }

    /// From the extents of all axes, of which the second (channels first) or the last (channels
    /// last) is the channel axis. `None` if there are fewer than two axes or the sizes overflow.
    pub fn from_dims(dims: &[u64], layout: Layout) -> Option<Self> {
        let product = |axes: &[u64]| axes.iter().try_fold(1u64, |a, &b| a.checked_mul(b));
        match (layout, dims) {
            (Layout::ChannelsFirst, [n, c, inner @ ..]) => {
                Some(Self::channels_first(*n, u32::try_from(*c).ok()?, product(inner)?))
            }
            (Layout::ChannelsLast, [rows @ .., c]) if !rows.is_empty() => {
                Some(Self::channels_last(product(rows)?, u32::try_from(*c).ok()?))
            }
            _ => None,
        }
    }

    /// Extent of what comes before the channel axis: samples, or rows.
    pub const fn outer(&self) -> u64 {
        self.outer
    }

    /// Number of channels, C.
    pub const fn channels(&self) -> u32 {
        self.channels
    }

    /// Extent of what comes after the channel axis; 1 for channels last.
    pub const fn inner(&self) -> u64 {
        self.inner
    }

    /// Where the channel axis is.
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// Values a channel, m = outer · inner; saturates at `u64::MAX`.
    pub const fn count(&self) -> u64 {
        self.outer.saturating_mul(self.inner)
    }

    /// Elements of the tensor; saturates at `u64::MAX`.
    pub const fn elements(&self) -> u64 {
        self.count().saturating_mul(self.channels as u64)
    }

    /// Index of a channel's value: `outer` index, channel, `inner` index.
    pub const fn index(&self, outer: u64, channel: u32, inner: u64) -> u64 {
        (outer * self.channels as u64 + channel as u64) * self.inner + inner
    }

    /// The same with another outer extent.
    pub(crate) const fn with_outer(self, outer: u64) -> Self {
        Self { outer, ..self }
    }

    /// Refuses what no kernel can count: no channels, or 2⁶¹ elements and more.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        if self.channels == 0 || self.channels > 1 << 31 {
            return Err(Error::InvalidChannels(self.channels as u64));
        }
        // An extent of 0 must not hide that the others overflow.
        let largest = self.outer.max(1).saturating_mul(self.inner.max(1));
        if largest.saturating_mul(self.channels as u64) >= 1 << 61 {
            return Err(Error::ShapeOverflow(*self));
        }
        Ok(())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layout {
            Layout::ChannelsFirst => {
                write!(f, "[{}, {}, {}]", self.outer, self.channels, self.inner)
            }
            Layout::ChannelsLast => {
                write!(f, "[{}, {}] (channels last)", self.outer, self.channels)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Layout::{ChannelsFirst, ChannelsLast};

    /// Each way to make a shape: outer, channels, inner, and how it is told.
    #[test]
    fn every_constructor_multiplies_its_axes() {
        let table = [
            (Shape::channels_first(2, 3, 5), [2, 3, 5], ChannelsFirst, "[2, 3, 5]"),
            (Shape::nc(2, 3), [2, 3, 1], ChannelsFirst, "[2, 3, 1]"),
            (Shape::ncl(2, 3, 5), [2, 3, 5], ChannelsFirst, "[2, 3, 5]"),
            (Shape::nchw(2, 3, 5, 7), [2, 3, 35], ChannelsFirst, "[2, 3, 35]"),
            (Shape::ncdhw(2, 3, 5, 7, 11), [2, 3, 385], ChannelsFirst, "[2, 3, 385]"),
            (Shape::channels_last(6, 5), [6, 5, 1], ChannelsLast, "[6, 5] (channels last)"),
            (Shape::nhwc(2, 3, 5, 7), [30, 7, 1], ChannelsLast, "[30, 7] (channels last)"),
        ];
        for (shape, [outer, channels, inner], layout, told) in table {
            assert_eq!(shape.layout(), layout);
            let extents = [shape.outer(), shape.channels() as u64, shape.inner()];
            assert_eq!(extents, [outer, channels, inner], "{shape}");
            assert_eq!(shape.count(), outer * inner, "{shape}");
            assert_eq!(shape.elements(), outer * channels * inner, "{shape}");
            assert_eq!(shape.to_string(), told);
            let other = shape.with_outer(9);
            assert_eq!([other.outer(), other.inner()], [9, inner], "{shape}");
            assert_eq!((other.channels(), other.layout()), (shape.channels(), layout), "{shape}");
        }
    }

    #[test]
    fn axes_are_counted_from_their_ends() {
        let first = |dims: &[u64]| Shape::from_dims(dims, ChannelsFirst);
        let last = |dims: &[u64]| Shape::from_dims(dims, ChannelsLast);
        assert_eq!(first(&[2, 3]), Some(Shape::nc(2, 3)));
        assert_eq!(first(&[2, 3, 5, 7]), Some(Shape::nchw(2, 3, 5, 7)));
        assert_eq!(last(&[2, 3]), Some(Shape::channels_last(2, 3)));
        assert_eq!(last(&[2, 3, 5, 7]), Some(Shape::nhwc(2, 3, 5, 7)));
        for none in [first(&[]), first(&[2]), last(&[]), last(&[2])] {
            assert_eq!(none, None);
        }
        let (many, half) = (1 << 32, u64::MAX / 2 + 1);
        for none in [first(&[1, many]), last(&[1, many]), first(&[1, 1, 2, half])] {
            assert_eq!(none, None);
        }
        assert_eq!(last(&[2, half, 1]), None);
    }

    /// Indices are where the values are: 0, 1, 2, … in the order of memory.
    #[test]
    fn indices_run_through_memory() {
        for shape in [Shape::ncl(3, 4, 5), Shape::channels_last(7, 6)] {
            let mut next = 0;
            for outer in 0..shape.outer() {
                for channel in 0..shape.channels() {
                    for inner in 0..shape.inner() {
                        assert_eq!(shape.index(outer, channel, inner), next, "{shape}");
                        next += 1;
                    }
                }
            }
            assert_eq!(next, shape.elements());
        }
    }

    #[test]
    fn what_overflows_saturates() {
        let (all, half) = (u64::MAX, u32::MAX);
        assert_eq!(Shape::channels_first(all, 1, 2).count(), all);
        assert_eq!(Shape::channels_first(all, 2, 1).elements(), all);
        assert_eq!(Shape::ncdhw(1, 1, half, half, half).inner(), all);
        assert_eq!(Shape::nhwc(half, half, half, 1).outer(), all);
    }

    #[test]
    fn what_no_kernel_can_count_is_refused() {
        let channels = |shape: Shape| match shape.validate() {
            Err(Error::InvalidChannels(channels)) => Some(channels),
            _ => None,
        };
        assert_eq!(channels(Shape::nc(1, 0)), Some(0));
        assert_eq!(channels(Shape::nc(1, (1 << 31) + 1)), Some((1 << 31) + 1));
        assert!(Shape::nc(1, 1 << 31).validate().is_ok());
        let overflows =
            |shape: Shape| matches!(shape.validate(), Err(Error::ShapeOverflow(s)) if s == shape);
        assert!(Shape::channels_first((1 << 61) - 1, 1, 1).validate().is_ok());
        assert!(overflows(Shape::channels_first(1 << 61, 1, 1)));
        assert!(overflows(Shape::channels_first(1 << 30, 2, 1 << 30)));
        assert!(Shape::channels_first(1 << 30, 1, 1 << 30).validate().is_ok());
        // An empty tensor all the same.
        assert!(overflows(Shape::channels_first(0, 1, 1 << 61)));
        assert!(overflows(Shape::channels_first(1 << 61, 1, 0)));
        assert!(Shape::channels_first(0, 1, 0).validate().is_ok());
    }
}
