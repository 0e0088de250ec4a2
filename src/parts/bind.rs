//! The four passes of a part, and the merging of parts, bound.

use super::{Part, PartPass, Parts};
use crate::forward::{Bound, check_momentum};
use crate::plan::{FLAG_ACCUMULATE, FLAG_RECORD, Kernel, Params, Pass, Plan, Request};
use crate::record::{Configuration, Record, Tensors};
use crate::shader::Features;
use crate::{
    BackwardPass, BatchNorm, BufferRange, Element, Error, Extras, Forward, Gradients, Momentum,
    Shape, State, Training, Weights,
};

impl BatchNorm {
    /// Binds the moments of a part of a batch: count, sum and sum of squares of x, about a pivot and with
    /// weights, into its place.
    ///
    /// # Errors
    /// As [`bind_training`](Self::bind_training), but for those about y and the number of values: a
    /// part may have one. [`Error::NoSuchPart`]; [`Error::WeightCount`].
    pub fn bind_part_moments(
        &self,
        device: &wgpu::Device,
        shape: Shape,
        x: impl Into<BufferRange>,
        weights: Option<Weights>,
        parts: &Parts,
        place: Part,
    ) -> Result<PartPass, Error> {
        let x = x.into();
        let element = self.descriptor.element;
        place.check(parts)?;
        shape.validate()?;
        parts.check(shape)?;
        if shape.count() > u32::MAX as u64 {
            return Err(Error::ShapeOverflow(shape));
        }
        x.check("x", shape.elements(), element)?;
        x.check_apart("x", &parts.work, "parts")?;
        if let Some(weights) = &weights {
            weights.check(shape, self.adapter.largest_binding())?;
            weights.range.check_apart("weights", &parts.work, "parts")?;
        }
        let extras = Extras { residual: None, weights };
        let offsets = [x.offset];
        let weighted = extras.weights.is_some();
        let request =
            Request { element, weighted, in_parts: true, ..Request::new(Pass::Training, &offsets) };
        let plan = parts.scratch_plan(Plan::new(&self.adapter, shape, &request)?)?;
        let configuration = Configuration {
            pass: Pass::Training,
            element,
            features: Features { weighted, ..Features::plain() },
            common: Params::default(),
        };
        let tensors = Tensors {
            work: Some(&parts.work),
            x: Some(&x),
            weights: extras.weights.as_ref(),
            weight_span: extras.weight_span(shape),
            ..Tensors::default()
        };
        let kernels = [Kernel::ForwardMoments];
        let partials =
            Record::new(device, &self.pipelines, &plan, &kernels, &configuration, &tensors)?;
        let merge = self.bind_merge_part(device, parts, Kernel::MergeMoments, plan.slots, place)?;
        Ok(PartPass { record: merge.after(partials) })
    }

    /// Binds what follows the moments of all parts: y of one part, and, if this part `leads`, saved and
    /// running statistics of the whole batch. On each device one part leads; it is recorded before the
    /// others, which start from what it merges.
    ///
    /// Batch renormalization is not available in parts.
    ///
    /// # Errors
    /// As [`bind_training`](Self::bind_training), but for the number of values;
    /// [`Error::WeightCount`].
    #[allow(clippy::too_many_arguments)]
    pub fn bind_part_normalize(
        &self,
        device: &wgpu::Device,
        state: &State,
        shape: Shape,
        tensors: Training,
        extras: Extras,
        parts: &Parts,
        leads: bool,
    ) -> Result<Forward, Error> {
        parts.check(shape)?;
        if self.descriptor.renormalize {
            return Err(Error::NotInParts("batch renormalization"));
        }
        check_momentum(tensors.momentum)?;
        let bound = Bound::training(state, shape, tensors, extras);
        let merged = |plan| parts.merged_plan(plan, leads);
        let mut forward = self.bind_merged_forward(device, bound, &parts.work, merged)?;
        if leads {
            forward.record =
                forward.record.after(self.bind_merge_all(device, parts, Kernel::MergeMoments)?);
        }
        Ok(forward)
    }

