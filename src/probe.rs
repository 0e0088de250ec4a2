//! What a device does that it does not report: how exact its own conversions between `f16` and `f32` are.

use crate::plan::Adapter;
use crate::{
    BatchNorm, BatchNormDescriptor, BufferRange, Context, Element, Error, Inference, Row, Shape,
    State,
};

/// ε of a layer whose running variance is 1 − ε, so that σ² + ε is 1 exactly.
const EPSILON: f32 = 1.0 / 1024.0;

/// Of each channel, what all halves are multiplied by. Products are in the middle between two halves, normal and
/// subnormal, and beside it, and at and beyond the ends of their range.
const FACTORS: [f32; 8] =
    [1.0, 1.25, 1.375, 3.0, 1.0 / 3.0, 1.25 / 4096.0, 1.375 / 16384.0, 1.0 / (3 << 20) as f32];

impl Context {
    /// The device's [`Adapter`], with [`exact_f16`](Adapter::exact_f16) where the device converts all `f16` to `f32`, and
    /// some hundred thousand numbers back, bit by bit as the kernels would; blocking.
    ///
    /// It compiles and runs a few small kernels: once for a device is enough. What it finds is for
    /// [`BatchNorm::with_adapter`]; layers of other elements than `f16` are the same without.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), wgpu_batchnorm::Error> {
    /// use wgpu_batchnorm::{BatchNorm, BatchNormDescriptor, Context, Element};
    ///
    /// let context = Context::new()?; // or `Context::from_device`, of a device of your own
    /// let descriptor = BatchNormDescriptor { element: Element::F16, ..Default::default() };
    /// let bn = BatchNorm::with_adapter(context.device(), &descriptor, context.probe()?)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`BatchNorm::new`] and [`Context::download`], but without a timeout.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn probe(&self) -> Result<Adapter, Error> {
        pollster::block_on(self.probe_async())
    }

    /// As [`probe`](Self::probe), asynchronous: does not block a thread, works in a browser.
    ///
    /// # Errors
    /// As [`probe`](Self::probe).
    pub async fn probe_async(&self) -> Result<Adapter, Error> {
        let by_bits = Adapter::new(self.adapter_info(), &self.device().limits());
        let claimed = Adapter { exact_f16: true, ..by_bits };
        // Whole quads, and elements one by one, which is how ranges are seen that start in a word.
        for offset in [0, 1] {
            let known = self.products(by_bits, offset).await?;
            let found = match self.products(claimed, offset).await {
                // An old device, that cannot unpack, compiles no kernel that does.
                Err(Error::Wgpu(_)) => return Ok(by_bits),
                found => found?,
            };
            // −0 + β, which is 0, is 0.
            let is_identity = |(x, &y): (u16, &u16)| is_same(x, y) || (x, y) == (0x8000, 0);
            let is_identity = (0..=u16::MAX).zip(&known).all(is_identity);
            let is_exact = known.iter().zip(&found).all(|(&known, &found)| is_same(known, found));
            if !(is_identity && is_exact) {
                return Ok(by_bits);
            }
        }
        Ok(claimed)
    }

    /// What a layer makes of all halves by each of the factors, which are its channels; of tensors so many elements
    /// into their buffers.
    async fn products(&self, adapter: Adapter, offset: u64) -> Result<Vec<u16>, Error> {
        let device = self.device();
        let descriptor =
            BatchNormDescriptor { element: Element::F16, epsilon: EPSILON, ..Default::default() };
        let bn = BatchNorm::with_adapter(device, &descriptor, adapter)?;
        let shape = Shape::ncl(1, FACTORS.len() as u32, 1 << 16);
        let state = State::new(device, shape.channels());
        state.set(self.queue(), Row::Gamma, &FACTORS)?;
        state.set(self.queue(), Row::RunningVar, &[1.0 - EPSILON; FACTORS.len()])?;

        let line: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        let (before, size) = (offset * 2, shape.elements() * 2);
        let bytes = [vec![0; before as usize], line.repeat(FACTORS.len())].concat();
        let x = self.upload_bytes(&bytes)?;
        let y = self.zeros((before + size).div_ceil(4))?;
        let range = |buffer| BufferRange::new(buffer, before, size);
        let tensors = Inference { x: range(&x), y: range(&y) };
        let inference = bn.bind_inference(device, &state, shape, tensors)?;
        self.run(|encoder| inference.encode(encoder));
        let words: Vec<u32> =
            self.download_async(&y).await?.into_iter().map(f32::to_bits).collect();
        let halves = words.into_iter().flat_map(|word| [word as u16, (word >> 16) as u16]);
        Ok(halves.skip(offset as usize).take(shape.elements() as usize).collect())
    }
}

