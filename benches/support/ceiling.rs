//! What the adapter's memory allows: reading and copying kernels at their best workgroup size and number, in the
//! words and the order that suit it best.

use crate::support::timer::Timer;
use wgpu::util::DeviceExt;
use wgpu_batchnorm::{Context, wgpu};

/// What a kernel loads and stores at once.
#[derive(Clone, Copy)]
pub struct Unit {
    pub name: &'static str,
    bytes: u64,
}

impl Unit {
    const PLAIN: Self = Self { name: "vec4<f32>", bytes: 16 };
    /// All but the first need words of 64 bits.
    const ALL: [Self; 3] =
        [Self::PLAIN, Self { name: "vec2<u64>", bytes: 16 }, Self { name: "vec4<u64>", bytes: 32 }];
}

/// The ceiling kernels of an adapter, of those that suit it best.
pub struct Ceiling {
    pub read_only: Kernel,
    pub copy: Kernel,
    pub empty: Kernel,
}

#[derive(Clone)]
pub struct Kernel {
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    pub name: &'static str,
    pub workgroup: u32,
    workgroups: u64,
    pub unit: Unit,
}

/// A kernel bound to two tensors, in windows that bindings allow.
pub struct Bound {
    pipeline: wgpu::ComputePipeline,
    windows: Vec<(wgpu::BindGroup, u32)>,
}

impl Bound {
    pub fn encode_in(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline);
        for (bind_group, workgroups) in &self.windows {
            pass.set_bind_group(0, bind_group, &[]);
            pass.dispatch_workgroups(*workgroups, 1, 1);
        }
    }
}

impl Ceiling {
    /// Searches workgroup sizes and counts, and units, once, on 64 MiB. What is best there is timed as the ceiling of
    /// tensors that fit the caches, too.
    pub fn search(context: &Context, timer: &Timer) -> Self {
        let bytes = 64 << 20;
        let elements = bytes / 4;
        let source = context.upload(&vec![1.5; elements as usize]).expect("64 MiB");
        let target = context.zeros(elements).expect("64 MiB");
        let limit = context.device().limits().max_compute_invocations_per_workgroup;
        // Only software adapters are asked for words of 64 bits, and small workgroups suit them.
        let (units, logs) = match context.device().features().contains(wgpu::Features::SHADER_INT64)
        {
            true => (&Unit::ALL[..], 2..=4),
            false => (&Unit::ALL[..1], 2..=10),
        };
        let is_software = context.adapter_info().device_type == wgpu::DeviceType::Cpu;
        let (readers, copiers): (&[_], &[_]) = match is_software {
            true => (&["read_in_turn", "read_apart"], &["copy_in_turn", "copy_apart"]),
            false => (&["read_only"], &["copy"]),
        };
        let mut candidates: Vec<(u32, u64, Unit)> = Vec::new();
        for &unit in units {
            for workgroup in logs.clone().map(|log| 1 << log).filter(|&w| w <= limit) {
                candidates.extend([64, 256, 1024, 4096, 16384].map(|n| (workgroup, n, unit)));
            }
        }
        let best = |names: &[&'static str]| {
            let mut found: Vec<(f64, Kernel, Bound)> = Vec::new();
            for &name in names {
                for &(workgroup, workgroups, unit) in &candidates {
                    let kernel = Kernel::new(context, name, workgroup, workgroups, unit);
                    let bound = kernel.bind(context, &source, &target, bytes);
                    timer.time(context, |pass| bound.encode_in(pass));
                    found.push((f64::INFINITY, kernel, bound));
                }
            }
            // All candidates in each round: the machine may have another speed in the next, so a time counts
            // by what it is of its round, and the middle of all rounds decides. Those that are best then go on.
            for (rounds, most) in [(3, 16), (7, 4), (21, 1)] {
                let mut shares = vec![Vec::new(); found.len()];
                for _ in 0..rounds {
                    let time = |bound: &Bound| timer.time(context, |pass| bound.encode_in(pass));
                    let times: Vec<f64> = found.iter().map(|(.., bound)| time(bound)).collect();
                    let all: f64 = times.iter().sum();
                    for (shares, ms) in shares.iter_mut().zip(times) {
                        shares.push(ms / all);
                    }
                }
                for ((share, ..), mut shares) in found.iter_mut().zip(shares) {
                    shares.sort_by(f64::total_cmp);
                    *share = shares[rounds / 2];
                }
                found.sort_by(|a, b| a.0.total_cmp(&b.0));
                found.truncate(most);
            }
            found.swap_remove(0).1
        };
        Self {
            read_only: best(readers),
            copy: best(copiers),
            empty: Kernel::new(context, "empty", 1, 1, Unit::PLAIN),
        }
    }
}

impl Kernel {
    fn new(
        context: &Context,
        name: &'static str,
        workgroup: u32,
        workgroups: u64,
        unit: Unit,
    ) -> Self {
        let device = context.device();
        let text = format!("alias Unit = {};\n{}", unit.name, include_str!("ceiling.wgsl"));
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("ceiling"),
            source: wgpu::ShaderSource::Wgsl(text.into()),
        });
        let entry = |binding: u32, ty: wgpu::BufferBindingType| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
            count: None,
        };
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: None,
            entries: &[
                entry(0, wgpu::BufferBindingType::Storage { read_only: true }),
                entry(1, wgpu::BufferBindingType::Storage { read_only: false }),
                entry(2, wgpu::BufferBindingType::Uniform),
            ],
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(name),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &[("WORKGROUP", workgroup as f64)],
                ..Default::default()
            },
            cache: None,
        });
        Self { pipeline, layout, name, workgroup, workgroups, unit }
    }

    /// Binds the first `bytes` of two tensors.
    pub fn bind(
        &self,
        context: &Context,
        source: &wgpu::Buffer,
        target: &wgpu::Buffer,
        bytes: u64,
    ) -> Bound {
        let device = context.device();
        let most = device.limits().max_storage_buffer_binding_size.min(1 << 32) / 256 * 256;
        let mut windows = Vec::new();
        let mut offset = 0;
        while offset < bytes {
            let size = (bytes - offset).min(most);
            let units = size / self.unit.bytes;
            let workgroups = self.workgroups.min(units.div_ceil(self.workgroup as u64)).max(1);
            let chunk = units.div_ceil(workgroups) as u32;
            let params = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
                label: None,
                contents: bytemuck::cast_slice(&[chunk, 0, 0, 0]),
                usage: wgpu::BufferUsages::UNIFORM,
            });
            let window = |buffer| {
                wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer,
                    offset,
                    size: std::num::NonZeroU64::new(size),
                })
            };
            let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &self.layout,
                entries: &[
                    wgpu::BindGroupEntry { binding: 0, resource: window(source) },
                    wgpu::BindGroupEntry { binding: 1, resource: window(target) },
                    wgpu::BindGroupEntry { binding: 2, resource: params.as_entire_binding() },
                ],
            });
            windows.push((bind_group, workgroups as u32));
            offset += size;
        }
        Bound { pipeline: self.pipeline.clone(), windows }
    }
}
