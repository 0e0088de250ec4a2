//! Backward: dx, dγ and dβ.

use crate::plan::{Pass, Plan};
use crate::record::{Record, Tensors};
use crate::{BatchNorm, BufferRange, Error, Forward};

/// Tensors of the backward pass.
#[derive(Clone, Debug)]
pub struct Backward {
    /// Gradient of the loss by y, as x.
    pub dy: BufferRange,
    /// Gradient by x, as x; must not share bytes with `dy` or x.
    pub dx: BufferRange,
}

/// A backward pass, bound to its buffers; made from a [`Forward`].
#[derive(Clone, Debug)]
pub struct BackwardPass {
    record: Record,
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
    /// the statistics are constants and dx = γ·inv_std·dy (Ioffe and Szegedy, section 3). Record it
    /// after the forward pass, with x as it was then. The configuration is that of the forward pass.
    /// dγ and dβ are written whether or not the layer uses γ and β; an empty batch records nothing,
    /// so it leaves them as they are.
    ///
    /// # Errors
    /// What is wrong with a tensor's range; [`Error::LimitExceeded`]; [`Error::Wgpu`] if the device
    /// is out of memory.
    pub fn bind_backward(
        &self,
        device: &wgpu::Device,
        forward: &Forward,
        tensors: Backward,
    ) -> Result<BackwardPass, Error> {
        let Backward { dy, dx } = tensors;
        let shape = forward.shape;
        let elements = shape.elements();
        let pass = match forward.pass {
            Pass::Training => Pass::Backward,
            _ => Pass::BackwardFrozen,
        };
        dy.check("dy", elements)?;
        dx.check("dx", elements)?;
        dx.check_disjoint("dx", &dy, "dy", elements)?;
        dx.check_disjoint("dx", &forward.x, "x", elements)?;
        for (name, tensor) in [("dy", &dy), ("dx", &dx)] {
            tensor.check_apart(name, forward.state.buffer(), "state")?;
            if let Some(work) = &forward.work {
                tensor.check_apart(name, work, "saved statistics")?;
            }
        }
        let offsets = [forward.x.offset, dy.offset, dx.offset];
        let plan = Plan::new(&forward.adapter, shape, pass, &offsets)?;
        let work = match &forward.work {
            Some(work) => work.clone(),
            None => self.work_buffer(device, plan.work_words(shape.channels()))?,
        };
        let record = Record::new(
            device,
            &self.pipelines,
            &plan,
            pass,
            forward.common,
            &Tensors {
                state: forward.state.buffer(),
                work: Some(&work),
                x: &forward.x,
                y: None,
                dy: Some(&dy),
                dx: Some(&dx),
            },
        )?;
        Ok(BackwardPass { record })
    }
}