/// Whether two halves are the same: of what is no number, any is as good.
fn is_same(a: u16, b: u16) -> bool {
    let is_nan = |bits: u16| bits & 0x7fff > 0x7c00;
    a == b || is_nan(a) && is_nan(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;

    fn decode(bits: u16) -> f32 {
        f16::from_bits(bits).to_f32()
    }

    fn encode(value: f32) -> u16 {
        f16::from_f32(value).to_bits()
    }

    /// Whether conversions would be taken for exact.
    fn pass(decode_as: impl Fn(u16) -> f32, encode_as: impl Fn(f32) -> u16) -> bool {
        FACTORS.iter().all(|factor| {
            (0..=u16::MAX).all(|bits| {
                is_same(encode_as(decode_as(bits) * factor), encode(decode(bits) * factor))
            })
        })
    }

    /// A half that is next to an exact conversion's, by the sign of what that is off, or of it and its parity.
    fn rounded(value: f32, toward: impl Fn(u16, f32) -> bool) -> u16 {
        let nearest = encode(value);
        let off = decode(nearest).abs() - value.abs();
        if off == 0.0 || value.is_nan() { nearest } else { nearest - toward(nearest, off) as u16 }
    }

    #[test]
    fn exact_conversions_pass() {
        assert!(pass(decode, encode));
    }

    #[test]
    fn inexact_conversions_do_not() {
        let is_subnormal = |bits: u16| bits & 0x7fff != 0 && bits & 0x7c00 == 0;
        let flush = |bits: u16| if is_subnormal(bits) { bits & 0x8000 } else { bits };
        assert!(!pass(|bits| decode(flush(bits)), encode), "subnormals loaded as 0");
        assert!(!pass(decode, |value| flush(encode(value))), "subnormals stored as 0");
        assert!(!pass(decode, |value| rounded(value, |_, off| off > 0.0)), "toward zero");
        let is_middle = |bits: u16, off: f32| {
            let below = decode(bits & 0x7fff) - decode((bits & 0x7fff) - 1);
            off == below / 2.0
        };
        // Of ties that went up to even, and all that did.
        assert!(!pass(decode, |v| rounded(v, |bits, off| off > 0.0 && is_middle(bits, off))));
        let away = |value: f32| {
            let (bits, below) = (encode(value), encode(value) & 0x7fff);
            let step = decode(below.saturating_add(1)) - decode(below);
            bits + (value.abs() - decode(below) == step / 2.0 && step.is_finite()) as u16
        };
        assert!(!pass(decode, away), "ties away from zero");
        let largest = |value: f32| match encode(value) {
            bits if bits & 0x7fff == 0x7c00 && value.is_finite() => bits - 1,
            bits => bits,
        };
        assert!(!pass(decode, largest), "the largest number for infinity");
        assert!(!pass(|bits| decode(bits).clamp(-65504.0, 65504.0), encode), "no infinities");
        let no_nan = |value: f32| if value.is_nan() { 0x7c00 } else { encode(value) };
        assert!(!pass(decode, no_nan), "infinity for what is no number");
    }
}
