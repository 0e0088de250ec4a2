//! The shapes that are timed: every batch norm of ResNet-50, and dense layers.

use wgpu_batchnorm::Shape;

/// Channels and side length of the feature maps of ResNet-50 at 224 × 224 pixels.
const RESNET_50: [(u32, u32); 9] = [
    (64, 112),
    (64, 56),
    (256, 56),
    (128, 28),
    (512, 28),
    (256, 14),
    (1024, 14),
    (512, 7),
    (2048, 7),
];

/// Rows and features of dense layers.
const DENSE: [(u32, u32); 3] = [(32, 64), (65_536, 64), (1_024, 4_096)];

/// A shape and how to name it.
pub struct Case {
    pub layout: &'static str,
    pub n: u32,
    pub c: u32,
    pub inner: u32,
    pub shape: Shape,
}

impl Case {
    pub fn name(&self) -> String {
        format!("{} {}x{}x{}", self.layout, self.n, self.c, self.inner)
    }
}

/// All cases; `quick` leaves out batch 64 and what takes long.
pub fn cases(quick: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    let batches: &[u32] = if quick { &[32] } else { &[32, 64] };
    for &n in batches {
        for (c, side) in RESNET_50 {
            if quick && ![(256, 56), (512, 28), (1024, 14), (2048, 7)].contains(&(c, side)) {
                continue;
            }
            let inner = side * side;
            let shape = Shape::nchw(n, c, side, side);
            cases.push(Case { layout: "first", n, c, inner, shape });
            let shape = Shape::nhwc(n, side, side, c);
            cases.push(Case { layout: "last", n, c, inner, shape });
        }
    }
    for (n, c) in DENSE {
        cases.push(Case { layout: "dense", n, c, inner: 1, shape: Shape::nc(n, c) });
    }
    cases
}
