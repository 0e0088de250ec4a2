//! Times one compute pass: by the adapter's timestamps where it is a GPU that has them, by the
//! clock on the wall otherwise.

use std::time::Instant;
use wgpu_batchnorm::{Context, wgpu};

pub struct Timer {
    timestamps: Option<Timestamps>,
}

struct Timestamps {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    nanoseconds: f64,
}

impl Timer {
    pub fn new(context: &Context) -> Self {
        let device = context.device();
        let is_gpu = context.adapter_info().device_type != wgpu::DeviceType::Cpu;
        let has = device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        let timestamps = (is_gpu && has).then(|| Timestamps {
            queries: device.create_query_set(&wgpu::QuerySetDescriptor {
                label: None,
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            }),
            resolved: device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: 16,
                usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            }),
            nanoseconds: context.queue().get_timestamp_period() as f64,
        });
        Self { timestamps }
    }

    pub fn name(&self) -> &'static str {
        if self.timestamps.is_some() { "GPU timestamps" } else { "wall clock" }
    }

    /// Milliseconds of one submission of one pass.
    pub fn time(&self, context: &Context, record: impl Fn(&mut wgpu::ComputePass<'_>)) -> f64 {
        let writes = self.timestamps.as_ref().map(|t| wgpu::ComputePassTimestampWrites {
            query_set: &t.queries,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        });
        let mut encoder = context.device().create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: writes,
            });
            record(&mut pass);
        }
        if let Some(t) = &self.timestamps {
            encoder.resolve_query_set(&t.queries, 0..2, &t.resolved, 0);
        }
        let commands = encoder.finish();
        let start = Instant::now();
        context.queue().submit([commands]);
        context.wait().expect("the device finishes");
        let wall = start.elapsed().as_secs_f64() * 1e3;
        match &self.timestamps {
            None => wall,
            Some(t) => {
                let words = context.download(&t.resolved).expect("two timestamps");
                let bits =
                    |i: usize| words[i].to_bits() as u64 | (words[i + 1].to_bits() as u64) << 32;
                (bits(2) - bits(0)) as f64 * t.nanoseconds / 1e6
            }
        }
    }
}
