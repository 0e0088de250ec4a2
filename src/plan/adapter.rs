//! What a plan depends on of an adapter, and what follows from that alone.

use crate::Element;

/// Workgroup memory of the largest reduction: a count and three vectors.
pub(crate) const BYTES_A_THREAD: u32 = 4 + 3 * 16;

/// Fewer cores have the plans for so many: of walks, lines and runs, of which there are many workgroups anyway; and of
/// strips and tiles, where each workgroup more has more to merge.
const MIN_CORES: u32 = 4;
const MIN_EVEN_CORES: u32 = 2;
/// More cores have the plans for so many: lavapipe has no more threads (Mesa 22.3).
const MAX_CORES: u32 = 32;

/// What of an adapter the plan depends on, and, of `exact_f16`, the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// A software adapter: a workgroup is a loop on one core, best one subgroup wide.
    pub is_cpu: bool,
    /// Cores that a software adapter runs on; of no account on a GPU. Plans depend on it, and so do the last bits: one
    /// and two cores have the same, and so have 32 and more.
    pub cores: u32,
    /// Elements of a tensor from which on a software adapter sweeps it in strips or tiles; a quarter of these, or twice
    /// as many, where walks are slow or fast. Smaller ones stay in the caches whatever the order, and the kernels for
    /// strips and tiles take seconds to compile.
    pub tiles_from: u64,
    /// Invocations that run in step.
    pub subgroup: u32,
    /// Bytes that one binding may cover.
    pub max_binding: u64,
    /// What the offset of a binding must be a multiple of, in bytes.
    pub alignment: u64,
    /// Workgroups in one dimension of a dispatch.
    pub max_workgroups: u32,
    /// Invocations in a workgroup.
    pub max_invocations: u32,
    /// Bytes of workgroup memory.
    pub max_workgroup_memory: u32,
    /// Whether the device itself converts between `f16` and `f32` without loss, and rounds to nearest, ties to even:
    /// WGSL promises neither, and [`Context::probe`](crate::Context::probe) finds out. If not, kernels put the bits
    /// together, which is right everywhere, and takes longer.
    pub exact_f16: bool,
}

impl Adapter {
    /// From what wgpu reports of a device, and the standard library of the machine's cores.
    pub fn new(info: &wgpu::AdapterInfo, limits: &wgpu::Limits) -> Self {
        Self {
            is_cpu: info.device_type == wgpu::DeviceType::Cpu,
            cores: std::thread::available_parallelism()
                .map_or(MIN_CORES, |cores| cores.get().min(MAX_CORES as usize) as u32),
            tiles_from: 1 << 18,
            subgroup: info.subgroup_max_size.clamp(4, 128),
            max_binding: limits.max_storage_buffer_binding_size,
            alignment: limits.min_storage_buffer_offset_alignment.max(4) as u64,
            max_workgroups: limits.max_compute_workgroups_per_dimension,
            max_invocations: limits
                .max_compute_invocations_per_workgroup
                .min(limits.max_compute_workgroup_size_x),
            max_workgroup_memory: limits.max_compute_workgroup_storage_size,
            exact_f16: false,
        }
    }

    /// Itself, but for limits that `device` does not have.
    pub(crate) fn within(&self, device: &Self) -> Self {
        let narrowest = device.narrowest_workgroup().clamp(4, 128);
        Self {
            is_cpu: self.is_cpu,
            cores: self.cores,
            tiles_from: self.tiles_from,
            subgroup: self.subgroup.clamp(narrowest, 128),
            max_binding: self.max_binding.min(device.max_binding),
            alignment: self.alignment.max(device.alignment),
            max_workgroups: self.max_workgroups.clamp(1, device.max_workgroups.max(1)),
            max_invocations: self.max_invocations.min(device.max_invocations),
            max_workgroup_memory: self.max_workgroup_memory.min(device.max_workgroup_memory),
            exact_f16: self.exact_f16,
        }
    }

    /// Bytes that a binding may cover: some drivers count them in 32 bits, in whole vectors.
    pub(crate) fn largest_binding(&self) -> u64 {
        self.max_binding.min((1 << 32) - 16)
    }

    /// Elements that one binding covers wherever it starts, a multiple of four: the window starts at an
    /// aligned offset before the piece, and bytes are counted in 32 bits.
    pub(super) fn elements_a_binding(&self, element: Element) -> u64 {
        self.largest_binding().saturating_sub(self.alignment) / 16 * 16 / element.size()
    }

    /// Invocations of a full workgroup.
    ///
    /// A software adapter runs the subgroups of a workgroup in turn and pays for each barrier:
    /// one subgroup is 3 to 10 times faster than 256 invocations. A GPU hides the latency of
    /// memory with many threads.
    pub(crate) fn full_workgroup(&self) -> u32 {
        let wanted = if self.is_cpu { self.subgroup } else { 256 };
        let memory = self.max_workgroup_memory / BYTES_A_THREAD;
        previous_power_of_two(wanted.min(self.max_invocations).min(memory).max(1))
    }

    /// Invocations that a workgroup has at least: on a software adapter a vector's. lavapipe (Mesa
    /// 22.3) leaves loops too early in a workgroup narrower than its vectors, and skips elements.
    pub(crate) fn narrowest_workgroup(&self) -> u32 {
        if self.is_cpu { self.subgroup } else { 1 }
    }

    /// Cores that there are workgroups enough for.
    pub(super) fn shared_cores(&self) -> u64 {
        self.cores.clamp(MIN_CORES, MAX_CORES) as u64
    }

    /// Cores that have as many workgroups each.
    pub(super) fn even_cores(&self) -> u64 {
        self.cores.clamp(MIN_EVEN_CORES, MAX_CORES) as u64
    }

    /// Workgroups from which on the adapter is busy, so that channels need not be split.
    pub(super) fn enough_workgroups(&self) -> u64 {
        if self.is_cpu { 2 * self.shared_cores() } else { 256 }
    }

    /// Workgroups to aim at where channels are split.
    pub(super) fn wanted_workgroups(&self) -> u64 {
        if self.is_cpu { 16 * self.shared_cores() } else { 512 }
    }
}

pub(super) fn previous_power_of_two(n: u32) -> u32 {
    1 << n.max(1).ilog2()
}
