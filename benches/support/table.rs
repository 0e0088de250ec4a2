//! What was measured, for people and for programs.

use super::element;
use super::layer::{Layer, Round};
use super::op::Op;
use std::io::Write;
use wgpu_batchnorm::plan::Path;
use wgpu_batchnorm::{Error, wgpu};

pub struct Timed {
    pub op: Op,
    pub dtype: &'static str,
    pub layout: &'static str,
    pub n: u32,
    pub c: u32,
    pub inner: u32,
    pub values: u64,
    pub bytes: u64,
    pub dispatches: usize,
    pub path: Path,
    pub median_ms: f64,
    pub spread: f64,
    pub ceiling_ms: f64,
    pub empty_ms: f64,
    pub cpu_ms: Option<f64>,
    /// Of each round, of the pass and of the copying kernel.
    rounds: Vec<[f64; 2]>,
}

impl Timed {
    pub fn new(
        layer: &Layer<'_>,
        op: Op,
        on_host: Vec<f64>,
        rounds: Vec<Round>,
    ) -> Result<Self, Error> {
        let case = layer.case;
        let values = case.shape.elements();
        let plan = layer.plan(op)?;
        let (reads, writes) = op.reads_and_writes(plan.path);
        let times_of = |part: fn(&Round) -> f64| sorted(rounds.iter().map(part).collect());
        let times = times_of(|round| round.op);
        let median_ms = median(&times);
        let read = median(&times_of(|round| round.read));
        let copy = median(&times_of(|round| round.copy));
        Ok(Self {
            op,
            dtype: element::name(layer.element),
            layout: case.layout,
            n: case.n,
            c: case.c,
            inner: case.inner,
            values,
            bytes: (reads + writes) * values * layer.element.size(),
            dispatches: plan.steps.len(),
            path: plan.path,
            median_ms,
            spread: (times[times.len() * 3 / 4] - times[times.len() / 4]) / median_ms,
            ceiling_ms: (reads - writes) as f64 * read + writes as f64 * copy,
            empty_ms: median(&times_of(|round| round.empty)),
            cpu_ms: (!on_host.is_empty()).then(|| median(&sorted(on_host))),
            rounds: rounds.iter().map(|round| [round.op, round.copy]).collect(),
        })
    }

    fn ns_a_value(&self) -> f64 {
        self.median_ms * 1e6 / self.values as f64
    }
}

fn sorted(mut times: Vec<f64>) -> Vec<f64> {
    times.sort_by(f64::total_cmp);
    times
}

fn median(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}

pub fn print_table(rows: &[Timed]) {
    println!(
        "{:<9} {:<5} {:>16} {:>9} {:>5} {:>9} {:>6} {:>8} {:>7} {:>9} {:>8} {:>6} {:>9}",
        "op",
        "",
        "n x c x inner",
        "MiB",
        "",
        "ms",
        "±",
        "ns/value",
        "GB/s",
        "ceiling",
        "fraction",
        "/floor",
        "cpu ms"
    );
    for r in rows {
        println!(
            "{:<9} {:<5} {:>16} {:>9.2} {:>5} {:>9.3} {:>5.0}% {:>8.2} {:>7.2} {:>9.3} {:>8.2} {:>6.2} {:>9}",
            r.op.name(),
            r.layout,
            format!("{}x{}x{}", r.n, r.c, r.inner),
            r.bytes as f64 / (1 << 20) as f64,
            match r.path {
                Path::OnChip => "chip",
                Path::Fused => "fused",
                Path::Split => "split",
            },
            r.median_ms,
            r.spread * 100.0,
            r.ns_a_value(),
            r.bytes as f64 / r.median_ms / 1e6,
            r.ceiling_ms,
            r.ceiling_ms / r.median_ms,
            r.median_ms / (r.ceiling_ms + r.empty_ms),
            r.cpu_ms.map_or("-".to_owned(), |ms| format!("{ms:.3}")),
        );
    }
    if let Some(r) = rows.first() {
        println!("/floor: over the ceiling and an empty dispatch, of about {:.3} ms", r.empty_ms);
    }
}

/// What a value costs as tensors grow, over what it costs in the smallest, in the same round: the middle of all
/// rounds.
pub fn print_growth(rows: &[Timed]) {
    println!("\ntime a value, over that of the smallest, in the middle of all rounds:");
    for layout in ["first", "last"] {
        for op in Op::ALL {
            let of_both = |r: &&Timed| r.layout == layout && r.op == op;
            let mut rows: Vec<&Timed> = rows.iter().filter(of_both).collect();
            rows.sort_by_key(|r| r.values);
            let Some(&least) = rows.first() else { continue };
            let growth = |row: &Timed, k: usize| {
                let scale = least.values as f64 / row.values as f64;
                let rounds = row.rounds.iter().zip(&least.rounds);
                median(&sorted(rounds.map(|(a, b)| a[k] / b[k] * scale).collect()))
            };
            for (k, what) in [op.name(), "a copy beside it"].into_iter().enumerate() {
                print!("{what:<16} {layout:<5}");
                for row in &rows {
                    print!("  2^{:<2} {:>5.2}", row.values.ilog2(), growth(row, k));
                }
                println!();
            }
        }
    }
}

pub fn write_csv(
    path: &std::path::Path,
    adapter: &wgpu::AdapterInfo,
    rows: &[Timed],
) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    writeln!(
        file,
        "adapter,op,layout,dtype,n,c,inner,bytes,dispatches,median_ms,spread,gb_per_s,\
         ceiling_ms,ceiling_fraction,cpu_ms"
    )?;
    for r in rows {
        writeln!(
            file,
            "{},{},{},{},{},{},{},{},{},{:.4},{:.4},{:.3},{:.4},{:.4},{}",
            adapter.name.replace(',', " "),
            r.op.name(),
            r.layout,
            r.dtype,
            r.n,
            r.c,
            r.inner,
            r.bytes,
            r.dispatches,
            r.median_ms,
            r.spread,
            r.bytes as f64 / r.median_ms / 1e6,
            r.ceiling_ms,
            r.ceiling_ms / r.median_ms,
            r.cpu_ms.map_or(String::new(), |ms| format!("{ms:.4}")),
        )?;
    }
    Ok(())
}
