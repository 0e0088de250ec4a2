//! The configuration that layers share, and its compiled kernels.

use crate::plan::{
    Adapter, BYTES_A_THREAD, FLAG_BETA, FLAG_CUMULATIVE, FLAG_GAMMA, FLAG_TRACK, FLAG_UNBIASED,
    Params,
};
use crate::shader::{Memory, Pipelines};
use crate::{Activation, Element, Error};
use std::sync::Arc;

/// Which variance of a batch enters the running variance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RunningVariance {
    /// σ²·m/(m − 1), as in PyTorch.
    #[default]
    Unbiased,
    /// σ², as in ONNX, Keras and Burn.
    Biased,
}

/// Weight α of a batch in the running statistics, r ← (1 − α)·r + α·(batch value).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Momentum {
    /// α itself, from 0 to 1: PyTorch's direction, 1 minus Keras' and ONNX' momentum.
    Exponential(f32),
    /// α = 1/(batches seen, this one included), which makes r the average of all batches.
    Cumulative,
}

impl Default for Momentum {
    /// α = 0.1, PyTorch's default.
    fn default() -> Self {
        Momentum::Exponential(0.1)
    }
}

/// What a [`BatchNorm`] computes.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNormDescriptor {
    /// ε in 1/√(σ² + ε); finite and above 0. Default 1e-5.
    pub epsilon: f32,
    /// Whether y is multiplied by γ. Default true.
    pub scale: bool,
    /// Whether β is added. Default true.
    pub shift: bool,
    /// Whether training updates the running statistics. Default true.
    pub track_running_stats: bool,
    /// Which variance they take. Default unbiased.
    pub running_variance: RunningVariance,
    /// How tensors are stored. Default `f32`.
    pub element: Element,
    /// What follows, in the same kernels. Default the identity.
    pub activation: Activation,
    /// Batch renormalization: training normalises with the batch's statistics pulled towards the
    /// running ones, x̂·r + d, within the bounds of
    /// [`State::set_renormalization`](crate::State::set_renormalization) (S. Ioffe, "Batch
    /// Renormalization", 2017). Default false.
    pub renormalize: bool,
}

impl Default for BatchNormDescriptor {
    fn default() -> Self {
        Self {
            epsilon: 1e-5,
            scale: true,
            shift: true,
            track_running_stats: true,
            running_variance: RunningVariance::default(),
            element: Element::default(),
            activation: Activation::default(),
            renormalize: false,
        }
    }
}

impl BatchNormDescriptor {
    fn validate(&self) -> Result<(), Error> {
        let epsilon = self.epsilon;
        if !(epsilon.is_finite() && epsilon > 0.0) {
            return Err(Error::InvalidEpsilon(epsilon));
        }
        match self.activation {
            Activation::LeakyRelu(slope) if !slope.is_finite() => Err(Error::InvalidSlope(slope)),
            _ => Ok(()),
        }
    }
}

/// A configuration and its kernels: compiled on a device when first bound, shared by all layers.
///
/// One `BatchNorm` serves layers of any shape. Binding ([`bind_training`](Self::bind_training),
/// [`bind_inference`](Self::bind_inference), [`bind_backward`](Self::bind_backward)) validates,
/// and allocates scratch and bind groups; recording what is bound then only writes commands.
#[derive(Debug)]
pub struct BatchNorm {
    pub(crate) descriptor: BatchNormDescriptor,
    pub(crate) adapter: Adapter,
    pub(crate) pipelines: Arc<Pipelines>,
}

impl BatchNorm {
    /// Storage buffers that the backward pass binds, the most of any.
    const STORAGE_BUFFERS: u32 = 8;

    /// Features that make kernels faster, of those that `adapter` has: to be asked for with a device.
    /// None is needed.
    ///
    /// They are [`SHADER_INT64`](wgpu::Features::SHADER_INT64) of a software adapter: with words of 64
    /// bits the kernels take a tenth to a fifth less time on lavapipe; and
    /// [`SHADER_F16`](wgpu::Features::SHADER_F16), for layers of [`Element::F16`], where
    /// [`Context::probe`](crate::Context::probe) has found the device exact.
    pub fn useful_features(adapter: &wgpu::Adapter) -> wgpu::Features {
        let is_cpu = adapter.get_info().device_type == wgpu::DeviceType::Cpu;
        let words = if is_cpu { wgpu::Features::SHADER_INT64 } else { wgpu::Features::empty() };
        (words | wgpu::Features::SHADER_F16) & adapter.features()
    }

