//! Weights of samples or positions.

use crate::{BufferRange, Element, Error, Shape};

/// Weights of a batch's samples or positions, `f32` on the GPU, 0 or more: where a weight is 0 the
/// position takes no part. What is negative or no number counts as 0.
///
/// Positions are counted in order, outer then inner: there are outer · inner, and each group of as
/// many neighbours as it takes shares a weight. So for `[N, C, H, W]`, N weights are those of samples,
/// and N·H·W those of positions; channels last alike.
#[derive(Clone, Debug)]
pub struct Weights {
    pub(crate) range: BufferRange,
    pub(crate) count: u64,
}

impl Weights {
    /// `count` weights.
    pub fn new(range: impl Into<BufferRange>, count: u64) -> Self {
        Self { range: range.into(), count }
    }

    pub(crate) fn check(&self, shape: Shape, largest_binding: u64) -> Result<(), Error> {
        let (positions, weights) = (shape.count(), self.count);
        let even = match weights {
            0 => positions == 0,
            _ => positions % weights == 0,
        };
        if !even {
            return Err(Error::WeightCount { shape, positions, weights });
        }
        if positions > u32::MAX as u64 {
            return Err(Error::ShapeOverflow(shape));
        }
        self.range.check("weights", weights, Element::F32)?;
        let need = weights * 4 + 256;
        if need > largest_binding {
            let what = "weights in one storage binding, in bytes";
            return Err(Error::LimitExceeded { what, need, limit: largest_binding });
        }
        Ok(())
    }

    /// Positions that share a weight.
    pub(crate) fn span(&self, shape: Shape) -> u32 {
        (shape.count() / self.count.max(1)).max(1) as u32
    }

    /// The binding that covers all, and which of its elements is the first.
    pub(crate) fn window(&self, alignment: u64) -> (wgpu::BufferBinding<'_>, u32) {
        self.range.window(0, self.count, Element::F32, alignment)
    }
}
