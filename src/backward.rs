//! Backward: dx, dγ, dβ, dresidual, and the optimizer's step.

use crate::plan::{Kernel, Pass, Plan, Request};
use crate::record::{Configuration, Record, Tensors};
use crate::shader::Features;
use crate::{Activation, BatchNorm, BufferRange, Error, Forward};

/// Tensors of the backward pass.
#[derive(Clone, Debug)]
pub struct Backward {
    /// Gradient of the loss by y, as x.
    pub dy: BufferRange,
    /// Gradient by x, as x. The range of `dy` itself computes in place; any other must not overlap
    /// it, and none may overlap x.
    pub dx: BufferRange,
}

/// Which gradients a backward pass gives, and what it does with them. By default dγ and dβ alone.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// Where the gradient by x goes, if it is wanted. The range of dy itself computes in place.
    pub dx: Option<BufferRange>,
    /// Where the gradient by the residual goes, if it is wanted; without an activation it is dy.
    pub dresidual: Option<BufferRange>,
    /// Whether dγ and dβ are wanted. Through frozen statistics dx takes no sums without them.
    pub affine: bool,
    /// Whether γ and β take a step of the state's optimizer
    /// ([`State::set_optimizer`](crate::State::set_optimizer)), in the same dispatch. Needs `affine`.
    pub optimize: bool,
}

impl Default for Gradients {
    fn default() -> Self {
        Self { dx: None, dresidual: None, affine: true, optimize: false }
    }
}

/// A backward pass, bound to its buffers; made from a [`Forward`].
#[derive(Clone, Debug)]
pub struct BackwardPass {
    pub(crate) record: Record,
}

impl BackwardPass {
    /// Records the pass. Cannot fail, allocates nothing on the GPU, never submits, never waits.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        self.record.encode(encoder);
    }

    /// As [`encode`](Self::encode), into a compute pass of the caller's, whose pipeline and bind
    /// group 0 it replaces.
    pub fn encode_in(&self, pass: &mut wgpu::ComputePass<'_>) {
        self.record.encode_in(pass);
    }
}

impl BatchNorm {
    /// Binds the backward pass of `forward`: dx into the given range, dγ and dβ into the state's
    /// rows [`DGamma`](crate::Row::DGamma) and [`DBeta`](crate::Row::DBeta), which it replaces.
    ///
    /// dβ = Σdy; dγ = Σdy·x̂. After training dx = γ·inv_std·(dy − dβ/m − x̂·dγ/m); after inference
    /// the statistics are constants and dx = γ·inv_std·dy (Ioffe and Szegedy, section 3). Where an
    /// activation follows, dy stands for dy·act'(z), with z computed again from x. Record it
    /// after the forward pass, with x as it was then. The configuration is that of the forward pass.
    /// dγ and dβ are written whether or not the layer uses γ and β; an empty batch records nothing,
    /// so it leaves them as they are.
    ///
    /// # Errors
    /// [`Error::InputOverwritten`] if the forward pass computed in place; what is wrong with a
    /// tensor's range; [`Error::LimitExceeded`]; [`Error::Wgpu`] if the device is out of memory.
    pub fn bind_backward(
        &self,
        device: &wgpu::Device,
        forward: &Forward,
        tensors: Backward,
    ) -> Result<BackwardPass, Error> {
        let gradients = Gradients { dx: Some(tensors.dx), ..Gradients::default() };
        self.bind_backward_with(device, forward, tensors.dy, gradients)
    }

    /// As [`bind_backward`](Self::bind_backward), with a choice of what it gives.
    ///
    /// With weights w the sums run over positions whose weight is not 0, m is Σw, and
    /// dx = γ·inv_std·(dy − w·dβ/m − w·x̂·dγ/m), the derivative of the weighted statistics; where a
    /// weight is 0, dx and dresidual are 0 and dy does not matter.
    ///
    /// # Errors
    /// As [`bind_backward`](Self::bind_backward); [`Error::NoResidual`] if dresidual is asked for and
    /// the forward pass had none; [`Error::NothingToDo`] if no gradient is asked for, or an optimizer
    /// without dγ and dβ.
    pub fn bind_backward_with(
        &self,
        device: &wgpu::Device,
        forward: &Forward,
        dy: impl Into<BufferRange>,
        gradients: Gradients,
    ) -> Result<BackwardPass, Error> {
        self.bind_backward_flagged(device, forward, dy.into(), gradients, 0)
    }

