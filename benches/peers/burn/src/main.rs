//! Times Burn's batch norm at the shapes of `cargo bench`, and prints the same columns.
//!
//! ```sh
//! cd benches/peers/burn
//! cargo run --release -- [--quick] [--csv FILE] [FILTER ...]
//! ```
//!
//! `burn::nn::BatchNorm` on the wgpu backend, eagerly, channels first and dense: Burn has no batch
//! norm for channels last. Times are the wall clock's, from the call until the device is idle.
//!
//! Of Burn's features only `std`, `wgpu` and `autodiff` are on, so the kernels are WGSL, and neither
//! fused nor tuned, which Burn's defaults are. `CUBECL_WGPU_DEFAULT_DEVICE` picks another adapter.
//!
//! - `training` runs on an autodiff device, since Burn takes batch statistics on no other. It
//!   records the graph, which costs no kernel, and updates the running statistics.
//! - `inference` runs on a plain device.
//! - `forward_backward` runs training and then dx, dγ and dβ: Burn consumes its graph, so the
//!   backward pass cannot be repeated by itself. It includes filling dy with ones, where `backward`
//!   starts.
//!
//! `bytes` counts what `cargo bench` counts, not the many more that Burn moves. The last three
//! columns are empty: a ceiling is the adapter's, and `cargo bench` measures it.

use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{Device, Distribution, Gradients, Tensor};
use std::io::Write;
use std::time::Instant;

const HELP: &str = "\
cargo run --release -- [--quick] [--csv FILE] [FILTER ...]

  --quick     a few shapes
  --csv FILE  write the rows as CSV, too
  FILTER      only rows whose name contains every FILTER, such as: first training 64x256";

const BURN: &str = "0.22.1";

/// Rounds that are timed, after one that is not.
const ROUNDS: usize = 7;

/// Channels and side length of the feature maps of ResNet-50 at 224 × 224 pixels.
const RESNET_50: [(usize, usize); 9] = [
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
const QUICK: [(usize, usize); 4] = [(256, 56), (512, 28), (1024, 14), (2048, 7)];

/// Rows and features of dense layers.
const DENSE: [(usize, usize); 3] = [(32, 64), (65_536, 64), (1_024, 4_096)];

const COLUMNS: &str = "adapter,op,layout,dtype,n,c,inner,bytes,dispatches,median_ms,spread,\
                       gb_per_s,ceiling_ms,ceiling_fraction,cpu_ms";

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

struct Options {
    quick: bool,
    csv: Option<std::path::PathBuf>,
    filters: Vec<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Op {
    Training,
    Inference,
    ForwardBackward,
}

impl Op {
    const ALL: [Op; 3] = [Op::Training, Op::Inference, Op::ForwardBackward];

    fn name(self) -> &'static str {
        ["training", "inference", "forward_backward"][self as usize]
    }

    /// Tensors that have to move: reads and writes, as `cargo bench` counts them.
    fn tensors(self) -> usize {
        [3, 2, 3 + 5][self as usize]
    }
}

struct Case {
    layout: &'static str,
    n: usize,
    c: usize,
    side: usize,
}

impl Case {
    fn shape(&self) -> String {
        format!("{}x{}x{}", self.n, self.c, self.side * self.side)
    }

    fn bytes(&self) -> u64 {
        (self.n * self.c * self.side * self.side * size_of::<f32>()) as u64
    }
}

fn cases(quick: bool) -> Vec<Case> {
    let (batches, maps): (&[usize], &[_]) =
        if quick { (&[32], &QUICK) } else { (&[32, 64], &RESNET_50) };
    let mut cases = Vec::new();
    for &n in batches {
        cases.extend(maps.iter().map(|&(c, side)| Case { layout: "first", n, c, side }));
    }
    cases.extend(DENSE.map(|(n, c)| Case { layout: "dense", n, c, side: 1 }));
    cases
}

fn main() -> Result<()> {
    let Some(options) = parse()? else { return Ok(()) };
    let (device, setup) = Device::wgpu_options().init_with_setup()?;
    let limits = setup.device.limits();
    let largest = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
    let adapter = format!("Burn {BURN} {}", setup.adapter.get_info().name).replace(',', " ");

    println!(
        "{:<16} {:<5} {:>16} {:>9} {:>6} {:>7}   {adapter}",
        "op", "", "n x c x inner", "ms", "±", "GB/s"
    );
    let mut rows = vec![COLUMNS.to_owned()];
    for case in cases(options.quick) {
        let name = |op: Op| format!("{} {} {}", case.layout, case.shape(), op.name());
        let keep = |op: &Op| options.filters.iter().all(|f| name(*op).contains(f.as_str()));
        let ops: Vec<Op> = Op::ALL.into_iter().filter(keep).collect();
        if ops.is_empty() {
            continue;
        }
        // Burn binds a tensor as a whole, and panics where it cannot.
        if case.bytes() > largest {
            for op in ops {
                let (op, layout, shape) = (op.name(), case.layout, case.shape());
                println!("{op:<16} {layout:<5} {shape:>16} skipped: larger than one binding");
            }
            continue;
        }
        if case.layout == "dense" {
            measure([case.n, case.c], &case, &ops, &device, &adapter, &mut rows)?;
        } else {
            let shape = [case.n, case.c, case.side, case.side];
            measure(shape, &case, &ops, &device, &adapter, &mut rows)?;
        }
    }
    if let Some(path) = &options.csv {
        let mut file = std::fs::File::create(path)?;
        for row in &rows {
            writeln!(file, "{row}")?;
        }
    }
    Ok(())
}

fn parse() -> std::result::Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options { quick: false, csv: None, filters: Vec::new() };
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("quick") => options.quick = true,
            Long("csv") => options.csv = Some(parser.value()?.into()),
            Long("help") | Short('h') => {
                println!("{HELP}");
                return Ok(None);
            }
            Value(filter) => options.filters.push(filter.string()?),
            _ => return Err(arg.unexpected()),
        }
    }
    Ok(Some(options))
}

