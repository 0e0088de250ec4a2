//! Times training forward, inference and backward against the ceiling of the adapter's memory and
//! against the CPU. `cargo bench -- --help` lists the options.

mod support;

use indicatif::{ProgressBar, ProgressStyle};
use support::baseline::CpuBaseline;
use support::cases::{Case, Set};
use support::ceiling::Ceiling;
use support::op::Op;
use support::table::{Timed, print_table, write_csv};
use support::timer::Timer;
use wgpu_batchnorm::plan::{Plan, Request};
use wgpu_batchnorm::reference::{self, AffineParams};
use wgpu_batchnorm::{
    Backward, BatchNorm, BatchNormDescriptor, Context, ContextOptions, Inference, Momentum, Row,
    State, Training, wgpu,
};

const HELP: &str = "\
cargo bench -- [--quick | --growth] [--csv FILE] [--adapter NAME] [--lowest-limits] [--no-cpu]
               [FILTER ...]

  --quick         a few shapes, under a minute on two cores
  --growth        batches of the same maps from 2^20 to 2^28 values; takes 12 GiB of memory
  --csv FILE      write the rows as CSV, too
  --adapter NAME  the first adapter whose name contains NAME
  --lowest-limits ask for no more than WebGPU guarantees: no words of 64 bits
  --no-cpu        leave out the CPU baseline
  FILTER          only rows whose name contains every FILTER, such as: first backward 64x256";

/// Rounds that are timed, after one that is not.
const ROUNDS: usize = 7;

struct Options {
    set: Set,
    csv: Option<std::path::PathBuf>,
    adapter: Option<String>,
    lowest_limits: bool,
    cpu: bool,
    filters: Vec<String>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(options) = parse()? else { return Ok(()) };
    let context = Context::with_options(&ContextOptions {
        adapter: options.adapter.clone(),
        lowest_limits: options.lowest_limits,
    })?
    .with_timeout(std::time::Duration::from_secs(600));
    let timer = Timer::new(&context);
    eprintln!("{}: searching the ceiling kernels", context.adapter_info().name);
    let ceiling = Ceiling::search(&context, &timer);
    println!(
        "{}, timed by {}; ceiling kernels: read-only {} by {}, copy {} by {} invocations",
        context.adapter_info().name,
        timer.name(),
        ceiling.read_only.unit.name,
        ceiling.read_only.workgroup,
        ceiling.copy.unit.name,
        ceiling.copy.workgroup
    );

    let wanted: Vec<(Case, Vec<Op>)> = options
        .set
        .cases()
        .into_iter()
        .map(|case| {
            let name = |op: &Op| format!("{} {}", case.name(), op.name());
            let keep = |op: &Op| options.filters.iter().all(|f| name(op).contains(f.as_str()));
            let ops = Op::ALL.into_iter().filter(keep).collect();
            (case, ops)
        })
        .filter(|(_, ops): &(Case, Vec<Op>)| !ops.is_empty())
        .collect();
    let total = wanted.iter().map(|(_, ops)| ops.len()).sum::<usize>() as u64;
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}")?;
    let bar = ProgressBar::new(total).with_style(style);
    let mut rows = Vec::new();
    for (case, ops) in &wanted {
        bar.set_message(case.name());
        rows.extend(measure(&context, &timer, &ceiling, case, ops, options.cpu)?);
        bar.inc(ops.len() as u64);
    }
    bar.finish_and_clear();
    print_table(&rows);
    if let Some(path) = &options.csv {
        write_csv(path, context.adapter_info(), &rows)?;
    }
    Ok(())
}