    /// As [`bind_backward_with`](Self::bind_backward_with), with flags of the parameter block on top.
    pub(crate) fn bind_backward_flagged(
        &self,
        device: &wgpu::Device,
        forward: &Forward,
        dy: BufferRange,
        gradients: Gradients,
        flags: u32,
    ) -> Result<BackwardPass, Error> {
        let in_place = check_backward(forward, &dy, &gradients)?;
        let plan = plan_backward(forward, &dy, &gradients, false)?;
        let kernels = [
            Kernel::BackwardOnChip,
            Kernel::BackwardFused,
            Kernel::BackwardSums,
            Kernel::BackwardInput,
        ];
        let tensors = Differentiated { forward, dy, gradients, in_place, flags };
        self.record_backward(device, tensors, &plan, &kernels)
    }

    /// The first half of a backward pass, whose sums go where `placed` puts them; and how many partial
    /// results of a channel it leaves there.
    pub(crate) fn bind_sums(
        &self,
        device: &wgpu::Device,
        forward: &Forward,
        dy: BufferRange,
        placed: impl FnOnce(Plan) -> Result<Plan, Error>,
    ) -> Result<(BackwardPass, u32), Error> {
        let gradients = Gradients::default();
        let in_place = check_backward(forward, &dy, &gradients)?;
        let plan = placed(plan_backward(forward, &dy, &gradients, true)?)?;
        let tensors = Differentiated { forward, dy, gradients, in_place, flags: 0 };
        let pass = self.record_backward(device, tensors, &plan, &[Kernel::BackwardSums])?;
        Ok((pass, plan.slots))
    }

    /// The second half of a backward pass, which takes the sums of all parts of a batch.
    pub(crate) fn bind_merged_backward(
        &self,
        device: &wgpu::Device,
        forward: &Forward,
        dy: BufferRange,
        gradients: Gradients,
        merged: impl FnOnce(Plan) -> Plan,
    ) -> Result<BackwardPass, Error> {
        let in_place = check_backward(forward, &dy, &gradients)?;
        let plan = merged(plan_backward(forward, &dy, &gradients, true)?);
        let tensors = Differentiated { forward, dy, gradients, in_place, flags: 0 };
        self.record_backward(device, tensors, &plan, &[Kernel::BackwardInput])
    }

    fn record_backward(
        &self,
        device: &wgpu::Device,
        tensors: Differentiated<'_>,
        plan: &Plan,
        kernels: &[Kernel],
    ) -> Result<BackwardPass, Error> {
        let Differentiated { forward, dy, gradients, in_place, flags } = tensors;
        let work = match &forward.work {
            Some(work) => work.clone(),
            None => self.work_buffer(device, plan.work_words(forward.shape.channels()))?,
        };
        let mut common = forward.common;
        common.flags |= flags;
        let residual = forward.extras.residual.as_ref();
        let configuration = Configuration {
            pass: backward_of(forward),
            element: forward.element,
            features: Features {
                activation: forward.activation.into(),
                // Its value matters to the slope of an activation, and to nothing else.
                residual: residual.is_some() && forward.activation != Activation::Identity,
                weighted: forward.extras.weights.is_some(),
                in_place,
                affine: gradients.affine,
                dx: gradients.dx.is_some(),
                dresidual: gradients.dresidual.is_some(),
                renormalize: forward.renormalize,
                optimize: gradients.optimize,
            },
            common,
        };
        let tensors = Tensors {
            state: Some(forward.state.buffer()),
            work: Some(&work),
            x: Some(&forward.x),
            dy: Some(&dy),
            dx: gradients.dx.as_ref().filter(|_| !in_place),
            residual,
            dresidual: gradients.dresidual.as_ref(),
            weights: forward.extras.weights.as_ref(),
            weight_span: forward.extras.weight_span(forward.shape),
            ..Tensors::default()
        };
        let record = Record::new(device, &self.pipelines, plan, kernels, &configuration, &tensors)?;
        Ok(BackwardPass { record })
    }
}

