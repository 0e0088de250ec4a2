//! The network and its training: bound once, then only recorded.

use crate::data::{CLASSES, PIXELS, Random};
use crate::gpu::{Gpu, Samples, Step};
use wgpu_batchnorm::{
    BufferRange, Error, Forward, Gradients, Inference, Momentum, Optimizer, Shape, State, Training,
    wgpu,
};

/// Widths from the input to the output.
const WIDTHS: [u32; 5] = [PIXELS, 100, 100, 100, CLASSES];
/// Samples of a mini-batch. Their indices, of four bytes each, are a binding of their own, and the
/// offset of a binding is best a multiple of 256, which every device takes.
const BATCH: u32 = 64;
/// Where the tally of the test is, behind that of the training: bytes, a multiple of 256 again.
const TEST_TALLY: u64 = 256;
/// Invocations of a workgroup along both axes in dense.wgsl.
const TILE: u32 = 8;

/// A dense layer, and the batch norm behind it if there is one.
struct Layer {
    inputs: u32,
    outputs: u32,
    /// Of the weights: the inputs, and the bias if there is one.
    columns: u32,
    weights: wgpu::Buffer,
    norm: Option<State>,
}

/// A layer applied to a batch: what the way back reads.
struct Applied {
    /// The sizes that dense.wgsl wants.
    dense: wgpu::Buffer,
    x: wgpu::Buffer,
    norm: Option<Forward>,
}

/// A network in training.
pub struct Run<'a> {
    gpu: &'a Gpu,
    /// Samples of an epoch, which takes whole mini-batches only.
    train_count: u32,
    test_count: u32,
    random: Random,
    /// The order in which this epoch takes the samples, here and on the GPU.
    order: Vec<u32>,
    order_buffer: wgpu::Buffer,
    /// For each mini-batch of an epoch, what fetches it.
    gathers: Vec<Step>,
    /// What all mini-batches have in common.
    training: Vec<Step>,
    testing: Vec<Step>,
    /// Of training and test: the sum of the losses, and how many answers were right.
    tallies: wgpu::Buffer,
}

/// How an epoch went.
#[derive(Clone, Copy)]
pub struct Epoch {
    /// Mean of the training loss over the epoch; may be infinite or NaN.
    pub loss: f32,
    /// Fraction of the test set that the network gets right after the epoch.
    pub accuracy: f32,
}

impl<'a> Run<'a> {
    /// Makes a network and binds its training. With the same `seed` all networks start from the
    /// same weights and see the same mini-batches.
    pub fn new(
        gpu: &'a Gpu,
        train: &Samples,
        test: &Samples,
        with_batch_norm: bool,
        rate: f32,
        seed: u64,
    ) -> Result<Self, Error> {
        let mut random = Random(seed);
        let layers = new_layers(gpu, with_batch_norm, rate, &mut random)?;
        let order: Vec<u32> = (0..train.count).collect();
        let order_buffer = gpu.upload_integers(&order)?;
        let tallies = gpu.context.zeros(TEST_TALLY / 4 + 2)?;
        let tally = |offset| BufferRange::new(&tallies, offset, 8);

        let x = gpu.context.zeros((BATCH * PIXELS) as u64)?;
        let labels = gpu.context.zeros(BATCH as u64)?;
        // What is left over waits for the next epoch's order.
        let gathers = (0..train.count / BATCH)
            .map(|index| {
                let bytes = BATCH as u64 * 4;
                let ranges = [
                    BufferRange::new(&order_buffer, index as u64 * bytes, bytes),
                    (&train.images).into(),
                    (&train.labels).into(),
                    (&x).into(),
                    (&labels).into(),
                ];
                gpu.bind(&gpu.gather, &ranges, [BATCH, 1])
            })
            .collect();

        let batch = Samples { count: BATCH, images: x, labels };
        let mut training = Vec::new();
        let (applied, dlogits) = bind_forward(gpu, &layers, &batch, tally(0), true, &mut training)?;
        bind_backward(gpu, &layers, &applied, BATCH, dlogits, rate, &mut training)?;
        let mut testing = Vec::new();
        bind_forward(gpu, &layers, test, tally(TEST_TALLY), false, &mut testing)?;
        Ok(Self {
            gpu,
            train_count: train.count / BATCH * BATCH,
            test_count: test.count,
            random,
            order,
            order_buffer,
            gathers,
            training,
            testing,
            tallies,
        })
    }

    /// Trains on every mini-batch once, then tests: one submission, one read.
    pub fn epoch(&mut self) -> Result<Epoch, Error> {
        let context = &self.gpu.context;
        self.random.shuffle(&mut self.order);
        context.queue().write_buffer(&self.order_buffer, 0, bytemuck::cast_slice(&self.order));
        context.run(|encoder| {
            encoder.clear_buffer(&self.tallies, 0, None);
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for gather in &self.gathers {
                gather.encode_in(&mut pass);
                self.training.iter().for_each(|step| step.encode_in(&mut pass));
            }
            self.testing.iter().for_each(|step| step.encode_in(&mut pass));
        });
        let tallies = context.download(&self.tallies)?;
        Ok(Epoch {
            loss: tallies[0] / self.train_count as f32,
            accuracy: tallies[TEST_TALLY as usize / 4 + 1] / self.test_count as f32,
        })
    }
}

