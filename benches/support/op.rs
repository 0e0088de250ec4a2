//! What is timed.

use wgpu_batchnorm::plan::{Pass, Path};

#[derive(Clone, Copy, PartialEq)]
pub enum Op {
    Training,
    Inference,
    Backward,
}

impl Op {
    pub const ALL: [Op; 3] = [Op::Training, Op::Inference, Op::Backward];

    pub fn name(self) -> &'static str {
        ["training", "inference", "backward"][self as usize]
    }

    pub fn pass(self) -> Pass {
        [Pass::Training, Pass::Inference, Pass::Backward][self as usize]
    }

    /// Tensors read and written by the path that runs. On chip input is read once. The fused path
    /// finds it in the caches the second time, but is not credited for that.
    pub fn reads_and_writes(self, path: Path) -> (u64, u64) {
        match (self, path) {
            (Op::Training, Path::OnChip) | (Op::Inference, _) => (1, 1),
            (Op::Training, _) => (2, 1),
            (Op::Backward, Path::OnChip) => (2, 1),
            (Op::Backward, _) => (4, 1),
        }
    }
}
