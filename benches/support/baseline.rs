//! The baseline of the CPU.

use super::op::Op;
use wgpu_batchnorm::reference::AffineParams;
use wgpu_batchnorm::{Shape, cpu};

/// The parallel implementation for the CPU on the same data.
pub struct CpuBaseline {
    shape: Shape,
    x: Vec<f32>,
    dy: Vec<f32>,
    gamma: Vec<f32>,
    beta: Vec<f32>,
    out: Vec<f32>,
    saved: cpu::Saved,
}

impl CpuBaseline {
    pub fn new(shape: Shape, x: Vec<f32>, dy: Vec<f32>, gamma: Vec<f32>, beta: Vec<f32>) -> Self {
        let affine = AffineParams { gamma: Some(&gamma), beta: Some(&beta) };
        let mut out = vec![0.0; x.len()];
        let saved = cpu::training(shape, &x, &mut out, 1e-5, affine);
        Self { shape, x, dy, gamma, beta, out, saved }
    }

    pub fn time(&mut self, op: Op) -> f64 {
        let start = std::time::Instant::now();
        let Self { shape, x, dy, gamma, beta, out, saved } = self;
        let affine = AffineParams { gamma: Some(gamma), beta: Some(beta) };
        match op {
            Op::Training => drop(cpu::training(*shape, x, out, 1e-5, affine)),
            Op::Inference => {
                cpu::inference(*shape, x, out, &saved.mean, &saved.variance, 1e-5, affine)
            }
            Op::Backward => drop(cpu::backward(*shape, x, dy, out, saved, affine)),
        }
        start.elapsed().as_secs_f64() * 1e3
    }
}