fn measure<const D: usize>(
    shape: [usize; D],
    case: &Case,
    ops: &[Op],
    device: &Device,
    adapter: &str,
    rows: &mut Vec<String>,
) -> Result<()> {
    let layer = Layer::new(shape, device);
    for &op in ops {
        // Right before fast; this is the warm-up, too.
        if let Err(wrong) = layer.check(op, &layer.run(op), case) {
            println!(
                "{:<16} {:<5} {:>16} not timed: {wrong}",
                op.name(),
                case.layout,
                case.shape()
            );
            continue;
        }
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            device.sync()?;
            let start = Instant::now();
            let output = layer.run(op);
            device.sync()?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
            drop(output);
        }
        times.sort_by(f64::total_cmp);
        let median = times[ROUNDS / 2];
        let spread = (times[ROUNDS * 3 / 4] - times[ROUNDS / 4]) / median;
        let bytes = case.bytes() * op.tensors() as u64;
        let speed = bytes as f64 / median / 1e6;
        let (op, layout) = (op.name(), case.layout);
        println!(
            "{op:<16} {layout:<5} {:>16} {median:>9.3} {:>5.0}% {speed:>7.2}",
            case.shape(),
            spread * 100.0
        );
        rows.push(format!(
            "{adapter},{op},{layout},f32,{},{},{},{bytes},,{median:.4},{spread:.4},{speed:.3},,,",
            case.n,
            case.c,
            case.side * case.side
        ));
    }
    Ok(())
}

/// The same layer and input on a plain device and on an autodiff one.
struct Layer<const D: usize> {
    plain: BatchNorm,
    x: Tensor<D>,
    autodiff: BatchNorm,
    /// Its gradient is not asked for, so `training` keeps nothing for it.
    x_constant: Tensor<D>,
    x_tracked: Tensor<D>,
}

/// Kept until the clock has stopped.
struct Output<const D: usize> {
    y: Tensor<D>,
    gradients: Option<Gradients>,
}

impl<const D: usize> Layer<D> {
    fn new(shape: [usize; D], device: &Device) -> Self {
        let config = BatchNormConfig::new(shape[1]);
        let x = Tensor::random(shape, Distribution::Normal(0.5, 1.0), device);
        Self {
            plain: config.init(device),
            autodiff: config.init(&device.clone().autodiff()),
            x_constant: x.clone().autodiff(),
            x_tracked: x.clone().autodiff().require_grad(),
            x,
        }
    }

    fn run(&self, op: Op) -> Output<D> {
        match op {
            Op::Training => {
                Output { y: self.autodiff.forward(self.x_constant.clone()), gradients: None }
            }
            Op::Inference => Output { y: self.plain.forward(self.x.clone()), gradients: None },
            Op::ForwardBackward => {
                let y = self.autodiff.forward(self.x_tracked.clone());
                let gradients = Some(y.backward());
                Output { y, gradients }
            }
        }
    }

    /// Enough to tell that the pass meant was the one that ran: y by its moments, the gradients by
    /// what they sum up to where dy is 1.
    fn check(&self, op: Op, output: &Output<D>, case: &Case) -> Result<()> {
        let y = output.y.clone().without_autodiff();
        let mean = |t: Tensor<D>| t.mean().into_scalar::<f32>();
        let mut right = if op == Op::Inference {
            // Fresh running statistics: y is x, but for ε.
            mean((y - self.x.clone()).abs()) < 1e-4
        } else {
            mean(y.clone()).abs() < 1e-2 && (mean(y.clone() * y) - 1.0).abs() < 1e-2
        };
        if let Some(gradients) = &output.gradients {
            let dx = self.x_tracked.grad(gradients).ok_or("no dx")?;
            let dgamma = self.autodiff.gamma.grad(gradients).ok_or("no dγ")?;
            let dbeta = self.autodiff.beta.grad(gradients).ok_or("no dβ")?;
            let m = (case.n * case.side * case.side) as f32;
            let largest = |t: Tensor<1>| t.abs().max().into_scalar::<f32>();
            right &= mean(dx.abs()) < 1e-2;
            right &= largest(dgamma / m) < 1e-2;
            right &= largest(dbeta / m - 1.0) < 1e-2;
        }
        if right {
            Ok(())
        } else {
            Err(format!("{} {}: the result is wrong", case.shape(), op.name()).into())
        }
    }
}
