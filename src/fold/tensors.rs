//! The weights on the GPU, checked before they are bound.

use crate::{BufferRange, Element, Error, Shape, State};

/// The layer before batch norm, on the GPU, and where the folded one goes; all `f32`.
///
/// Folded in place where `folded_weights` starts where `weights` does, and `folded_bias` where `bias`
/// does; either may be without the other. Nothing else may overlap what is written.
#[derive(Clone, Debug)]
pub struct Tensors {
    /// w.
    pub weights: BufferRange,
    /// b, a value a channel; `None` stands for 0.
    pub bias: Option<BufferRange>,
    /// w', as `weights`.
    pub folded_weights: BufferRange,
    /// b', a value a channel; always written.
    pub folded_bias: BufferRange,
}

impl Tensors {
    /// Checks ranges, and that what is written overlaps nothing, but for folding in place.
    pub(super) fn check(&self, state: &State, shape: Shape) -> Result<(), Error> {
        let (channels, elements) = (shape.channels() as u64, shape.elements());
        let sources = [("weights", Some(&self.weights)), ("bias", self.bias.as_ref())];
        let targets =
            [("folded_weights", &self.folded_weights), ("folded_bias", &self.folded_bias)];
        let lengths = [elements, channels];
        for i in 0..2 {
            for (name, range) in [sources[i], (targets[i].0, Some(targets[i].1))] {
                let Some(range) = range else { continue };
                range.check(name, lengths[i], Element::F32)?;
                range.check_apart(name, state.buffer(), "state")?;
            }
        }
        for (i, &(written, target)) in targets.iter().enumerate() {
            for (j, &(other, source)) in sources.iter().enumerate() {
                let Some(source) = source else { continue };
                let in_place = i == j && source.is_same(target);
                if !in_place {
                    let (bytes, other_bytes) = (lengths[i] * 4, lengths[j] * 4);
                    target.check_disjoint(written, source, other, bytes, other_bytes)?;
                }
            }
        }
        let [(weights, target), (bias, other)] = targets;
        target.check_disjoint(weights, other, bias, elements * 4, channels * 4)
    }
}