/// New layers. Weights and biases are uniform within ±1/√inputs, PyTorch's default. Batch norm has
/// a shift of its own, so that the layer before it needs no bias.
fn new_layers(
    gpu: &Gpu,
    with_batch_norm: bool,
    rate: f32,
    random: &mut Random,
) -> Result<Vec<Layer>, Error> {
    let (device, queue) = (gpu.context.device(), gpu.context.queue());
    let mut layers = Vec::new();
    for (index, widths) in WIDTHS.windows(2).enumerate() {
        let (inputs, outputs) = (widths[0], widths[1]);
        let norm = with_batch_norm && index + 2 < WIDTHS.len();
        let columns = if norm { inputs } else { inputs + 1 };
        let limit = 1.0 / (inputs as f32).sqrt();
        let mut weights = Vec::new();
        for _ in 0..outputs {
            // The bias is drawn even where it is not used, so that the weights are the same.
            let row: Vec<f32> = (0..=inputs).map(|_| random.symmetric(limit)).collect();
            weights.extend(&row[..columns as usize]);
        }
        let norm = norm.then(|| State::new(device, outputs));
        if let Some(state) = &norm {
            state.set_optimizer(queue, &Optimizer::gradient_descent(rate as f64))?;
        }
        layers.push(Layer {
            inputs,
            outputs,
            columns,
            weights: gpu.context.upload(&weights)?,
            norm,
        });
    }
    Ok(layers)
}

/// Binds all layers and the loss to a batch. Returns what the way back needs: the layers as
/// applied, and the gradient by the logits.
fn bind_forward(
    gpu: &Gpu,
    layers: &[Layer],
    batch: &Samples,
    tally: BufferRange,
    training: bool,
    steps: &mut Vec<Step>,
) -> Result<(Vec<Applied>, wgpu::Buffer), Error> {
    let device = gpu.context.device();
    let mut applied = Vec::new();
    let mut x = batch.images.clone();
    for layer in layers {
        let shape = Shape::nc(batch.count, layer.outputs);
        let dense = gpu.uniform([batch.count, layer.inputs, layer.outputs, layer.columns]);
        let mut y = gpu.context.zeros(shape.elements())?;
        let ranges = [&dense, &x, &layer.weights, &y].map(BufferRange::from);
        steps.push(gpu.bind(&gpu.forward, &ranges, tiles(layer.outputs, batch.count)));
        let mut norm = None;
        if let Some(state) = &layer.norm {
            let x = BufferRange::from(y);
            y = gpu.context.zeros(shape.elements())?;
            let bn = &gpu.batch_norm;
            let forward = if training {
                let tensors = Training { x, y: (&y).into(), momentum: Momentum::default() };
                bn.bind_training(device, state, shape, tensors)?
            } else {
                bn.bind_inference(device, state, shape, Inference { x, y: (&y).into() })?
            };
            steps.push(Step::Forward(Box::new(forward.clone())));
            norm = Some(forward);
        }
        applied.push(Applied { dense, x, norm });
        x = y;
    }
    let dlogits = gpu.context.zeros((batch.count * CLASSES) as u64)?;
    let ranges = [(&batch.labels).into(), x.into(), (&dlogits).into(), tally];
    steps.push(gpu.bind(&gpu.loss, &ranges, [1, 1]));
    Ok((applied, dlogits))
}

/// Binds the way back from the logits, with the updates of all parameters.
fn bind_backward(
    gpu: &Gpu,
    layers: &[Layer],
    applied: &[Applied],
    batch: u32,
    dlogits: wgpu::Buffer,
    rate: f32,
    steps: &mut Vec<Step>,
) -> Result<(), Error> {
    let rate = gpu.uniform(rate);
    let mut dy = dlogits;
    for (index, (layer, Applied { dense, x, norm })) in layers.iter().zip(applied).enumerate().rev()
    {
        if let Some(forward) = norm {
            let dx = gpu.context.zeros((batch * layer.outputs) as u64)?;
            // γ and β take their step in the same dispatch.
            let gradients =
                Gradients { dx: Some((&dx).into()), optimize: true, ..Gradients::default() };
            let (bn, device) = (&gpu.batch_norm, gpu.context.device());
            let backward = bn.bind_backward_with(device, forward, dy, gradients)?;
            steps.push(Step::Backward(backward));
            dy = dx;
        }
        let update = [dense, x, &layer.weights, &dy, &rate].map(BufferRange::from);
        // Nobody needs the gradient by the pixels.
        if index > 0 {
            let dx = gpu.context.zeros((batch * layer.inputs) as u64)?;
            let ranges = [dense, x, &layer.weights, &dy, &dx].map(BufferRange::from);
            steps.push(gpu.bind(&gpu.input_gradient, &ranges, tiles(layer.inputs, batch)));
            dy = dx;
        }
        steps.push(gpu.bind(&gpu.update, &update, tiles(layer.columns, layer.outputs)));
    }
    Ok(())
}

/// Workgroups of dense.wgsl for `width` × `height` values.
fn tiles(width: u32, height: u32) -> [u32; 2] {
    [width.div_ceil(TILE), height.div_ceil(TILE)]
}