/// What a backward pass is bound to.
struct Differentiated<'a> {
    forward: &'a Forward,
    dy: BufferRange,
    gradients: Gradients,
    in_place: bool,
    flags: u32,
}

fn backward_of(forward: &Forward) -> Pass {
    match forward.pass {
        Pass::Training => Pass::Backward,
        _ => Pass::BackwardFrozen,
    }
}

fn plan_backward(
    forward: &Forward,
    dy: &BufferRange,
    gradients: &Gradients,
    in_parts: bool,
) -> Result<Plan, Error> {
    let Gradients { dx, dresidual, affine, .. } = gradients;
    let residual = forward.extras.residual.as_ref();
    let tensors = [Some(&forward.x), Some(dy), dx.as_ref(), dresidual.as_ref(), residual];
    let offsets: Vec<u64> = tensors.into_iter().flatten().map(|tensor| tensor.offset).collect();
    let request = Request {
        element: forward.element,
        weighted: forward.extras.weights.is_some(),
        input_gradient: dx.is_some() || dresidual.is_some(),
        affine_gradients: *affine,
        in_parts,
        ..Request::new(backward_of(forward), &offsets)
    };
    Plan::new(&forward.adapter, forward.shape, &request)
}

/// Checks what a backward pass reads and writes; tells whether it computes in place.
pub(crate) fn check_backward(
    forward: &Forward,
    dy: &BufferRange,
    gradients: &Gradients,
) -> Result<bool, Error> {
    if forward.in_place {
        return Err(Error::InputOverwritten);
    }
    let Gradients { dx, dresidual, affine, optimize } = gradients;
    if dresidual.is_some() && forward.extras.residual.is_none() {
        return Err(Error::NoResidual);
    }
    let nothing = dx.is_none() && dresidual.is_none() && !affine;
    if nothing || (*optimize && !affine) {
        return Err(Error::NothingToDo);
    }
    let elements = forward.shape.elements();
    let bytes = elements * forward.element.size();
    let in_place = dx.as_ref().is_some_and(|dx| dx.is_same(dy));
    let own =
        [("state", Some(forward.state.buffer())), ("saved statistics", forward.work.as_ref())];
    for (name, tensor) in [("dy", Some(dy)), ("dx", dx.as_ref()), ("dresidual", dresidual.as_ref())]
    {
        let Some(tensor) = tensor else { continue };
        tensor.check(name, elements, forward.element)?;
        for (own_name, own) in own {
            if let Some(own) = own {
                tensor.check_apart(name, own, own_name)?;
            }
        }
        if name == "dy" {
            continue;
        }
        if !(name == "dx" && in_place) {
            tensor.check_disjoint(name, dy, "dy", bytes, bytes)?;
        }
        tensor.check_disjoint(name, &forward.x, "x", bytes, bytes)?;
        let reads_residual = forward.activation != Activation::Identity;
        if let Some(residual) = forward.extras.residual.as_ref().filter(|_| reads_residual) {
            tensor.check_disjoint(name, residual, "residual", bytes, bytes)?;
        }
        if let Some(weights) = &forward.extras.weights {
            tensor.check_disjoint(name, &weights.range, "weights", bytes, weights.count * 4)?;
        }
    }
    if let (Some(dx), Some(dresidual)) = (dx, dresidual) {
        dresidual.check_disjoint("dresidual", dx, "dx", bytes, bytes)?;
    }
    Ok(in_place)
}
