//! Reading a case: bytes of a safetensors file in, checked values out.

use crate::settings::{Mode, Settings};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use wgpu_batchnorm::{BatchNormDescriptor, Element, Error, Layout, Shape};

/// A case that is complete and consistent.
#[derive(Debug)]
pub struct Case {
    pub settings: Settings,
    pub shape: Shape,
    /// How x, dy and residual are stored, and y, dx and dresidual will be.
    pub element: Element,
    pub x: Vec<u8>,
    pub weight: Option<Vec<f32>>,
    pub bias: Option<Vec<f32>>,
    pub running: Option<Running>,
    pub batches: u32,
    pub dy: Option<Vec<u8>>,
    pub residual: Option<Vec<u8>>,
    /// Weights of samples, or of positions.
    pub mask: Option<Vec<f32>>,
    pub expected: Vec<(Output, Vec<f64>)>,
    /// Extents of x.
    dims: Vec<usize>,
}

/// Running statistics, a value a channel.
#[derive(Debug)]
pub struct Running {
    pub mean: Vec<f32>,
    pub var: Vec<f32>,
}

/// A tensor of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Y,
    Mean,
    InvStd,
    RunningMean,
    RunningVar,
    Batches,
    Dx,
    DWeight,
    DBias,
    DResidual,
}

impl Output {
    const ALL: [Self; 10] = [
        Self::Y,
        Self::Mean,
        Self::InvStd,
        Self::RunningMean,
        Self::RunningVar,
        Self::Batches,
        Self::Dx,
        Self::DWeight,
        Self::DBias,
        Self::DResidual,
    ];

    /// Whether it has x's shape and type.
    pub fn is_like_x(self) -> bool {
        matches!(self, Self::Y | Self::Dx | Self::DResidual)
    }

    /// Its name in a file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Y => "y",
            Self::Mean => "mean",
            Self::InvStd => "inv_std",
            Self::RunningMean => "running_mean",
            Self::RunningVar => "running_var",
            Self::Batches => "num_batches_tracked",
            Self::Dx => "dx",
            Self::DWeight => "dweight",
            Self::DBias => "dbias",
            Self::DResidual => "dresidual",
        }
    }
}

/// Tensors that a case may have, beside expected ones.
const TENSORS: [&str; 9] = [
    "x",
    "weight",
    "bias",
    "running_mean",
    "running_var",
    "num_batches_tracked",
    "dy",
    "residual",
    "mask",
];

impl Case {
    /// Reads a case, and says what is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let invalid = |e| format!("not a complete safetensors file: {e}");
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(invalid)?;
        let file = File(SafeTensors::deserialize(bytes).map_err(invalid)?);
        let expected = file.expected_names()?;
        let settings = Settings::read(header.metadata().as_ref())?;
        let (dims, element, x) = file.x()?;
        let shape = shape(&dims, settings.layout)?;
        if settings.mode == Mode::Train && shape.count() < 2 {
            // Binding says so, too, but an empty x may claim more channels than the state of a
            // layer can have.
            return Err(Error::TooFewValues { shape, count: shape.count() }.to_string());
        }
        let per_channel = [shape.channels() as usize];
        let running = file.running(&per_channel, settings.mode)?;
        let mut case = Self {
            weight: file.floats("weight", &per_channel)?,
            bias: file.floats("bias", &per_channel)?,
            batches: file.batches(running.is_some() && settings.mode == Mode::Train)?,
            dy: file.elements("dy", element, &dims)?,
            residual: file.elements("residual", element, &dims)?,
            mask: file.mask(&dims, settings.layout)?,
            expected: Vec::new(),
            settings,
            shape,
            element,
            x,
            running,
            dims,
        };
        case.expected = case.expected(&file, expected)?;
        Ok(case)
    }

    /// The configuration of the layer.
    pub fn descriptor(&self) -> BatchNormDescriptor {
        BatchNormDescriptor {
            epsilon: self.settings.epsilon,
            scale: self.weight.is_some(),
            shift: self.bias.is_some(),
            track_running_stats: self.running.is_some(),
            running_variance: self.settings.running_variance,
            element: self.element,
            activation: self.settings.activation,
            renormalize: false,
        }
    }

    /// The tensors of its result.
    pub fn outputs(&self) -> Vec<Output> {
        let mut outputs = vec![Output::Y];
        if self.settings.mode == Mode::Train {
            outputs.extend([Output::Mean, Output::InvStd]);
            if self.running.is_some() {
                outputs.extend([Output::RunningMean, Output::RunningVar, Output::Batches]);
            }
        }
        if self.dy.is_some() {
            outputs.extend([Output::Dx, Output::DWeight, Output::DBias]);
            outputs.extend(self.residual.as_ref().map(|_| Output::DResidual));
        }
        outputs
    }

    /// The extents of a result.
    pub fn dims_of(&self, output: Output) -> Vec<usize> {
        match output {
            _ if output.is_like_x() => self.dims.clone(),
            Output::Batches => Vec::new(),
            _ => vec![self.shape.channels() as usize],
        }
    }

    fn expected(
        &self,
        file: &File<'_>,
        outputs: Vec<Output>,
    ) -> Result<Vec<(Output, Vec<f64>)>, String> {
        let given = self.outputs();
        let of = |output: Output| {
            let name = output.name();
            if !given.contains(&output) {
                return Err(format!(
                    "expected.{name}: this case gives no {name}, only {}",
                    list(given.iter().map(|o| o.name()))
                ));
            }
            Ok((output, file.expected(output, &self.dims_of(output))?))
        };
        outputs.into_iter().map(of).collect()
    }
}