fn parse() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options {
        set: Set::All,
        csv: None,
        adapter: None,
        lowest_limits: false,
        cpu: true,
        filters: Vec::new(),
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("quick" | "growth") if options.set != Set::All => {
                return Err("--quick and --growth are one or the other".into());
            }
            Long("quick") => options.set = Set::Quick,
            Long("growth") => options.set = Set::Growth,
            Long("csv") => options.csv = Some(parser.value()?.into()),
            Long("adapter") => options.adapter = Some(parser.value()?.string()?),
            Long("lowest-limits") => options.lowest_limits = true,
            Long("no-cpu") => options.cpu = false,
            // Cargo passes this to every benchmark.
            Long("bench") => {}
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

/// Values between −1 and 1 around `mean`, the same every time.
fn values(n: u64, seed: u32, mean: f32) -> Vec<f32> {
    (0..n as u32)
        .map(|i| {
            let mut h = (i ^ seed.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b);
            h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
            mean + ((h ^ (h >> 16)) >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

fn measure(
    context: &Context,
    timer: &Timer,
    ceiling: &Ceiling,
    case: &Case,
    ops: &[Op],
    with_cpu: bool,
) -> Result<Vec<Timed>, Box<dyn std::error::Error>> {
    let device = context.device();
    let shape = case.shape;
    let elements = shape.elements();
    let tensor_bytes = elements * 4;
    let bn = BatchNorm::new(device, &BatchNormDescriptor::default())?;
    let state = State::new(device, shape.channels());
    let gamma = values(shape.channels() as u64, 3, 1.5);
    let beta = values(shape.channels() as u64, 4, 0.0);
    state.set(context.queue(), Row::Gamma, &gamma)?;
    state.set(context.queue(), Row::Beta, &beta)?;
    let (x_host, dy_host) = (values(elements, 1, 0.5), values(elements, 2, 0.0));
    let (x, dy) = (context.upload(&x_host)?, context.upload(&dy_host)?);
    let (y, dx) = (context.zeros(elements)?, context.zeros(elements)?);

    let momentum = Momentum::Exponential(0.1);
    let training = Training { x: (&x).into(), y: (&y).into(), momentum };
    let training = bn.bind_training(device, &state, shape, training)?;
    let inference = Inference { x: (&x).into(), y: (&y).into() };
    let inference = bn.bind_inference(device, &state, shape, inference)?;
    let backward = Backward { dy: (&dy).into(), dx: (&dx).into() };
    let backward = bn.bind_backward(device, &training, backward)?;

    // Right before fast.
    context.run(|encoder| {
        training.encode(encoder);
        backward.encode(encoder);
    });
    let statistics = reference::statistics(shape, &x_host);
    let affine = AffineParams { gamma: Some(&gamma), beta: Some(&beta) };
    let epsilon = bn.descriptor().epsilon;
    let want = reference::normalize(shape, &x_host, &statistics, epsilon, affine);
    verify("y", case, &context.download(&y)?, &want)?;
    drop(want);
    let want = reference::backward(shape, &x_host, &dy_host, &statistics, false, epsilon, affine);
    verify("dx", case, &context.download(&dx)?, &want.dx)?;
    drop(want);

    let read = ceiling.read_only.bind(context, &x, &dx, tensor_bytes);
    let copy = ceiling.copy.bind(context, &x, &dx, tensor_bytes);
    let empty = ceiling.empty.bind(context, &x, &dx, tensor_bytes.min(1 << 20));
    let mut host = with_cpu.then(|| CpuBaseline::new(shape, &x_host, &dy_host, &gamma, &beta));

    let mut rows = Vec::new();
    for &op in ops {
        let encode_in = |pass: &mut wgpu::ComputePass<'_>| match op {
            Op::Training => training.encode_in(pass),
            Op::Inference => inference.encode_in(pass),
            Op::Backward => backward.encode_in(pass),
        };
        // The CPU's rounds come one after the other, as those of PyTorch do in its script.
        let mut on_host: Vec<f64> = match &mut host {
            Some(host) => (0..=ROUNDS).map(|_| host.time(op)).skip(1).collect(),
            None => Vec::new(),
        };
        on_host.sort_by(f64::total_cmp);
        let mut times: [Vec<f64>; 4] = Default::default();
        for round in 0..=ROUNDS {
            // Twice each, and timed the second time: the first finds in the caches what another left.
            let twice = |record: &dyn Fn(&mut wgpu::ComputePass<'_>)| {
                timer.time(context, record);
                timer.time(context, record)
            };
            let measured = [
                twice(&encode_in),
                twice(&|pass| read.encode_in(pass)),
                twice(&|pass| copy.encode_in(pass)),
                twice(&|pass| empty.encode_in(pass)),
            ];
            if round > 0 {
                for (times, ms) in times.iter_mut().zip(measured) {
                    times.push(ms);
                }
            }
        }
        for times in &mut times {
            times.sort_by(f64::total_cmp);
        }
        let median = |i: usize| times[i][ROUNDS / 2];
        let plan = Plan::new(bn.adapter(), shape, &Request::new(op.pass(), &[]))?;
        let (reads, writes) = op.reads_and_writes(plan.path);
        rows.push(Timed {
            op,
            layout: case.layout,
            n: case.n,
            c: case.c,
            inner: case.inner,
            values: elements,
            bytes: (reads + writes) * tensor_bytes,
            dispatches: plan.steps.len(),
            path: plan.path,
            median_ms: median(0),
            spread: (times[0][ROUNDS * 3 / 4] - times[0][ROUNDS / 4]) / median(0),
            ceiling_ms: (reads - writes) as f64 * median(1) + writes as f64 * median(2),
            empty_ms: median(3),
            cpu_ms: on_host.get(ROUNDS / 2).copied(),
        });
    }
    Ok(rows)
}

/// y and dx of data like ours are a few units at most, so the bound is absolute.
fn verify(name: &str, case: &Case, have: &[f32], want: &[f64]) -> Result<(), String> {
    let errors = have.iter().zip(want).map(|(&h, &w)| (h as f64 - w).abs());
    match errors.enumerate().find(|(_, error)| error.is_nan() || *error >= 2e-5) {
        None => Ok(()),
        Some((i, error)) => {
            Err(format!("{}: {name}[{i}] is wrong by {error:.1e}; nothing was timed", case.name()))
        }
    }
}
