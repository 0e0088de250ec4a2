//! Tensors of the element type that is timed.

use half::{bf16, f16};
use wgpu_batchnorm::Element;

/// As the option and the column of the CSV have it.
pub fn name(element: Element) -> &'static str {
    match element {
        Element::F32 => "f32",
        Element::F16 => "f16",
        Element::BF16 => "bf16",
    }
}

pub fn named(wanted: &str) -> Option<Element> {
    [Element::F32, Element::F16, Element::BF16].into_iter().find(|&e| name(e) == wanted)
}

/// The bytes of values, which become what the element holds of them.
pub fn encode(element: Element, values: &mut [f32]) -> Vec<u8> {
    let all = values.iter();
    let bytes: Vec<u8> = match element {
        Element::F32 => return bytemuck::cast_slice(values).to_vec(),
        Element::F16 => all.flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect(),
        Element::BF16 => all.flat_map(|&v| bf16::from_f32(v).to_le_bytes()).collect(),
    };
    values.copy_from_slice(&decode(element, &bytes));
    bytes
}

pub fn decode(element: Element, bytes: &[u8]) -> Vec<f32> {
    let halves = || bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
    match element {
        Element::F32 => bytemuck::pod_collect_to_vec(bytes),
        Element::F16 => halves().map(|b| f16::from_le_bytes(b).to_f32()).collect(),
        Element::BF16 => halves().map(|b| bf16::from_le_bytes(b).to_f32()).collect(),
    }
}

/// What is lost of an `f32` that is stored, at most, relative.
pub fn roundoff(element: Element) -> f64 {
    match element {
        Element::F32 => 0.0,
        Element::F16 => 2f64.powi(-11),
        Element::BF16 => 2f64.powi(-8),
    }
}
