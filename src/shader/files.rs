//! Which files each kernel is joined from.

use crate::plan::{Kernel, Mapping};

impl Kernel {
    /// Entry point; also the file's name, and the label after `batch_norm.`.
    pub fn name(self) -> &'static str {
        match self {
            Kernel::ForwardOnChip => "forward_on_chip",
            Kernel::ForwardFused => "forward_fused",
            Kernel::ForwardMoments => "forward_moments",
            Kernel::ForwardNormalize => "forward_normalize",
            Kernel::Inference => "inference",
            Kernel::BackwardOnChip => "backward_on_chip",
            Kernel::BackwardFused => "backward_fused",
            Kernel::BackwardSums => "backward_sums",
            Kernel::BackwardInput => "backward_input",
            Kernel::MergeMoments => "merge_moments",
            Kernel::MergeSums => "merge_sums",
            Kernel::RecordStatistics => "record_statistics",
        }
    }

    /// The kernel's file, after those that it needs besides parameters, tensor, mapping and weights.
    pub fn files(self, mapping: Mapping) -> &'static [&'static str] {
        match mapping {
            Mapping::Rows | Mapping::Columns => self.walk_files(),
            Mapping::Tiles => self.tile_files(),
            Mapping::Strips => self.strip_files(),
            Mapping::Lines => self.line_files(),
            Mapping::Runs => self.run_files(),
        }
    }

    #[rustfmt::skip]
    fn walk_files(self) -> &'static [&'static str] {
        match self {
            Kernel::ForwardOnChip => wgsl!(
                "moments", "block_moments", "normalize", "quads/residual", "quads/normalize",
                "settings", "statistics",
                "walk/merge_lanes", "walk/block", "walk/missing", "walk/kept", "walk/forward_on_chip"
            ),
            Kernel::ForwardFused => wgsl!(
                "moments", "block_moments", "normalize", "quads/residual", "quads/normalize",
                "settings", "statistics",
                "walk/merge_lanes", "walk/block", "walk/missing", "walk/kept", "walk/moments",
                "walk/normalize", "walk/forward_fused"
            ),
            Kernel::ForwardMoments => wgsl!(
                "moments", "block_moments", "partial_moments",
                "walk/merge_lanes", "walk/block", "walk/missing", "walk/kept", "walk/moments",
                "walk/forward_moments"
            ),
            Kernel::ForwardNormalize => wgsl!(
                "moments", "partial_moments", "normalize", "quads/residual", "quads/normalize",
                "settings", "statistics",
                "walk/merge_lanes", "walk/block", "walk/normalize", "walk/forward_normalize"
            ),
            Kernel::Inference => wgsl!(
                "normalize", "quads/residual", "quads/normalize",
                "walk/block", "walk/normalize", "walk/inference"
            ),
            Kernel::BackwardOnChip => wgsl!(
                "normalize", "gradient_sums", "gradient_input",
                "quads/residual", "quads/gradient_sums", "quads/gradient_input",
                "settings", "optimizer", "affine_gradients",
                "walk/add_lanes", "walk/block", "walk/missing", "walk/backward_on_chip"
            ),
            Kernel::BackwardFused => wgsl!(
                "normalize", "gradient_sums", "gradient_input",
                "quads/residual", "quads/gradient_sums", "quads/gradient_input",
                "settings", "optimizer", "affine_gradients",
                "walk/add_lanes", "walk/block", "walk/sums", "walk/input", "walk/backward_fused"
            ),
            Kernel::BackwardSums => wgsl!(
                "normalize", "gradient_sums", "partial_sums",
                "quads/residual", "quads/gradient_sums",
                "walk/add_lanes", "walk/block", "walk/sums", "walk/backward_sums"
            ),
            Kernel::BackwardInput => wgsl!(
                "normalize", "gradient_sums", "partial_sums", "gradient_input",
                "quads/residual", "quads/gradient_sums", "quads/gradient_input",
                "settings", "optimizer", "affine_gradients",
                "walk/add_lanes", "walk/block", "walk/input", "walk/backward_input"
            ),
            Kernel::MergeMoments => wgsl!("moments", "partial_moments", "walk/merge_moments"),
            Kernel::MergeSums => wgsl!(
                "normalize", "gradient_sums", "partial_sums",
                "walk/merge_sums"
            ),
            Kernel::RecordStatistics => wgsl!(
                "moments", "partial_moments", "normalize", "settings", "statistics",
                "walk/record_statistics"
            ),
        }
    }

    #[rustfmt::skip]
    fn tile_files(self) -> &'static [&'static str] {
        match self {
            Kernel::ForwardFused => wgsl!(
                "moments", "block_moments", "normalize", "quads/residual", "quads/normalize",
                "settings", "statistics",
                "tile/moments", "tile/affine", "tile/share_affine", "tile/normalize",
                "tile/forward_fused"
            ),
            Kernel::ForwardMoments => wgsl!(
                "moments", "block_moments", "partial_moments",
                "tile/moments", "tile/forward_moments"
            ),
            Kernel::ForwardNormalize => wgsl!(
                "moments", "partial_moments", "normalize", "quads/residual", "quads/normalize",
                "settings", "statistics",
                "tile/affine", "tile/share_affine", "tile/normalize", "tile/forward_normalize"
            ),
            Kernel::Inference => wgsl!(
                "normalize", "quads/residual", "quads/normalize",
                "tile/affine", "tile/load_affine", "tile/normalize", "tile/inference"
            ),
            Kernel::BackwardFused => wgsl!(
                "normalize", "gradient_sums", "gradient_input",
                "quads/residual", "quads/gradient_sums", "quads/gradient_input",
                "settings", "optimizer", "affine_gradients",
                "tile/affine", "tile/load_affine", "tile/sums", "tile/input", "tile/backward_fused"
            ),
            Kernel::BackwardSums => wgsl!(
                "normalize", "gradient_sums", "partial_sums",
                "quads/residual", "quads/gradient_sums",
                "tile/affine", "tile/load_affine", "tile/sums", "tile/backward_sums"
            ),
            Kernel::BackwardInput => wgsl!(
                "normalize", "gradient_sums", "partial_sums", "gradient_input",
                "quads/residual", "quads/gradient_sums", "quads/gradient_input",
                "settings", "optimizer", "affine_gradients",
                "tile/affine", "tile/load_affine", "tile/sums", "tile/input", "tile/backward_input"
            ),
            // A tile is kept by nothing but the caches; the others have channels, and no quads.
            Kernel::ForwardOnChip
            | Kernel::BackwardOnChip
            | Kernel::MergeMoments | Kernel::MergeSums | Kernel::RecordStatistics => {
                self.walk_files()
            }
        }
    }

    #[rustfmt::skip]
    fn strip_files(self) -> &'static [&'static str] {
        match self {
            Kernel::ForwardFused => wgsl!(
                "moments", "block_moments", "normalize", "settings", "statistics",
                "pairs/residual", "pairs/normalize",
                "strip/columns", "strip/rows", "strip/moments", "strip/normalize", "strip/forward_fused"
            ),
            Kernel::ForwardMoments => wgsl!(
                "moments", "block_moments", "partial_moments",
                "strip/columns", "strip/rows", "strip/moments", "strip/forward_moments"
            ),
            Kernel::ForwardNormalize => wgsl!(
                "moments", "partial_moments", "normalize", "settings", "statistics",
                "pairs/residual", "pairs/normalize",
                "strip/affine", "strip/columns", "strip/normalize", "strip/forward_normalize"
            ),
            Kernel::Inference => wgsl!(
                "normalize",
                "pairs/residual", "pairs/normalize",
                "strip/affine", "strip/columns", "strip/normalize", "strip/inference"
            ),
            Kernel::BackwardFused => wgsl!(
                "normalize", "gradient_sums", "gradient_input",
                "settings", "optimizer", "affine_gradients",
                "pairs/residual", "pairs/gradient_sums", "pairs/gradient_input",
                "strip/columns", "strip/gradients", "strip/rows", "strip/sums", "strip/input",
                "strip/backward_fused"
            ),
            Kernel::BackwardSums => wgsl!(
                "normalize", "gradient_sums", "partial_sums",
                "pairs/residual", "pairs/gradient_sums",
                "strip/columns", "strip/gradients", "strip/rows", "strip/sums", "strip/backward_sums"
            ),
            Kernel::BackwardInput => wgsl!(
                "normalize", "gradient_sums", "partial_sums", "gradient_input",
                "settings", "optimizer", "affine_gradients",
                "pairs/residual", "pairs/gradient_sums", "pairs/gradient_input",
                "strip/corrections", "strip/columns", "strip/gradients", "strip/input",
                "strip/backward_input"
            ),
            // A strip's threads keep no values; the others have no quads.
            Kernel::ForwardOnChip | Kernel::BackwardOnChip
            | Kernel::MergeMoments | Kernel::MergeSums | Kernel::RecordStatistics => {
                self.walk_files()
            }
        }
    }

    #[rustfmt::skip]
    fn line_files(self) -> &'static [&'static str] {
        match self {
            Kernel::ForwardMoments => wgsl!(
                "moments", "block_moments", "partial_moments",
                "pairs/moments", "line/cursor", "line/moments", "line/forward_moments"
            ),
            Kernel::ForwardNormalize => wgsl!(
                "moments", "partial_moments", "normalize", "settings", "statistics",
                "pairs/residual", "pairs/normalize",
                "pairs/affine", "pairs/cut", "line/rounds", "line/normalize", "line/forward_normalize"
            ),
            Kernel::Inference => wgsl!(
                "normalize", "pairs/residual", "pairs/normalize",
                "pairs/affine", "pairs/cut", "line/rounds", "line/normalize", "line/inference"
            ),
            Kernel::BackwardSums => wgsl!(
                "normalize", "gradient_sums", "partial_sums",
                "pairs/residual", "pairs/gradient_sums",
                "pairs/affine", "pairs/cut", "pairs/channel_sums", "line/rounds", "line/sums", "line/backward_sums"
            ),
            Kernel::BackwardInput => wgsl!(
                "normalize", "gradient_sums", "partial_sums", "gradient_input",
                "settings", "optimizer", "affine_gradients",
                "pairs/residual", "pairs/gradient_sums", "pairs/gradient_input",
                "pairs/affine", "pairs/cut", "pairs/corrections", "line/rounds", "line/input", "line/backward_input"
            ),
            // No thread waits for another, so none has a channel whole; the others have no quads.
            Kernel::ForwardOnChip | Kernel::ForwardFused
            | Kernel::BackwardOnChip | Kernel::BackwardFused
            | Kernel::MergeMoments | Kernel::MergeSums | Kernel::RecordStatistics => {
                self.walk_files()
            }
        }
    }

    #[rustfmt::skip]
    fn run_files(self) -> &'static [&'static str] {
        match self {
            Kernel::ForwardMoments => wgsl!(
                "moments", "block_moments", "partial_moments",
                "pairs/moments", "run/moments", "run/forward_moments"
            ),
            Kernel::ForwardNormalize => wgsl!(
                "moments", "partial_moments", "normalize", "settings", "statistics",
                "pairs/residual", "pairs/normalize",
                "pairs/affine", "pairs/cut", "run/normalize", "run/forward_normalize"
            ),
            Kernel::Inference => wgsl!(
                "normalize", "pairs/residual", "pairs/normalize",
                "pairs/affine", "pairs/cut", "run/normalize", "run/inference"
            ),
            Kernel::BackwardSums => wgsl!(
                "normalize", "gradient_sums", "partial_sums",
                "pairs/residual", "pairs/gradient_sums",
                "pairs/affine", "pairs/channel_sums", "pairs/cut", "run/sums", "run/backward_sums"
            ),
            Kernel::BackwardInput => wgsl!(
                "normalize", "gradient_sums", "partial_sums", "gradient_input",
                "settings", "optimizer", "affine_gradients",
                "pairs/residual", "pairs/gradient_sums", "pairs/gradient_input",
                "pairs/affine", "pairs/cut", "pairs/corrections", "run/input", "run/backward_input"
            ),
            // As in lines.
            Kernel::ForwardOnChip | Kernel::ForwardFused
            | Kernel::BackwardOnChip | Kernel::BackwardFused
            | Kernel::MergeMoments | Kernel::MergeSums | Kernel::RecordStatistics => {
                self.walk_files()
            }
        }
    }
}