    /// Checks the configuration and the device's limits.
    ///
    /// # Errors
    /// [`Error::InvalidEpsilon`] if ε is not finite or not above 0; [`Error::InvalidSlope`] if that of
    /// leaky ReLU is not finite; [`Error::LimitExceeded`] if
    /// the device allows fewer storage buffers, invocations or bytes than the kernels need: on a software
    /// adapter, a workgroup of a vector's width.
    pub fn new(device: &wgpu::Device, descriptor: &BatchNormDescriptor) -> Result<Self, Error> {
        let adapter = Adapter::new(&device.adapter_info(), &device.limits());
        Self::with_adapter(device, descriptor, adapter)
    }

    /// As [`new`](Self::new), but plans for `adapter` instead of what the device reports: for what
    /// [`Context::probe`](crate::Context::probe) found, to tune for an adapter that wgpu describes badly, or to test
    /// one adapter's plans on another.
    ///
    /// Limits that the device does not have are lowered to what it has, and workgroups are no narrower
    /// than the vectors of a software adapter.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_adapter(
        device: &wgpu::Device,
        descriptor: &BatchNormDescriptor,
        adapter: Adapter,
    ) -> Result<Self, Error> {
        let own = Adapter::new(&device.adapter_info(), &device.limits());
        let adapter = adapter.within(&own);
        descriptor.validate()?;
        let limits = device.limits();
        let narrowest = own.narrowest_workgroup();
        for (what, need, limit) in [
            (
                "storage buffers of a kernel",
                Self::STORAGE_BUFFERS as u64,
                limits.max_storage_buffers_per_shader_stage as u64,
            ),
            ("invocations of a workgroup", narrowest as u64, adapter.max_invocations as u64),
            (
                "bytes of workgroup memory",
                (narrowest * BYTES_A_THREAD) as u64,
                adapter.max_workgroup_memory as u64,
            ),
            ("workgroups of a dispatch", 1, limits.max_compute_workgroups_per_dimension as u64),
            ("bind groups", 1, limits.max_bind_groups as u64),
            (
                "bytes of a uniform binding",
                size_of::<Params>() as u64,
                limits.max_uniform_buffer_binding_size,
            ),
        ] {
            if need > limit {
                return Err(Error::LimitExceeded { what, need, limit });
            }
        }
        let pipelines = Arc::new(Pipelines::of(Memory::new(&adapter, device)));
        Ok(Self { descriptor: descriptor.clone(), adapter, pipelines })
    }

    /// Another configuration with the same kernels: nothing is compiled twice.
    ///
    /// # Errors
    /// [`Error::InvalidEpsilon`], [`Error::InvalidSlope`].
    pub fn with_descriptor(&self, descriptor: &BatchNormDescriptor) -> Result<Self, Error> {
        descriptor.validate()?;
        let pipelines = self.pipelines.clone();
        Ok(Self { descriptor: descriptor.clone(), adapter: self.adapter, pipelines })
    }

    /// The configuration.
    pub fn descriptor(&self) -> &BatchNormDescriptor {
        &self.descriptor
    }

    /// What plans depend on: [`Plan::new`](crate::plan::Plan::new) with it tells beforehand how a
    /// pass will run on this device, and what scratch memory it takes.
    pub fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// The parameters that are the same for every step of a pass.
    pub(crate) fn common_params(&self, momentum: Momentum) -> Params {
        let d = &self.descriptor;
        let (momentum, cumulative) = match momentum {
            Momentum::Exponential(alpha) => (alpha, false),
            Momentum::Cumulative => (0.0, true),
        };
        let flag = |on: bool, flag: u32| if on { flag } else { 0 };
        Params {
            epsilon: d.epsilon,
            momentum,
            slope: d.activation.parameter(),
            flags: flag(d.scale, FLAG_GAMMA)
                | flag(d.shift, FLAG_BETA)
                | flag(d.track_running_stats, FLAG_TRACK)
                | flag(cumulative, FLAG_CUMULATIVE)
                | flag(d.running_variance == RunningVariance::Unbiased, FLAG_UNBIASED),
            ..Params::default()
        }
    }
}
