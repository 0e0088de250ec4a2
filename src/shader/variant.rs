//! What makes one pipeline differ from another, and a module's text and constants from that.

use crate::plan::{Access, Adapter, Kernel, Mapping, Pass, Plan, Step};
use crate::{Activation, Element};

/// The file of an activation; its parameters are numbers elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActivationFile {
    Identity,
    Relu,
    LeakyRelu,
    Sigmoid,
    Tanh,
    Silu,
    Gelu,
    GeluTanh,
    HardSwish,
}

impl ActivationFile {
    fn files(self) -> &'static [&'static str] {
        match self {
            ActivationFile::Identity => wgsl!("activation/identity"),
            ActivationFile::Relu => wgsl!("activation/relu"),
            ActivationFile::LeakyRelu => wgsl!("activation/leaky_relu"),
            ActivationFile::Sigmoid => wgsl!("activation/sigmoid"),
            ActivationFile::Tanh => wgsl!("activation/tanh"),
            ActivationFile::Silu => wgsl!("activation/silu"),
            ActivationFile::Gelu => wgsl!("activation/gelu"),
            ActivationFile::GeluTanh => wgsl!("activation/gelu_tanh"),
            ActivationFile::HardSwish => wgsl!("activation/hard_swish"),
        }
    }
}

impl From<Activation> for ActivationFile {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::Identity => ActivationFile::Identity,
            Activation::Relu => ActivationFile::Relu,
            Activation::LeakyRelu(_) => ActivationFile::LeakyRelu,
            Activation::Sigmoid => ActivationFile::Sigmoid,
            Activation::Tanh => ActivationFile::Tanh,
            Activation::Silu => ActivationFile::Silu,
            Activation::Gelu => ActivationFile::Gelu,
            Activation::GeluTanh => ActivationFile::GeluTanh,
            Activation::HardSwish => ActivationFile::HardSwish,
        }
    }
}

/// What is fused into the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Features {
    pub activation: ActivationFile,
    pub residual: bool,
    pub weighted: bool,
    /// y over x, or dx over dy.
    pub in_place: bool,
    /// What a backward pass gives.
    pub affine: bool,
    pub dx: bool,
    pub dresidual: bool,
    /// Batch renormalization.
    pub renormalize: bool,
    /// A step of γ and β where their gradients are known.
    pub optimize: bool,
}

impl Features {
    /// Nothing fused, and all gradients.
    pub fn plain() -> Self {
        Self {
            activation: ActivationFile::Identity,
            residual: false,
            weighted: false,
            in_place: false,
            affine: true,
            dx: true,
            dresidual: false,
            renormalize: false,
            optimize: false,
        }
    }

    /// Those that matter to a kernel, so that none is compiled twice.
    fn of(self, kernel: Kernel, pass: Pass) -> Self {
        let plain = Self::plain();
        match kernel {
            Kernel::ForwardMoments => {
                let Self { weighted, renormalize, .. } = self;
                Self { weighted, renormalize, ..plain }
            }
            Kernel::BackwardSums => {
                let Self { renormalize, optimize, .. } = plain;
                let sums = Self { renormalize, optimize, ..self };
                if pass == Pass::BackwardFrozen {
                    return sums;
                }
                let Self { affine, dx, dresidual, in_place, .. } = plain;
                Self { affine, dx, dresidual, in_place, ..sums }
            }
            Kernel::MergeMoments | Kernel::MergeSums => plain,
            _ => self,
        }
    }
}

/// What memory is loaded and stored in, where quads are whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Words {
    /// As every device can.
    #[default]
    Bits32,
    /// For software adapters, whose compilers make a loop over the lanes of a vector of each load and
    /// store, and of each word a test and a branch in it. The device must have 64-bit integers.
    Bits64,
}

/// Who converts between `f16` and `f32`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Conversion {
    /// Arithmetic on bits, which is right on every device.
    #[default]
    ByBits,
    /// The device, of what is loaded; what is stored is rounded by bits.
    Unpacked,
    /// The device, of tensors that are arrays of `f16`.
    Native,
}

/// How tensors are loaded, stored and converted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memory {
    pub words: Words,
    pub f16: Conversion,
}

