//! A case on the GPU.

use crate::case::{Case, Output};
use crate::settings::Mode;
use safetensors::tensor::{Dtype, View};
use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use wgpu_batchnorm::{
    Backward, BackwardPass, BatchNorm, BufferRange, Context, ContextOptions, Forward, Inference,
    Row, Saved, State, Training, wgpu,
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
    F32(Vec<f32>),
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
}

impl Layer {
    fn bind(context: &Context, case: &Case) -> Result<Self, wgpu_batchnorm::Error> {
        let device = context.device();
        let shape = case.shape;
        let bn = BatchNorm::new(device, &case.descriptor())?;
        let state = State::new(device, shape.channels());
        let (x, y) = (context.upload(&case.x)?, zeros(context, case)?);
        let forward = match case.settings.mode {
            Mode::Train => {
                let momentum = case.settings.momentum;
                let tensors = Training { x: x.into(), y: y.clone(), momentum };
                bn.bind_training(device, &state, shape, tensors)?
            }
            Mode::Infer => {
                let tensors = Inference { x: x.into(), y: y.clone() };
                bn.bind_inference(device, &state, shape, tensors)?
            }
        };
        let (mut backward, mut dx) = (None, None);
        if let Some(dy) = &case.dy {
            let range = dx.insert(zeros(context, case)?).clone();
            let tensors = Backward { dy: context.upload(dy)?.into(), dx: range };
            backward = Some(bn.bind_backward(device, &forward, tensors)?);
        }
        Ok(Self { state, forward, backward, y, dx })
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
            _ if range.size() == 0 => Values::F32(Vec::new()),
            _ => Values::F32(context.download(range)?),
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
            Output::DResidual => None,
        }
    }
}

/// A tensor like x. The range matters if x is empty, since a buffer never is.
fn zeros(context: &Context, case: &Case) -> Result<BufferRange, wgpu_batchnorm::Error> {
    let elements = case.shape.elements();
    Ok(BufferRange::new(&context.zeros(elements)?, 0, elements * 4))
}

impl Values {
    pub fn to_f64(&self) -> Vec<f64> {
        match self {
            Values::F32(values) => values.iter().map(|&v| v.into()).collect(),
            Values::I64(value) => vec![*value as f64],
        }
    }
}

impl View for &Tensor {
    fn dtype(&self) -> Dtype {
        match self.values {
            Values::F32(_) => Dtype::F32,
            Values::I64(_) => Dtype::I64,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.dims
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match &self.values {
            Values::F32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Values::I64(value) => value.to_le_bytes().to_vec().into(),
        }
    }

    fn data_len(&self) -> usize {
        match &self.values {
            Values::F32(values) => size_of_val(values.as_slice()),
            Values::I64(value) => size_of_val(value),
        }
    }
}