/// The tensors of a file.
struct File<'a>(SafeTensors<'a>);

impl<'a> File<'a> {
    fn get(&self, name: &str) -> Option<TensorView<'a>> {
        // Its only error is that there is no such tensor.
        self.0.tensor(name).ok()
    }

    /// The results that have expected values; an error for a name that means nothing.
    fn expected_names(&self) -> Result<Vec<Output>, String> {
        let mut names = self.0.names();
        names.sort_unstable();
        names.retain(|name| !TENSORS.contains(name));
        let output = |name: &str| {
            let unknown = || format!("unknown tensor `{name}`");
            let result = name.strip_prefix("expected.").ok_or_else(|| {
                format!("{}; there are {} and expected.NAME", unknown(), list(TENSORS))
            })?;
            Output::ALL.into_iter().find(|o| o.name() == result).ok_or_else(|| {
                format!("{}; results are {}", unknown(), list(Output::ALL.map(Output::name)))
            })
        };
        names.into_iter().map(output).collect()
    }

    /// The extents of x, its type, and its bytes.
    fn x(&self) -> Result<(Vec<usize>, Element, Vec<u8>), String> {
        let x = self.get("x").ok_or("the tensor x is missing")?;
        let element = match x.dtype() {
            Dtype::F32 => Element::F32,
            Dtype::F16 => Element::F16,
            Dtype::BF16 => Element::BF16,
            dtype => return Err(format!("x must be F32, F16 or BF16, but is {dtype}")),
        };
        Ok((x.shape().to_vec(), element, x.data().to_vec()))
    }

    /// The bytes of a tensor like x, if it is there.
    fn elements(
        &self,
        name: &str,
        element: Element,
        dims: &[usize],
    ) -> Result<Option<Vec<u8>>, String> {
        Ok(self.checked(name, dtype(element), dims)?.map(|view| view.data().to_vec()))
    }

    /// Weights of samples or, with all axes of x but the channels', of positions.
    fn mask(&self, dims: &[usize], layout: Layout) -> Result<Option<Vec<f32>>, String> {
        let Some(view) = self.get("mask") else { return Ok(None) };
        let channel_axis = match layout {
            Layout::ChannelsFirst => 1,
            Layout::ChannelsLast => dims.len() - 1,
        };
        let mut positions = dims.to_vec();
        positions.remove(channel_axis);
        let samples = &positions[..1];
        if view.dtype() != Dtype::F32 || (view.shape() != samples && view.shape() != positions) {
            return Err(format!(
                "mask must be F32 of shape {samples:?} or {positions:?}, but is {} of shape {:?}",
                view.dtype(),
                view.shape()
            ));
        }
        let mask = f32s(view.data());
        match mask.iter().find(|w| !(w.is_finite() && **w >= 0.0)) {
            Some(weight) => Err(format!("mask must be finite and 0 or more, but has {weight}")),
            None => Ok(Some(mask)),
        }
    }

    /// The values of a tensor, if it is there.
    fn floats(&self, name: &str, dims: &[usize]) -> Result<Option<Vec<f32>>, String> {
        Ok(self.checked(name, Dtype::F32, dims)?.map(|view| f32s(view.data())))
    }

    /// Expected values. A recorded batch count may be the integer that it is.
    fn expected(&self, output: Output, dims: &[usize]) -> Result<Vec<f64>, String> {
        let name = format!("expected.{}", output.name());
        let is_i64 = self.get(&name).is_some_and(|view| view.dtype() == Dtype::I64);
        if output == Output::Batches && is_i64 {
            return Ok(vec![self.count(&name)?.unwrap_or(0) as f64]);
        }
        // What is like x may be expected as it is stored, or as F32.
        let view = match self.get(&name) {
            Some(view) if output.is_like_x() && view.shape() == dims => Some(view),
            _ => self.checked(&name, Dtype::F32, dims)?,
        };
        match view.map(|view| (view.dtype(), view)) {
            Some((Dtype::F32, view)) => Ok(to_f64(Element::F32, view.data())),
            Some((Dtype::F16, view)) => Ok(to_f64(Element::F16, view.data())),
            Some((Dtype::BF16, view)) => Ok(to_f64(Element::BF16, view.data())),
            Some((other, _)) => Err(format!("{name} must be F32, but is {other}")),
            None => Ok(Vec::new()),
        }
    }

    fn running(&self, dims: &[usize], mode: Mode) -> Result<Option<Running>, String> {
        match (self.floats("running_mean", dims)?, self.floats("running_var", dims)?) {
            (Some(mean), Some(var)) => Ok(Some(Running { mean, var })),
            (Some(_), None) => Err("running_mean needs running_var beside it".into()),
            (None, Some(_)) => Err("running_var needs running_mean beside it".into()),
            (None, None) if mode == Mode::Infer => {
                Err("inference needs running_mean and running_var".into())
            }
            (None, None) => Ok(None),
        }
    }

    /// The batch count, which must still be a `u32` after the case, if that counts one more.
    fn batches(&self, counts: bool) -> Result<u32, String> {
        let name = "num_batches_tracked";
        let value = self.count(name)?.unwrap_or(0);
        let most = u32::MAX - u32::from(counts);
        match u32::try_from(value) {
            Ok(batches) if batches <= most => Ok(batches),
            _ => Err(format!("{name} must be from 0 to {most}, but is {value}")),
        }
    }

    /// The value of an integer without axes, if it is there.
    fn count(&self, name: &str) -> Result<Option<i64>, String> {
        let view = self.checked(name, Dtype::I64, &[])?;
        Ok(view.and_then(|view| view.data().first_chunk().copied()).map(i64::from_le_bytes))
    }

    /// A tensor of this type and shape, if it is there; an error if it is another.
    fn checked(
        &self,
        name: &str,
        dtype: Dtype,
        dims: &[usize],
    ) -> Result<Option<TensorView<'a>>, String> {
        let view = self.get(name);
        match &view {
            Some(view) if view.dtype() != dtype || view.shape() != dims => Err(format!(
                "{name} must be {dtype} of shape {dims:?}, but is {} of shape {:?}",
                view.dtype(),
                view.shape()
            )),
            _ => Ok(view),
        }
    }
}

