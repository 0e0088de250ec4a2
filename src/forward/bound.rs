//! What a forward pass is bound to, and what is refused.

use super::{Extras, Training};
use crate::plan::Pass;
use crate::{BufferRange, Error, Momentum, Shape, State};

/// What a forward pass is bound to.
pub(crate) struct Bound<'a> {
    pub state: &'a State,
    pub shape: Shape,
    pub pass: Pass,
    pub x: BufferRange,
    pub y: BufferRange,
    pub extras: Extras,
    pub momentum: Momentum,
}

impl<'a> Bound<'a> {
    pub fn training(state: &'a State, shape: Shape, tensors: Training, extras: Extras) -> Self {
        let Training { x, y, momentum } = tensors;
        Self { state, shape, pass: Pass::Training, x, y, extras, momentum }
    }

    pub fn tensors(&self) -> impl Iterator<Item = (&'static str, &BufferRange)> {
        let weights = self.extras.weights.as_ref().map(|weights| &weights.range);
        let tensors = [
            ("x", Some(&self.x)),
            ("y", Some(&self.y)),
            ("residual", self.extras.residual.as_ref()),
            ("weights", weights),
        ];
        tensors.into_iter().filter_map(|(name, tensor)| Some((name, tensor?)))
    }

    /// Of the tensors that are like x.
    pub fn offsets(&self) -> Vec<u64> {
        let tensors = [Some(&self.x), Some(&self.y), self.extras.residual.as_ref()];
        tensors.into_iter().flatten().map(|tensor| tensor.offset).collect()
    }
}

/// Refuses a momentum that is none.
pub(crate) fn check_momentum(momentum: Momentum) -> Result<(), Error> {
    match momentum {
        Momentum::Exponential(alpha) if !(0.0..=1.0).contains(&alpha) => {
            Err(Error::InvalidMomentum(alpha))
        }
        _ => Ok(()),
    }
}

/// Refuses momenta and batches that training cannot use.
pub(super) fn check_batch(shape: Shape, momentum: Momentum) -> Result<(), Error> {
    check_momentum(momentum)?;
    shape.validate()?;
    if shape.count() > u32::MAX as u64 {
        return Err(Error::ShapeOverflow(shape));
    }
    if shape.count() < 2 {
        return Err(Error::TooFewValues { shape, count: shape.count() });
    }
    Ok(())
}
