//! A case on the GPU.

use crate::case::{self, Case, Output};
use crate::settings::Mode;
use safetensors::tensor::{Dtype, View};
use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use wgpu_batchnorm::{
    BackwardPass, BatchNorm, BufferRange, Context, ContextOptions, Element, Extras, Forward,
    Gradients, Inference, Row, Saved, State, Training, Weights, wgpu,
};

/// A device, and the errors that nobody waits for.
pub struct Gpu {
    context: Context,
    errors: Receiver<String>,
}

/// A tensor of a result.
pub struct Tensor {
    pub output: Output,
    pub values: Values,
    dims: Vec<usize>,
}

/// The values of a tensor.
pub enum Values {
    /// Bytes, and what they are.
    Elements(Element, Vec<u8>),
    I64(i64),
}

impl Gpu {
    /// The first adapter whose name contains `adapter`, or the best.
    pub fn new(adapter: Option<&str>) -> Result<Self, String> {
        let options =
            ContextOptions { adapter: adapter.map(str::to_owned), ..ContextOptions::default() };
        // A software adapter takes its time over a large case.
        let context = Context::with_options(&options)
            .map_err(|e| e.to_string())?
            .with_timeout(Duration::from_secs(600));
        let (sender, errors) = channel();
        // By default such an error is a panic, but it should fail one case only.
        context.device().on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            // Fails only when the receiver is gone, and all cases with it.
            let _ = sender.send(error.to_string());
        }));
        Ok(Self { context, errors })
    }

    /// Runs a case.
    pub fn run(&self, case: &Case) -> Result<Vec<Tensor>, String> {
        let results = self.results(case);
        // The first is the cause of the others, and takes them out of the next case's way.
        match self.errors.try_iter().reduce(|first, _| first) {
            Some(error) => Err(error),
            None => results.map_err(|e| e.to_string()),
        }
    }

    fn results(&self, case: &Case) -> Result<Vec<Tensor>, Box<dyn Error>> {
        let layer = Layer::bind(&self.context, case)?;
        layer.load(&self.context, case)?;
        self.context.run(|encoder| layer.encode(encoder));
        case.outputs().into_iter().map(|output| layer.read(&self.context, case, output)).collect()
    }
}

/// A case, bound to buffers of its own.
struct Layer {
    state: State,
    forward: Forward,
    backward: Option<BackwardPass>,
    y: BufferRange,
    dx: Option<BufferRange>,
    dresidual: Option<BufferRange>,
}

impl Layer {
    fn bind(context: &Context, case: &Case) -> Result<Self, wgpu_batchnorm::Error> {
        let device = context.device();
        let shape = case.shape;
        let bn = BatchNorm::new(device, &case.descriptor())?;
        let state = State::new(device, shape.channels());
        let (x, y) = (context.upload_bytes(&case.x)?, output(context, case)?);
        let upload = |bytes: &Vec<u8>| context.upload_bytes(bytes).map(BufferRange::from);
        let weights = |mask: &Vec<f32>| {
            context.upload(mask).map(|buffer| Weights::new(buffer, mask.len() as u64))
        };
        let extras = Extras {
            residual: case.residual.as_ref().map(upload).transpose()?,
            weights: case.mask.as_ref().map(weights).transpose()?,
        };
        let forward = match case.settings.mode {
            Mode::Train => {
                let momentum = case.settings.momentum;
                let tensors = Training { x: x.into(), y: y.clone(), momentum };
                bn.bind_training_with(device, &state, shape, tensors, extras)?
            }
            Mode::Infer => {
                let tensors = Inference { x: x.into(), y: y.clone() };
                bn.bind_inference_with(device, &state, shape, tensors, extras)?
            }
        };
        let mut gradients = Gradients::default();
        let mut backward = None;
        if let Some(dy) = &case.dy {
            gradients.dx = Some(output(context, case)?);
            if case.residual.is_some() {
                gradients.dresidual = Some(output(context, case)?);
            }
            backward =
                Some(bn.bind_backward_with(device, &forward, upload(dy)?, gradients.clone())?);
        }
        let Gradients { dx, dresidual, .. } = gradients;
        Ok(Self { state, forward, backward, y, dx, dresidual })
    }

    /// Writes the parameters. Only after binding, which tells whether the device can hold them.
    fn load(&self, context: &Context, case: &Case) -> Result<(), wgpu_batchnorm::Error> {
        let (mean, var) = case.running.as_ref().map(|r| (&r.mean, &r.var)).unzip();
        for (row, values) in [
            (Row::Gamma, case.weight.as_ref()),
            (Row::Beta, case.bias.as_ref()),
            (Row::RunningMean, mean),
            (Row::RunningVar, var),
        ] {
            if let Some(values) = values {
                self.state.set(context.queue(), row, values)?;
            }
        }
        self.state.set_batches(context.queue(), case.batches)
    }

    fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        self.forward.encode(encoder);
        if let Some(backward) = &self.backward {
            backward.encode(encoder);
        }
    }

    fn read(
        &self,
        context: &Context,
        case: &Case,
        output: Output,
    ) -> Result<Tensor, Box<dyn Error>> {
        let range = self.range(output).ok_or_else(|| format!("there is no {}", output.name()))?;
        let values = match output {
            // The same count in every channel, and not a float.
            Output::Batches => {
                let counts = context.download_words(range)?;
                Values::I64(counts.first().map_or(0, |&count| count.into()))
            }
            _ => {
                let element = if output.is_like_x() { case.element } else { Element::F32 };
                let bytes = match range.size() {
                    0 => Vec::new(),
                    _ => context.download_bytes(range)?,
                };
                Values::Elements(element, bytes)
            }
        };
        Ok(Tensor { output, values, dims: case.dims_of(output) })
    }

    fn range(&self, output: Output) -> Option<BufferRange> {
        match output {
            Output::Y => Some(self.y.clone()),
            Output::Mean => self.forward.saved(Saved::Mean),
            Output::InvStd => self.forward.saved(Saved::InvStd),
            Output::RunningMean => Some(self.state.range(Row::RunningMean)),
            Output::RunningVar => Some(self.state.range(Row::RunningVar)),
            Output::Batches => Some(self.state.range(Row::Batches)),
            Output::Dx => self.dx.clone(),
            Output::DWeight => Some(self.state.range(Row::DGamma)),
            Output::DBias => Some(self.state.range(Row::DBeta)),
            Output::DResidual => self.dresidual.clone(),
        }
    }
}

/// A tensor like x. The range matters if x is empty, since a buffer never is.
fn output(context: &Context, case: &Case) -> Result<BufferRange, wgpu_batchnorm::Error> {
    let bytes = case.shape.elements() * case.element.size();
    Ok(BufferRange::new(&context.zeros(bytes.div_ceil(4))?, 0, bytes))
}

impl Values {
    pub fn to_f64(&self) -> Vec<f64> {
        match self {
            Values::Elements(element, bytes) => case::to_f64(*element, bytes),
            Values::I64(value) => vec![*value as f64],
        }
    }
}

impl View for &Tensor {
    fn dtype(&self) -> Dtype {
        match self.values {
            Values::Elements(element, _) => case::dtype(element),
            Values::I64(_) => Dtype::I64,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.dims
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match &self.values {
            Values::Elements(_, bytes) => bytes.as_slice().into(),
            Values::I64(value) => value.to_le_bytes().to_vec().into(),
        }
    }

    fn data_len(&self) -> usize {
        match &self.values {
            Values::Elements(_, bytes) => bytes.len(),
            Values::I64(value) => size_of_val(value),
        }
    }
}
