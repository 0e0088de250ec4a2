//! What a device does that it does not report: how exact its own conversions between `f16` and `f32` are.

use crate::plan::Adapter;
use crate::{
    BatchNorm, BatchNormDescriptor, BufferRange, Context, Element, Error, Inference, Row, Shape,
    State,
};

/// ε of a layer whose running variance is 1 − ε, so that σ² + ε is 1 exactly.
const EPSILON: f32 = 1.0 / 1024.0;

/// Of each channel, what all halves are multiplied by. Products are in the middle between two halves, normal and
/// subnormal, and beside it, at the ends of their range, and far beyond.
const FACTORS: [f32; 8] =
    [1.0, 1.25, 1.375, 1.0 / 3.0, 1.25 / 4096.0, 1.375 / 16384.0, 1.0 / (3 << 20) as f32, 1e30];

/// Elements before the tensors in their buffers: so they are whole quads, or elements one by one, as ranges that start
/// within a word.
const OFFSETS: [u64; 2] = [0, 1];

/// Halves in a tensor.
const HALVES: usize = FACTORS.len() << 16;

/// Where y is, as it is known by bits and as the device made it.
struct Trial {
    offset: u64,
    known: wgpu::Buffer,
    found: wgpu::Buffer,
}

impl Context {
    /// The device's [`Adapter`], with [`exact_f16`](Adapter::exact_f16) where the device converts all `f16` to `f32`, and
    /// half a million numbers back, bit by bit as arithmetic on bits does; blocking.
    ///
    /// It compiles and runs inference of whole quads and of single elements: once for a device is enough. What it finds
    /// holds for this device, with the features that it has, and is for [`BatchNorm::with_adapter`]; layers of other
    /// elements than `f16` are the same without.
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
    /// As [`BatchNorm::new`], [`Context::upload`] and [`Context::download`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn probe(&self) -> Result<Adapter, Error> {
        let Some(trials) = self.trials()? else { return Ok(self.planned(false)) };
        let mut exact_f16 = true;
        for Trial { offset, known, found } in trials {
            exact_f16 &= is_exact(offset, &self.download(&known)?, &self.download(&found)?);
        }
        Ok(self.planned(exact_f16))
    }

    /// As [`probe`](Self::probe), asynchronous: does not block a thread, works in a browser.
    ///
    /// # Errors
    /// As [`probe`](Self::probe), but without a timeout.
    pub async fn probe_async(&self) -> Result<Adapter, Error> {
        let Some(trials) = self.trials()? else { return Ok(self.planned(false)) };
        let mut exact_f16 = true;
        for Trial { offset, known, found } in trials {
            let known = self.download_async(&known).await?;
            exact_f16 &= is_exact(offset, &known, &self.download_async(&found).await?);
        }
        Ok(self.planned(exact_f16))
    }

    /// None where the device, an old one, compiles no kernel that converts.
    fn trials(&self) -> Result<Option<Vec<Trial>>, Error> {
        let mut trials = Vec::new();
        for offset in OFFSETS {
            let known = self.products(false, offset)?;
            match self.products(true, offset) {
                Ok(found) => trials.push(Trial { offset, known, found }),
                Err(Error::Wgpu(_)) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(trials))
    }

    fn planned(&self, exact_f16: bool) -> Adapter {
        let adapter = Adapter::new(self.adapter_info(), &self.device().limits());
        Adapter { exact_f16, ..adapter }
    }

    /// What a layer makes of all halves by each of the factors, which are its channels.
    fn products(&self, exact_f16: bool, offset: u64) -> Result<wgpu::Buffer, Error> {
        let device = self.device();
        let descriptor =
            BatchNormDescriptor { element: Element::F16, epsilon: EPSILON, ..Default::default() };
        let bn = BatchNorm::with_adapter(device, &descriptor, self.planned(exact_f16))?;
        let shape = Shape::ncl(1, FACTORS.len() as u32, 1 << 16);
        let state = State::new(device, shape.channels());
        state.set(self.queue(), Row::Gamma, &FACTORS)?;
        state.set(self.queue(), Row::RunningVar, &[1.0 - EPSILON; FACTORS.len()])?;

        let line: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        let (before, size) = (offset * 2, HALVES as u64 * 2);
        let bytes = [vec![0; before as usize], line.repeat(FACTORS.len())].concat();
        let x = self.upload_bytes(&bytes)?;
        let y = self.zeros((before + size).div_ceil(4))?;
        let range = |buffer| BufferRange::new(buffer, before, size);
        let tensors = Inference { x: range(&x), y: range(&y) };
        let inference = bn.bind_inference(device, &state, shape, tensors)?;
        self.run(|encoder| inference.encode(encoder));
        Ok(y)
    }
}

/// The halves of a tensor in words, which were downloaded as `f32`.
fn halves(offset: u64, words: &[f32]) -> Vec<u16> {
    let bits = words.iter().map(|word| word.to_bits());
    let halves = bits.flat_map(|word| [word as u16, (word >> 16) as u16]);
    halves.skip(offset as usize).take(HALVES).collect()
}

/// Whether the products that were found are those that are known, by bits; and whether these are of a layer whose
/// 1/σ is 1, as it is meant to be, so that nothing else was rounded.
fn is_exact(offset: u64, known: &[f32], found: &[f32]) -> bool {
    let (known, found) = (halves(offset, known), halves(offset, found));
    // −0 + β, which is 0, is 0.
    let is_identity = |(x, &y): (u16, &u16)| is_same(x, y) || (x, y) == (0x8000, 0);
    (0..=u16::MAX).zip(&known).all(is_identity)
        && known.iter().zip(&found).all(|(&known, &found)| is_same(known, found))
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

    /// As a tensor is downloaded.
    fn products(decode: impl Fn(u16) -> f32, encode: impl Fn(f32) -> u16) -> Vec<f32> {
        let product = |(factor, bits): (f32, u16)| encode(decode(bits) * factor) as u32;
        let pairs = |factor| (0..=u16::MAX).map(move |bits| (factor, bits));
        let halves: Vec<u32> = FACTORS.into_iter().flat_map(pairs).map(product).collect();
        halves.chunks(2).map(|word| f32::from_bits(word[0] | (word[1] << 16))).collect()
    }

    /// Whether conversions are taken for exact.
    fn pass(decode_as: impl Fn(u16) -> f32, encode_as: impl Fn(f32) -> u16) -> bool {
        is_exact(0, &products(decode, encode), &products(decode_as, encode_as))
    }

    /// The half that is nearest, or the next one toward zero, as a rule has it that knows how much the nearest is off.
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
        let tie_down = |value: f32| rounded(value, |bits, off| off > 0.0 && is_middle(bits, off));
        assert!(!pass(decode, tie_down), "ties toward zero");
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
        let wrapped = |value: f32| if value.abs() > 1e9 { 0x1234 } else { encode(value) };
        assert!(!pass(decode, wrapped), "anything for what is far too large");
        let no_nan = |value: f32| if value.is_nan() { 0x7c00 } else { encode(value) };
        assert!(!pass(decode, no_nan), "infinity for what is no number");
    }

    #[test]
    fn nor_does_a_layer_of_another_scale() {
        let scaled = products(decode, |value| encode(value * 0.999));
        assert!(!is_exact(0, &scaled, &scaled));
    }
}