    /// Binds the sums of a part, after its forward pass: Σdz and Σdz·(x − mean), into its place.
    ///
    /// # Errors
    /// As [`bind_backward`](Self::bind_backward), but for those about dx; [`Error::NoSuchPart`].
    pub fn bind_part_sums(
        &self,
        device: &wgpu::Device,
        forward: &Forward,
        dy: impl Into<BufferRange>,
        parts: &Parts,
        place: Part,
    ) -> Result<PartPass, Error> {
        place.check(parts)?;
        parts.check_forward(forward)?;
        let placed = |plan| parts.scratch_plan(plan);
        let (partials, slots) = self.bind_sums(device, forward, dy.into(), placed)?;
        let merge = self.bind_merge_part(device, parts, Kernel::MergeSums, slots, place)?;
        Ok(PartPass { record: merge.after(partials.record) })
    }

    /// Binds what follows the sums of all parts: dx (and dresidual) of one part, and, if this part
    /// `leads`, dγ, dβ and the optimizer's step. It is the part that leads the forward pass, and again
    /// recorded first.
    ///
    /// # Errors
    /// As [`bind_backward_with`](Self::bind_backward_with).
    pub fn bind_part_input(
        &self,
        device: &wgpu::Device,
        forward: &Forward,
        dy: impl Into<BufferRange>,
        gradients: Gradients,
        parts: &Parts,
        leads: bool,
    ) -> Result<BackwardPass, Error> {
        parts.check_forward(forward)?;
        let merged = |plan| parts.merged_plan(plan, leads);
        let mut pass = self.bind_merged_backward(device, forward, dy.into(), gradients, merged)?;
        if leads {
            pass.record =
                pass.record.after(self.bind_merge_all(device, parts, Kernel::MergeSums)?);
        }
        Ok(pass)
    }

    /// Binds running statistics from the moments of all parts, without y: for precise statistics, those
    /// of a set of batches under the weights as they are ([`Part::AddTo`] one place, then this with
    /// `Momentum::Exponential(1.0)`), which replaces what training tracked by an exact average.
    ///
    /// # Errors
    /// [`Error::ChannelMismatch`]; [`Error::InvalidMomentum`]; [`Error::Wgpu`].
    pub fn bind_part_statistics(
        &self,
        device: &wgpu::Device,
        state: &State,
        parts: &Parts,
        momentum: Momentum,
    ) -> Result<PartPass, Error> {
        state.check(parts.channels)?;
        check_momentum(momentum)?;
        let params = Params { slots: parts.count, flags: FLAG_RECORD, ..Params::default() };
        let kernel = Kernel::RecordStatistics;
        let record = self.bind_merge(device, Some(state), parts, kernel, params, Some(momentum))?;
        Ok(PartPass { record })
    }

    /// The partial results of a part's splits into its place.
    fn bind_merge_part(
        &self,
        device: &wgpu::Device,
        parts: &Parts,
        kernel: Kernel,
        slots: u32,
        place: Part,
    ) -> Result<Record, Error> {
        let (part, flags) = match place {
            Part::At(part) => (part, 0),
            Part::AddTo(part) => (part, FLAG_ACCUMULATE),
        };
        let first_slot = parts.scratch_slot();
        let params = Params { first_slot, slots, part, flags, ..Params::default() };
        self.bind_merge(device, None, parts, kernel, params, None)
    }

    /// All parts into one.
    fn bind_merge_all(
        &self,
        device: &wgpu::Device,
        parts: &Parts,
        kernel: Kernel,
    ) -> Result<Record, Error> {
        let (slots, part) = (parts.count, parts.merged_slot());
        let params = Params { slots, part, ..Params::default() };
        self.bind_merge(device, None, parts, kernel, params, None)
    }

    fn bind_merge(
        &self,
        device: &wgpu::Device,
        state: Option<&State>,
        parts: &Parts,
        kernel: Kernel,
        params: Params,
        momentum: Option<Momentum>,
    ) -> Result<Record, Error> {
        let (workgroup, most) = (self.adapter.full_workgroup(), self.adapter.max_workgroups);
        let plan = parts.channel_plan(workgroup, most, params)?;
        let configuration = Configuration {
            pass: Pass::Merge,
            element: Element::F32,
            features: Features { renormalize: self.descriptor.renormalize, ..Features::plain() },
            common: momentum.map_or(Params::default(), |momentum| self.common_params(momentum)),
        };
        let tensors = Tensors {
            state: state.map(|state| state.buffer()),
            work: Some(&parts.work),
            ..Tensors::default()
        };
        Record::new(device, &self.pipelines, &plan, &[kernel], &configuration, &tensors)
    }
}