impl Memory {
    /// What suits an adapter on a device.
    pub fn new(adapter: &Adapter, device: &wgpu::Device) -> Self {
        let has = |feature| device.features().contains(feature);
        let words = match adapter.is_cpu && has(wgpu::Features::SHADER_INT64) {
            true => Words::Bits64,
            false => Words::Bits32,
        };
        // Without words of 64 bits a software adapter may have whole quads in both ways, of which a probe sees one.
        let is_native =
            has(wgpu::Features::SHADER_F16) && (!adapter.is_cpu || words == Words::Bits64);
        let f16 = match (adapter.exact_f16, is_native) {
            (false, _) => Conversion::ByBits,
            (true, false) => Conversion::Unpacked,
            (true, true) => Conversion::Native,
        };
        Self { words, f16 }
    }

    /// What of it matters to tensors of an element type, so that no kernel is compiled twice. Words of 64 bits, and
    /// pairs of quads, are unpacked whatever the device has.
    pub fn of(self, element: Element, access: Access) -> Self {
        use {Access::*, Conversion::*};
        let words = if access == Scalar { Words::Bits32 } else { self.words };
        let f16 = match (element, access, self.f16) {
            (Element::F32 | Element::BF16, ..) => ByBits,
            (Element::F16, Scalar, f16) => f16,
            (Element::F16, Vec4, f16) if words == Words::Bits32 => f16,
            (Element::F16, _, ByBits) => ByBits,
            (Element::F16, _, Unpacked | Native) => Unpacked,
        };
        Self { words, f16 }
    }
}

/// What makes one pipeline differ from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Variant {
    pub kernel: Kernel,
    pub pass: Pass,
    pub mapping: Mapping,
    pub access: Access,
    pub memory: Memory,
    pub workgroup: u32,
    /// Whether no two invocations of a walk share a channel.
    pub alone: bool,
    /// Whether any of a walk, that is not kept, has quads after its last whole block.
    pub tail: bool,
    /// Whether the quads that a place has the numbers of are of four neighbouring channels each.
    pub neighbours: bool,
    /// Quads that each invocation keeps.
    pub kept: u32,
    /// Pairs of quads that each invocation has of a strip's row.
    pub pairs: u32,
    /// How many of these, in the last strip, may be beyond the row.
    pub missing: u32,
    /// Whether channels repeat in what is taken as a sample.
    pub repeated: bool,
    pub element: Element,
    pub features: Features,
}

impl Variant {
    pub fn new(
        plan: &Plan,
        pass: Pass,
        element: Element,
        memory: Memory,
        features: Features,
        step: &Step,
    ) -> Self {
        let Plan { workgroup, kept, .. } = *plan;
        let Step { kernel, mapping, access, .. } = *step;
        let (pairs, missing) = match mapping {
            Mapping::Strips => (plan.pairs, plan.missing),
            _ => (0, 0),
        };
        let features = features.of(kernel, pass);
        let walks = matches!(mapping, Mapping::Rows | Mapping::Columns);
        let alone = walks && step.params.lanes == 1;
        let tail = walks && kept == 0 && step.has_tail();
        let repeated = step.params.period < step.params.channels;
        Self {
            kernel,
            pass,
            mapping,
            access,
            memory: memory.of(element, access),
            workgroup,
            alone,
            tail,
            neighbours: step.has_neighbours(),
            kept,
            pairs,
            missing,
            repeated,
            element,
            features,
        }
    }

