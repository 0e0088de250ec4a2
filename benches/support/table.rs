//! What was measured, for people and for programs.

use super::op::Op;
use std::io::Write;
use wgpu_batchnorm::plan::Path;
use wgpu_batchnorm::wgpu;

pub struct Timed {
    pub op: Op,
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
}

pub fn print_table(rows: &[Timed]) {
    println!(
        "{:<9} {:<5} {:>16} {:>9} {:>5} {:>9} {:>6} {:>8} {:>7} {:>9} {:>8} {:>9}",
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
        "cpu ms"
    );
    for r in rows {
        println!(
            "{:<9} {:<5} {:>16} {:>9.2} {:>5} {:>9.3} {:>5.0}% {:>8.2} {:>7.2} {:>9.3} {:>8.2} {:>9}",
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
            r.median_ms * 1e6 / r.values as f64,
            r.bytes as f64 / r.median_ms / 1e6,
            r.ceiling_ms,
            r.ceiling_ms / r.median_ms,
            r.cpu_ms.map_or("-".to_owned(), |ms| format!("{ms:.3}")),
        );
    }
    if let Some(r) = rows.first() {
        println!("an empty dispatch takes {:.3} ms", r.empty_ms);
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
            "{},{},{},f32,{},{},{},{},{},{:.4},{:.4},{:.3},{:.4},{:.4},{}",
            adapter.name.replace(',', " "),
            r.op.name(),
            r.layout,
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
