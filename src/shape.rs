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