    /// The module's text.
    pub fn source(&self) -> String {
        use {Access::*, Conversion::*, Element::*, Words::*};
        let Memory { words, f16 } = self.memory;
        let enabled: &[&str] = if f16 == Native { &["enable f16;"] } else { &[] };
        let element: &[&str] = match (self.element, f16) {
            (F32, _) | (F16, Native) => &[],
            (F16, ByBits) => wgsl!("element/f16_decode", "element/f16_encode"),
            (F16, Unpacked) => wgsl!("element/f16_unpack", "element/f16_encode"),
            (BF16, _) => wgsl!("element/bf16"),
        };
        let tensor: &[&str] = match (self.access, self.element, words) {
            (Vec4, F16, _) if f16 == Native => wgsl!("words/f16", "tensor/vec4"),
            (Vec4, F32, Bits32) => wgsl!("words/f32", "tensor/vec4"),
            (Vec4, F32, Bits64) => wgsl!("words/f32_64", "tensor/vec4"),
            (Vec4, F16 | BF16, Bits32) => wgsl!("words/half", "tensor/vec4"),
            (Vec4, F16 | BF16, Bits64) => wgsl!("words/half_64", "tensor/vec4"),
            (Scalar, F16, _) if f16 == Native => wgsl!("words/one_f16", "tensor/scalar"),
            (Scalar, F32, _) => wgsl!("words/one_f32", "tensor/scalar"),
            (Scalar, F16 | BF16, _) => wgsl!("tensor/scalar_half"),
            // What of pairs may be missing, or of another channel, the mapping knows.
            (Pairs | Halves | Cut, element, words) => match (element, words) {
                (F32, Bits32) => wgsl!("words/pair_f32", "tensor/pairs"),
                (F32, Bits64) => wgsl!("words/pair_f32_64", "tensor/pairs"),
                (F16 | BF16, Bits32) => wgsl!("words/pair_half", "tensor/pairs"),
                (F16 | BF16, Bits64) => wgsl!("words/pair_half_64", "tensor/pairs"),
            },
        };
        let numbers: &[&str] = match (self.neighbours, words) {
            (false, _) => wgsl!("numbers/one"),
            (true, Bits32) => wgsl!("numbers/four"),
            (true, Bits64) => wgsl!("numbers/four_64"),
        };
        let mapping: &[&str] = match (self.mapping, self.neighbours) {
            (Mapping::Rows, _) => wgsl!("walk/map_rows", "channel_rows"),
            (Mapping::Columns, false) => wgsl!("walk/map_columns", "channel_quads"),
            (Mapping::Columns, true) => wgsl!("walk/map_columns", "channel_neighbours"),
            (Mapping::Tiles, _) => wgsl!("tile/map", "channel_rows"),
            (Mapping::Strips, false) => wgsl!("strip/map", "strip/channels"),
            (Mapping::Strips, true) => wgsl!("strip/map", "channel_neighbours"),
            (Mapping::Lines, _) => wgsl!("line/map", "pairs/place", "channel_rows"),
            (Mapping::Runs, _) => wgsl!("run/map", "pairs/place", "channel_rows"),
        };
        let kernel = self.kernel.files(self.mapping);
        let shared: &[&str] = wgsl!("weights", "exponential");
        let activation = self.features.activation.files();
        let files = [
            wgsl!("params", "buffers"),
            numbers,
            element,
            tensor,
            mapping,
            shared,
            activation,
            kernel,
        ];
        let text = [enabled, &files.concat()].concat().join("\n");
        match self.mapping {
            // The length of private arrays, which no override may be.
            Mapping::Strips => {
                format!("const PAIRS = {}u;\n{}", self.pairs, unrolled(&text, self.pairs))
            }
            _ => text,
        }
    }

    /// The module's override constants.
    pub fn constants(&self) -> Vec<(&'static str, f64)> {
        let Features { residual, weighted, in_place, affine, dx, dresidual, .. } = self.features;
        let Features { renormalize, optimize, .. } = self.features;
        let flag = |on: bool| on as u32 as f64;
        vec![
            ("WORKGROUP", self.workgroup as f64),
            ("ALONE", flag(self.alone)),
            ("TAIL", flag(self.tail)),
            ("KEPT", self.kept as f64),
            ("HALVES", flag(self.access == Access::Halves)),
            ("CUT", flag(self.access == Access::Cut)),
            ("MISSING", self.missing as f64),
            ("REPEATED", flag(self.repeated)),
            ("RESIDUAL", flag(residual)),
            ("WEIGHTED", flag(weighted)),
            ("IN_PLACE", flag(in_place)),
            ("FROZEN", flag(self.pass == Pass::BackwardFrozen)),
            ("AFFINE", flag(affine)),
            ("DX", flag(dx)),
            ("DRESIDUAL", flag(dresidual)),
            ("RENORMALIZE", flag(renormalize)),
            ("OPTIMIZE", flag(optimize)),
        ]
    }
}

/// What starts a loop that is written out, but for its indent. Its end is a brace at the same indent.
const UNROLLED: &str = "for (var k = 0u; k < PAIRS; k++) { // unrolled";

/// The same text with the loops that are marked so written out, `k` being a constant in each round: no loop over an
/// array whose bounds are checked is unrolled by Mesa, unless it is short.
fn unrolled(text: &str, rounds: u32) -> String {
    let mut out = String::with_capacity(2 * text.len());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(indent) = line.strip_suffix(UNROLLED) else {
            out.extend([line, "\n"]);
            continue;
        };
        let end = format!("{indent}}}");
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
        for k in 0..rounds {
            out += &format!("{indent}{{ const k = {k}u;\n{}\n{end}\n", body.join("\n"));
        }
    }
    out
}
