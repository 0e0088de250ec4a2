//! Times training forward, inference and backward against the ceiling of the adapter's memory and
//! against the CPU. `cargo bench -- --help` lists the options.

mod support;

use indicatif::{ProgressBar, ProgressStyle};
use support::cases::{Case, Set};
use support::ceiling::Ceiling;
use support::layer::{Layer, Round};
use support::op::Op;
use support::table::{Timed, print_growth, print_table, write_csv};
use support::timer::Timer;
use wgpu_batchnorm::plan::Adapter;
use wgpu_batchnorm::{Context, ContextOptions, Element};

const HELP: &str = "\
cargo bench -- [--quick | --growth | --shape SHAPE ...] [--element TYPE] [--csv FILE]
               [--adapter NAME] [--lowest-limits] [--no-cpu] [FILTER ...]

  --quick         a few shapes, under a minute on two cores
  --growth        batches of the same maps from 2^20 to 2^28 values, all timed in turn; takes
                  16 GiB of memory
  --shape SHAPE   this one, instead of those of the benchmark, such as: first:31x255x25,
                  last:8x48x196 or dense:128x1000; may be repeated
  --element TYPE  f32 (if none is named), f16 or bf16, without the CPU baseline, which is f32
  --csv FILE      write the rows as CSV, too
  --adapter NAME  the first adapter whose name contains NAME
  --lowest-limits ask for no more than WebGPU guarantees: no words of 64 bits, no
                  tensors that are arrays of f16
  --no-cpu        leave out the CPU baseline
  FILTER          only rows whose name contains every FILTER, such as: first backward 64x256";

/// Rounds that are timed, after one that is not.
const ROUNDS: usize = 7;

struct Options {
    set: Set,
    element: Element,
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
        "{}, timed by {}; ceiling kernels: {} {} by {}, {} {} by {} invocations",
        context.adapter_info().name,
        timer.name(),
        ceiling.read_only.name,
        ceiling.read_only.unit.name,
        ceiling.read_only.workgroup,
        ceiling.copy.name,
        ceiling.copy.unit.name,
        ceiling.copy.workgroup
    );
    let mut adapter = Adapter::new(context.adapter_info(), &context.device().limits());
    if options.element == Element::F16 {
        adapter = context.probe()?;
        let by = if adapter.exact_f16 { "the device" } else { "bits: the device is not exact" };
        println!("f16 is converted by {by}");
    }
    let with_cpu = options.cpu && options.element == Element::F32;

    let grows = options.set == Set::Growth;
    let cases = options.set.cases();
    let is_wanted = |case: &Case, op: Op| {
        let name = format!("{} {}", case.name(), op.name());
        options.filters.iter().all(|filter| name.contains(filter.as_str()))
    };
    let rows_of = |case: &Case| Op::ALL.iter().filter(|&&op| is_wanted(case, op)).count() as u64;
    let wanted = |case: &&Case| rows_of(case) > 0;
    let total = cases.iter().flatten().map(rows_of).sum();
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}")?;
    let bar = ProgressBar::new(total).with_style(style);
    let mut rows = Vec::new();
    for group in &cases {
        let mut layers = Vec::new();
        for case in group.iter().filter(wanted) {
            bar.set_message(case.name());
            layers.push(Layer::new(&context, &ceiling, case, options.element, adapter, with_cpu)?);
        }
        for op in Op::ALL {
            let mut of_op: Vec<&mut Layer<'_>> =
                layers.iter_mut().filter(|layer| is_wanted(layer.case, op)).collect();
            rows.extend(measure(&context, &timer, &mut of_op, op)?);
            bar.inc(of_op.len() as u64);
        }
    }
    bar.finish_and_clear();
    print_table(&rows);
    if grows {
        print_growth(&rows);
    }
    if let Some(path) = &options.csv {
        write_csv(path, context.adapter_info(), &rows)?;
    }
    Ok(())
}

fn parse() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options {
        set: Set::All,
        element: Element::F32,
        csv: None,
        adapter: None,
        lowest_limits: false,
        cpu: true,
        filters: Vec::new(),
    };
    let mut named = Vec::new();
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("quick" | "growth") if options.set != Set::All => {
                return Err("--quick and --growth are one or the other".into());
            }
            Long("quick") => options.set = Set::Quick,
            Long("growth") => options.set = Set::Growth,
            Long("shape") => named.push(parser.value()?.parse::<Case>()?),
            Long("element") => {
                let name = parser.value()?.string()?;
                options.element = support::element::named(&name)
                    .ok_or_else(|| format!("--element is f32, f16 or bf16, not {name:?}"))?;
            }
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
    match (named.is_empty(), &options.set) {
        (true, _) => {}
        (false, Set::All) => options.set = Set::Named(named),
        (false, _) => return Err("--shape goes with neither --quick nor --growth".into()),
    }
    Ok(Some(options))
}

/// Times one pass of a few layers, all of them in each round.
fn measure(
    context: &Context,
    timer: &Timer,
    layers: &mut [&mut Layer<'_>],
    op: Op,
) -> Result<Vec<Timed>, Box<dyn std::error::Error>> {
    let on_host: Vec<Vec<f64>> =
        layers.iter_mut().map(|layer| layer.cpu_rounds(op, ROUNDS)).collect();
    let mut rounds: Vec<Vec<Round>> = vec![Vec::new(); layers.len()];
    for number in 0..=ROUNDS {
        for (rounds, layer) in rounds.iter_mut().zip(&*layers) {
            let round = layer.round(context, timer, op);
            if number > 0 {
                rounds.push(round);
            }
        }
    }
    let rows = layers.iter().zip(on_host).zip(rounds);
    rows.map(|((layer, on_host), rounds)| Ok(Timed::new(layer, op, on_host, rounds)?)).collect()
}