fn shape(dims: &[usize], layout: Layout) -> Result<Shape, String> {
    if dims.len() < 2 {
        return Err(format!("x needs two axes or more, [N, C, ...], but its shape is {dims:?}"));
    }
    // Leaves out extents of 0: the others are multiplied even where x is empty.
    let product = dims
        .iter()
        .map(|&extent| extent.max(1) as u64)
        .try_fold(1u64, |product, extent| product.checked_mul(extent))
        .filter(|&product| product < 1 << 61);
    let dims_u64: Vec<u64> = dims.iter().map(|&extent| extent as u64).collect();
    product
        .and_then(|_| Shape::from_dims(&dims_u64, layout))
        .ok_or_else(|| format!("x has too many elements or channels: its shape is {dims:?}"))
}

/// An element's name in a file.
pub fn dtype(element: Element) -> Dtype {
    match element {
        Element::F32 => Dtype::F32,
        Element::F16 => Dtype::F16,
        Element::BF16 => Dtype::BF16,
    }
}

/// The values of a tensor's bytes.
pub fn to_f64(element: Element, bytes: &[u8]) -> Vec<f64> {
    let halves = bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
    match element {
        Element::F32 => f32s(bytes).into_iter().map(f64::from).collect(),
        Element::F16 => halves.map(|b| f16::from_le_bytes(b).to_f64()).collect(),
        Element::BF16 => halves.map(|b| bf16::from_le_bytes(b).to_f64()).collect(),
    }
}

fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}
