//! The baseline of the CPU.

use super::op::Op;
use wgpu_batchnorm::reference::AffineParams;
use wgpu_batchnorm::{Shape, cpu};

/// The parallel implementation for the CPU on the same data.
pub struct CpuBaseline<'a> {
    shape: Shape,
    x: &'a [f32],
    dy: &'a [f32],
    affine: AffineParams<'a>,
    out: Vec<f32>,
    saved: cpu::Saved,
}

impl<'a> CpuBaseline<'a> {
    pub fn new(
        shape: Shape,
        x: &'a [f32],
        dy: &'a [f32],
        gamma: &'a [f32],
        beta: &'a [f32],
    ) -> Self {
        let affine = AffineParams { gamma: Some(gamma), beta: Some(beta) };
        let mut out = vec![0.0; x.len()];
        let saved = cpu::training(shape, x, &mut out, 1e-5, affine);
        Self { shape, x, dy, affine, out, saved }
    }

    pub fn time(&mut self, op: Op) -> f64 {
        let start = std::time::Instant::now();
        let Self { shape, x, dy, affine, out, saved } = self;
        match op {
            Op::Training => drop(cpu::training(*shape, x, out, 1e-5, *affine)),
            Op::Inference => {
                cpu::inference(*shape, x, out, &saved.mean, &saved.variance, 1e-5, *affine)
            }
            Op::Backward => drop(cpu::backward(*shape, x, dy, out, saved, *affine)),
        }
        start.elapsed().as_secs_f64() * 1e3
    }
}
