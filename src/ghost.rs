//! Ghost batches: statistics of groups of samples, each as if it were a batch.

use crate::backward::check_backward;
use crate::forward::Bound;
use crate::plan::FLAG_ACCUMULATE;
use crate::{
    BackwardPass, BatchNorm, BufferRange, Error, Extras, Forward, Gradients, Shape, State,
    Training, Weights,
};

/// A forward pass over groups of samples; see [`BatchNorm::bind_ghost_training`].
#[derive(Clone, Debug)]
pub struct GhostForward {
    groups: Vec<Group>,
    /// The first group's pass, but of all tensors: what one group reads another may write, so the
    /// backward pass is checked as a whole, too.
    whole: Forward,
}

#[derive(Clone, Debug)]
struct Group {
    forward: Forward,
    /// First byte in each tensor like x, and bytes.
    start: u64,
    bytes: u64,
}

/// The backward pass of a [`GhostForward`].
#[derive(Clone, Debug)]
pub struct GhostBackward {
    groups: Vec<BackwardPass>,
}

impl GhostForward {
    /// Records the pass. Cannot fail, allocates nothing on the GPU, never submits, never waits.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        self.groups.iter().for_each(|group| group.forward.encode(encoder));
    }

    /// The passes of the groups, in order.
    pub fn groups(&self) -> impl Iterator<Item = &Forward> {
        self.groups.iter().map(|group| &group.forward)
    }
}

impl GhostBackward {
    /// Records the pass. Cannot fail, allocates nothing on the GPU, never submits, never waits.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        self.groups.iter().for_each(|group| group.encode(encoder));
    }
}

impl BatchNorm {
    /// Binds a training step with statistics for each of `groups` groups of neighbouring outer indices
    /// (samples; channels last: rows), of like size. The running statistics take the groups one after
    /// the other (E. Hoffer, I. Hubara, D. Soudry, "Train longer, generalize better", 2017, algorithm
    /// 1).
    ///
    /// # Errors
    /// As [`bind_training_with`](Self::bind_training_with), for each group; [`Error::GroupCount`] if
    /// there are no groups, or more than outer indices; [`Error::WeightCount`] if a weight is shared by
    /// two groups.
    #[allow(clippy::too_many_arguments)]
    pub fn bind_ghost_training(
        &self,
        device: &wgpu::Device,
        state: &State,
        shape: Shape,
        tensors: Training,
        extras: Extras,
        groups: u64,
    ) -> Result<GhostForward, Error> {
        shape.validate()?;
        if groups == 0 || groups > shape.outer() {
            return Err(Error::GroupCount { groups, outer: shape.outer() });
        }
        // What one group reads another may write.
        self.check_forward(&Bound::training(state, shape, tensors.clone(), extras.clone()))?;
        let size = self.descriptor.element.size();
        let sample = shape.channels() as u64 * shape.inner() * size;
        let bind = |group: u64| {
            let first = shape.outer() * group / groups;
            let outer = shape.outer() * (group + 1) / groups - first;
            let (start, bytes) = (first * sample, outer * sample);
            let part =
                |range: &BufferRange| BufferRange::new(&range.buffer, range.offset + start, bytes);
            let training =
                Training { x: part(&tensors.x), y: part(&tensors.y), momentum: tensors.momentum };
            let weights = extras.weights.as_ref();
            let extras = Extras {
                residual: extras.residual.as_ref().map(part),
                weights: weights.map(|w| weights_of(w, shape, first, outer)).transpose()?,
            };
            let shape = shape.with_outer(outer);
            let forward = self.bind_training_with(device, state, shape, training, extras)?;
            Ok(Group { forward, start, bytes })
        };
        let groups: Vec<Group> = (0..groups).map(bind).collect::<Result<_, Error>>()?;
        let first = groups[0].forward.clone();
        let whole = Forward { shape, x: tensors.x, extras, ..first };
        Ok(GhostForward { groups, whole })
    }

    /// Binds the backward pass of a [`GhostForward`]: dγ and dβ are the sums over all groups, and the
    /// optimizer, if asked for, takes one step.
    ///
    /// # Errors
    /// As [`bind_backward_with`](Self::bind_backward_with), for each group.
    pub fn bind_ghost_backward(
        &self,
        device: &wgpu::Device,
        forward: &GhostForward,
        dy: impl Into<BufferRange>,
        gradients: Gradients,
    ) -> Result<GhostBackward, Error> {
        let dy = dy.into();
        check_backward(&forward.whole, &dy, &gradients)?;
        let last = forward.groups.len() - 1;
        let bind = |(index, group): (usize, &Group)| {
            let part = |range: &BufferRange| {
                BufferRange::new(&range.buffer, range.offset + group.start, group.bytes)
            };
            let gradients = Gradients {
                dx: gradients.dx.as_ref().map(part),
                dresidual: gradients.dresidual.as_ref().map(part),
                affine: gradients.affine,
                optimize: gradients.optimize && index == last,
            };
            let flags = if index > 0 { FLAG_ACCUMULATE } else { 0 };
            self.bind_backward_flagged(device, &group.forward, part(&dy), gradients, flags)
        };
        let groups = forward.groups.iter().enumerate().map(bind).collect::<Result<_, Error>>()?;
        Ok(GhostBackward { groups })
    }
}

/// The weights of `outer` outer indices from `first` on.
fn weights_of(weights: &Weights, shape: Shape, first: u64, outer: u64) -> Result<Weights, Error> {
    let span = weights.span(shape) as u64;
    let (start, positions) = (first * shape.inner(), outer * shape.inner());
    if start % span != 0 || positions % span != 0 {
        let shape = shape.with_outer(outer);
        return Err(Error::WeightCount { shape, positions, weights: weights.count });
    }
    let (offset, count) = (weights.range.offset + start / span * 4, positions / span);
    Ok(Weights::new(BufferRange::new(&weights.range.buffer, offset, count * 4), count))
}
