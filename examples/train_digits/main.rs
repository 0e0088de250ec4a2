//! What batch norm does: a small network learns handwritten digits, with it and without, at four
//! learning rates. A whole training step runs on the GPU.

mod data;
mod gpu;
mod network;
mod plot;

use data::Random;
use gpu::Gpu;
use indicatif::{ProgressBar, ProgressStyle};
use network::{Epoch, Run};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str = "\
cargo run --release --example train_digits -- [--quick] [--plot FILE] [--adapter NAME]

  --quick         one learning rate, 1, instead of four
  --plot FILE     where to write the curves, as SVG; train_digits.svg if not given
  --adapter NAME  the first adapter whose name contains NAME";

const RATES: [f32; 4] = [0.1, 0.5, 1.0, 3.0];
const QUICK_RATES: [f32; 1] = [1.0];
const EPOCHS: usize = 15;
/// The accuracy that batch norm reaches at all rates; if not, something is broken.
const GOAL: f32 = 0.95;
const SPLIT_SEED: u64 = 1;
const TRAINING_SEED: u64 = 2;

struct Options {
    rates: &'static [f32],
    plot: PathBuf,
    adapter: Option<String>,
}

/// A network's training.
pub struct Outcome {
    pub rate: f32,
    pub batch_norm: bool,
    pub epochs: Vec<Epoch>,
}

impl Outcome {
    /// After the last epoch.
    fn accuracy(&self) -> f32 {
        self.epochs.last().map_or(0.0, |epoch| epoch.accuracy)
    }

    /// The first epoch, from 1, that reached the goal.
    fn reached(&self) -> Option<usize> {
        self.epochs.iter().position(|epoch| epoch.accuracy >= GOAL).map(|index| index + 1)
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let Some(options) = parse()? else { return Ok(()) };
    let gpu = Gpu::new(options.adapter)?;
    let (train, test) = data::load(&mut Random(SPLIT_SEED))?;
    println!(
        "{}: {} digits to learn, {} others to test, {EPOCHS} epochs",
        gpu.context.adapter_info().name,
        train.len(),
        test.len()
    );
    let (train, test) = (gpu.upload(&train)?, gpu.upload(&test)?);

    let total = options.rates.len() * 2 * EPOCHS;
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} epochs, {msg}")?;
    let bar = ProgressBar::new(total as u64).with_style(style);
    let mut outcomes = Vec::new();
    for &rate in options.rates {
        for batch_norm in [true, false] {
            let with = if batch_norm { "with" } else { "without" };
            bar.set_message(format!("learning rate {rate} {with} batch norm"));
            let mut run = Run::new(&gpu, &train, &test, batch_norm, rate, TRAINING_SEED)?;
            let mut epochs = Vec::new();
            for _ in 0..EPOCHS {
                epochs.push(run.epoch()?);
                bar.inc(1);
            }
            outcomes.push(Outcome { rate, batch_norm, epochs });
        }
    }
    bar.finish_and_clear();
    print_table(&outcomes);
    plot::draw(&options.plot, &outcomes)?;
    println!("curves: {}", options.plot.display());

    let missed: Vec<_> = outcomes
        .iter()
        .filter(|outcome| outcome.batch_norm && outcome.accuracy() < GOAL)
        .map(|outcome| outcome.rate.to_string())
        .collect();
    match missed.is_empty() {
        true => Ok(()),
        false => {
            let (goal, rates) = (GOAL * 100.0, missed.join(", "));
            Err(format!("below {goal} % with batch norm at learning rate {rates}").into())
        }
    }
}

fn parse() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options { rates: &RATES, plot: "train_digits.svg".into(), adapter: None };
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("quick") => options.rates = &QUICK_RATES,
            Long("plot") => options.plot = parser.value()?.into(),
            Long("adapter") => options.adapter = Some(parser.value()?.string()?),
            Long("help") | Short('h') => {
                println!("{HELP}");
                return Ok(None);
            }
            _ => return Err(arg.unexpected()),
        }
    }
    Ok(Some(options))
}

/// A row for each rate; the outcomes of a rate follow each other.
fn print_table(outcomes: &[Outcome]) {
    let goal = format!("{} % at", GOAL * 100.0);
    println!("{:>8}  {:^22}  {:>20}", "learning", "with batch norm", "without batch norm");
    println!("{:>8}  {:>8}  {goal:>12}  {:>8}  {goal:>12}", "rate", "accuracy", "accuracy");
    for pair in outcomes.chunks(2) {
        print!("{:>8}", pair[0].rate);
        for outcome in pair {
            let reached = outcome.reached().map_or("-".into(), |epoch| format!("epoch {epoch}"));
            print!("  {:>6.1} %  {reached:>12}", outcome.accuracy() * 100.0);
        }
        println!();
    }
}
