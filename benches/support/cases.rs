//! The shapes that are timed: every batch norm of ResNet-50, and dense layers; or a batch that grows; or those that
//! were named.

use std::str::FromStr;
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

/// Batches that grow, of maps of so many channels and such a side: 2²⁰ to 2²⁸ values.
const GROWTH: ([u32; 5], u32, u32) = ([4, 16, 64, 256, 1024], 64, 64);

/// Which shapes.
#[derive(PartialEq)]
pub enum Set {
    All,
    /// Without batch 64 and what takes long.
    Quick,
    /// What a value costs as tensors grow.
    Growth,
    Named(Vec<Case>),
}

/// A shape and how to name it.
#[derive(PartialEq)]
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

impl FromStr for Case {
    type Err = String;

    /// `first:NxCxINNER`, `last:NxCxINNER` or `dense:NxC`.
    fn from_str(name: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "a shape is first:NxCxINNER, last:NxCxINNER or dense:NxC, of two values a channel and more, \
                 which training takes, not {name:?}"
            )
        };
        let (layout, extents) = name.split_once(':').ok_or_else(expected)?;
        let extents: Result<Vec<u32>, _> = extents.split('x').map(str::parse).collect();
        let extents = extents.map_err(|_| expected())?;
        let (layout, n, c, inner) = match (layout, extents.as_slice()) {
            ("first", &[n, c, inner]) => ("first", n, c, inner),
            ("last", &[n, c, inner]) => ("last", n, c, inner),
            ("dense", &[n, c]) => ("dense", n, c, 1),
            _ => return Err(expected()),
        };
        let shape = match layout {
            "last" => Shape::channels_last(n as u64 * inner as u64, c),
            _ => Shape::channels_first(n as u64, c, inner as u64),
        };
        let values = n as u64 * inner as u64;
        match values.checked_mul(c as u64) {
            Some(1..) if values > 1 => Ok(Case { layout, n, c, inner, shape }),
            _ => Err(expected()),
        }
    }
}

impl Set {
    /// In groups that are timed in turn.
    pub fn cases(self) -> Vec<Vec<Case>> {
        let one_by_one = |cases: Vec<Case>| cases.into_iter().map(|case| vec![case]).collect();
        match self {
            Set::All => one_by_one(networks(&[32, 64], &RESNET_50)),
            Set::Quick => {
                one_by_one(networks(&[32], &[(256, 56), (512, 28), (1024, 14), (2048, 7)]))
            }
            Set::Growth => {
                let (batches, c, side) = GROWTH;
                let all = batches.map(|n| both_layouts(n, c, side));
                let (first, last) = all.into_iter().map(|[first, last]| (first, last)).unzip();
                vec![first, last]
            }
            Set::Named(cases) => one_by_one(cases),
        }
    }
}

fn networks(batches: &[u32], maps: &[(u32, u32)]) -> Vec<Case> {
    let maps = batches.iter().flat_map(|&n| maps.iter().map(move |&(c, side)| (n, c, side)));
    let dense = DENSE.iter().map(|&(n, c)| Case {
        layout: "dense",
        n,
        c,
        inner: 1,
        shape: Shape::nc(n, c),
    });
    maps.flat_map(|(n, c, side)| both_layouts(n, c, side)).chain(dense).collect()
}

fn both_layouts(n: u32, c: u32, side: u32) -> [Case; 2] {
    let case = |layout, shape| Case { layout, n, c, inner: side * side, shape };
    [case("first", Shape::nchw(n, c, side, side)), case("last", Shape::nhwc(n, side, side, c))]
}
