//! What the recorded benchmarks say, for the READMEs of the crate and of `benches/record`; and several runs of a
//! benchmark made one.

use crate::shell::root;
use std::collections::HashMap;
use std::path::Path;

/// Where records are, from the root of the workspace.
const FOLDER: &str = "benches/record";
const PASSES: [&str; 3] = ["training", "inference", "backward"];
/// Tensors from which on the goals are of the ceiling: a megabyte of `f32`.
const LARGE: u64 = 1 << 18;
/// Tensors below which caches help: 32 MiB of `f32`.
const CACHED: u64 = 1 << 23;
const GOAL: f64 = 0.9;

#[derive(Debug, PartialEq)]
pub enum Task {
    /// Prints what the records say.
    Show,
    /// Writes the first file from the others, which are runs of the same benchmark.
    Merge(Vec<String>),
}

pub fn parse(args: &[String]) -> Result<Task, String> {
    match args {
        [] => Ok(Task::Show),
        [option, files @ ..] if option == "--merge" && files.len() >= 2 => {
            Ok(Task::Merge(files.to_vec()))
        }
        _ => Err("`record` takes nothing, or --merge OUT RUN...".into()),
    }
}

pub fn run(task: &Task) -> Result<(), String> {
    match task {
        Task::Show => print!("{}", Records::read()?.report()),
        Task::Merge(files) => {
            let runs = files[1..].iter().map(Table::read).collect::<Result<Vec<_>, _>>()?;
            let text = merged(&runs)?.text();
            std::fs::write(&files[0], text).map_err(|e| format!("{}: {e}", files[0]))?;
        }
    }
    Ok(())
}

/// Rows of a file, each of as many fields as the head has.
#[derive(Clone)]
struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn read(path: impl AsRef<Path>) -> Result<Self, String> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        Self::parse(&text).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// No field has a comma in it.
    fn parse(text: &str) -> Result<Self, String> {
        let fields = |line: &str| line.split(',').map(str::to_string).collect::<Vec<_>>();
        let mut lines = text.lines();
        let head = fields(lines.next().ok_or("no line at all")?);
        let rows: Vec<_> = lines.map(fields).collect();
        match rows.iter().position(|row| row.len() != head.len()) {
            Some(k) => Err(format!("line {} has not as many fields as the first", k + 2)),
            None => Ok(Self { head, rows }),
        }
    }

    fn text(&self) -> String {
        let lines = std::iter::once(&self.head).chain(&self.rows);
        lines.map(|fields| fields.join(",") + "\n").collect()
    }

    fn column(&self, name: &str) -> Result<usize, String> {
        let found = self.head.iter().position(|field| field == name);
        found.ok_or_else(|| format!("no column {name}"))
    }
}

/// Which pass over which tensor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Case {
    pass: String,
    layout: String,
    extents: [u64; 3],
}

impl Case {
    fn elements(&self) -> u64 {
        self.extents.iter().product()
    }

    fn of(&self, pass: &str) -> Self {
        Self { pass: pass.into(), ..self.clone() }
    }
}

/// What was measured, where it was.
#[derive(Clone, Copy, Default)]
struct Measured {
    ms: Option<f64>,
    fraction: Option<f64>,
    cpu_ms: Option<f64>,
}

/// In the order of the file.
struct Record {
    cases: Vec<Case>,
    of: HashMap<Case, Measured>,
}

impl Record {
    fn read(name: &str) -> Result<Self, String> {
        Self::new(&Table::read(root()?.join(FOLDER).join(name))?)
    }

    fn new(table: &Table) -> Result<Self, String> {
        let [op, layout, dtype] =
            [table.column("op")?, table.column("layout")?, table.column("dtype")?];
        let [n, c, inner] = [table.column("n")?, table.column("c")?, table.column("inner")?];
        let values = ["median_ms", "ceiling_fraction", "cpu_ms"].map(|name| table.column(name));
        let [ms, fraction, cpu_ms] = values;
        let (ms, fraction, cpu_ms) = (ms?, fraction?, cpu_ms?);
        let mut record = Self { cases: Vec::new(), of: HashMap::new() };
        for row in table.rows.iter().filter(|row| row[dtype] == "f32") {
            let extent = |k: usize| row[k].parse().map_err(|_| format!("no extent: {}", row[k]));
            let case = Case {
                pass: row[op].clone(),
                layout: row[layout].clone(),
                extents: [extent(n)?, extent(c)?, extent(inner)?],
            };
            let value = |k: usize| row[k].parse().ok();
            let measured =
                Measured { ms: value(ms), fraction: value(fraction), cpu_ms: value(cpu_ms) };
            record.cases.push(case.clone());
            record.of.insert(case, measured);
        }
        Ok(record)
    }

    fn get(&self, case: &Case) -> Option<&Measured> {
        self.of.get(case)
    }

    /// Fractions of the ceiling of a pass, where tensors are large.
    fn fractions(&self, pass: &str, of: impl Fn(&Case) -> bool) -> Vec<f64> {
        let cases = self.cases.iter();
        let cases = cases.filter(|case| case.pass == pass && case.elements() >= LARGE && of(case));
        cases.filter_map(|case| self.of[case].fraction).collect()
    }

    /// All of those in a line.
    fn of_the_ceiling(&self, pass: &str) -> String {
        let all = self.fractions(pass, |_| true);
        let reach = all.iter().filter(|&&fraction| fraction >= GOAL).count();
        let reach = format!("{reach} of {}", all.len());
        format!("{}{reach:>12}\n", middle_and_ends(pass, &all))
    }
}

struct Records {
    own: Record,
    /// On other versions of Mesa, by name.
    others: Vec<(&'static str, Record)>,
    pytorch: Record,
    burn: Record,
}

impl Records {
    fn read() -> Result<Self, String> {
        Ok(Self {
            own: Record::read("lavapipe.csv")?,
            others: vec![
                ("Mesa 25.2", Record::read("lavapipe-mesa-25.2.csv")?),
                ("Mesa 26.2", Record::read("lavapipe-mesa-26.2.csv")?),
            ],
            pytorch: Record::read("pytorch-cpu.csv")?,
            burn: Record::read("burn-lavapipe.csv")?,
        })
    }

    fn report(&self) -> String {
        format!(
            "{}\n{}\n{}\n{}\n{}",
            self.table(),
            self.ceiling(),
            self.other_ceilings(),
            self.over_burn(),
            self.over_pytorch()
        )
    }

    /// The table of the README: batch 64 and dense.
    fn table(&self) -> String {
        let mut text = String::new();
        let training = self.own.cases.iter().filter(|case| case.pass == "training");
        for case in training.filter(|case| case.extents[0] != 32 || case.layout == "dense") {
            let own = PASSES.map(|pass| self.own.get(&case.of(pass)).copied().unwrap_or_default());
            let other = |pass| self.pytorch.get(&case.of(pass)).and_then(|m| m.ms);
            let [n, c, inner] = case.extents;
            text += &format!("| {} | {n} × {c} × {inner} |", case.layout);
            for Measured { ms, fraction, .. } in own {
                text += &format!(" {} ({}) |", shown(ms), shown(fraction));
            }
            for ms in [own[0].cpu_ms, own[2].cpu_ms, other("training"), other("backward")] {
                text += &format!(" {} |", shown(ms));
            }
            text.push('\n');
        }
        text
    }

    fn ceiling(&self) -> String {
        type Group = (&'static str, fn(&Case) -> bool);
        const GROUPS: [Group; 5] = [
            ("last or dense, 2,048 columns or more", |c| {
                c.layout != "first" && c.extents[1] >= 2048
            }),
            ("last or dense, fewer", |c| c.layout != "first" && c.extents[1] < 2048),
            ("first, maps of 7², 2,048 channels", |c| c.layout == "first" && c.extents[1] == 2048),
            ("first, maps of 7², 512", |c| c.layout == "first" && c.extents[1..] == [512, 49]),
            ("first, larger maps", |c| c.layout == "first" && c.extents[2] != 49),
        ];
        let mut text = ceiling_head("of the ceiling");
        for pass in PASSES {
            text += &self.own.of_the_ceiling(pass);
            for (name, of) in GROUPS {
                text += &middle_and_ends(&format!("  {name}"), &self.own.fractions(pass, of));
                text.push('\n');
            }
        }
        text
    }

    fn other_ceilings(&self) -> String {
        let mut text = String::new();
        for (name, record) in &self.others {
            text += &ceiling_head(&format!("of the ceiling, {name}"));
            PASSES.iter().for_each(|pass| text += &record.of_the_ceiling(pass));
        }
        text
    }

    fn over_burn(&self) -> String {
        let mut text = format!(
            "{:40}{:>8}{:>8}{:>8}\n",
            "Burn's time over ours", "median", "lowest", "highest"
        );
        for (name, passes) in [
            ("training", &["training"][..]),
            ("inference", &["inference"]),
            ("forward_backward", &["training", "backward"]),
        ] {
            let cases = self.burn.cases.iter();
            let cases = cases.filter(|case| case.pass == name && case.elements() >= LARGE);
            let ratios: Vec<f64> = cases
                .filter_map(|case| {
                    let own = passes.iter().map(|pass| self.own.get(&case.of(pass))?.ms);
                    Some(self.burn.of[case].ms? / own.sum::<Option<f64>>()?)
                })
                .collect();
            let (median, least, most) = (median(&ratios), least(&ratios), most(&ratios));
            text += &format!("{name:40}{median:8.1}{least:8.1}{most:8.1}\n");
        }
        text
    }

    /// Over the module `cpu`.
    fn over_pytorch(&self) -> String {
        let ratios = |pass: &str, of: &dyn Fn(&Case) -> bool| -> Vec<f64> {
            let cases = self.own.cases.iter().filter(|case| case.pass == pass && of(case));
            let both = |case: &Case| Some(self.pytorch.get(case)?.ms? / self.own.of[case].cpu_ms?);
            cases.filter_map(both).collect()
        };
        let mut text = format!(
            "{:40}{:>8}{:>8}{:>12}\n",
            "PyTorch's time over cpu's", "median", "lowest", "below 1"
        );
        for pass in PASSES {
            let all = ratios(pass, &|case| case.layout != "dense");
            text += &format!("{pass:40}{:8.2}{:8.2}\n", median(&all), least(&all));
            for (name, layout) in [
                ("last, below 32 MiB", "last"),
                ("first, below 32 MiB", "first"),
                ("dense, of 1 MiB and more", "dense"),
            ] {
                let some = ratios(pass, &|case| {
                    let size = if layout == "dense" { LARGE..u64::MAX } else { 0..CACHED };
                    case.layout == layout && size.contains(&case.elements())
                });
                let below = some.iter().filter(|&&ratio| ratio < 1.0).count();
                let below = format!("{below} of {}", some.len());
                text +=
                    &format!("  {name:38}{:8.2}{:8.2}{below:>12}\n", median(&some), least(&some));
            }
        }
        text
    }
}

fn ceiling_head(name: &str) -> String {
    format!("{name:40}{:>8}{:>8}{:>8}{:>12}\n", "median", "lowest", "highest", "reach 0.90")
}

fn middle_and_ends(name: &str, all: &[f64]) -> String {
    format!("{name:40}{:8.2}{:8.2}{:8.2}", median(all), least(all), most(all))
}

/// The least of each time of several runs; fractions of the ceiling are the median of the runs' own, since least
/// times may be of moments of different speed. What a run has left empty does not count.
fn merged(runs: &[Table]) -> Result<Table, String> {
    let mut all = runs[0].clone();
    let column = |name| runs[0].column(name);
    let key = ["adapter", "op", "layout", "dtype", "n", "c", "inner"].map(column);
    let key = key.into_iter().collect::<Result<Vec<_>, _>>()?;
    let [ms, spread, fraction] = ["median_ms", "spread", "ceiling_fraction"].map(column);
    let (ms, spread, fraction) = (ms?, spread?, fraction?);
    let (bytes, speed) = (column("bytes")?, column("gb_per_s")?);
    let times = [ms, column("ceiling_ms")?, column("cpu_ms")?];
    if runs.iter().any(|run| run.head != all.head || run.rows.len() != all.rows.len()) {
        return Err("runs of other columns or rows".into());
    }
    for row in &mut all.rows {
        let same = |other: &&Vec<String>| key.iter().all(|&k| other[k] == row[k]);
        let rows: Vec<Vec<String>> =
            runs.iter().filter_map(|run| run.rows.iter().find(same).cloned()).collect();
        if rows.len() != runs.len() {
            return Err(format!("not in every run: {}", row[..7].join(",")));
        }
        let values =
            |k: usize| -> Vec<f64> { rows.iter().filter_map(|r| r[k].parse().ok()).collect() };
        let best = rows.iter().min_by(|a, b| number(&a[ms]).total_cmp(&number(&b[ms])));
        row[spread] = best.map_or(String::new(), |best| best[spread].clone());
        for k in times {
            let texts = rows.iter().filter(|r| r[k].parse::<f64>().is_ok());
            let least = texts.min_by(|a, b| number(&a[k]).total_cmp(&number(&b[k])));
            row[k] = least.map_or(String::new(), |least| least[k].clone());
        }
        let fractions = values(fraction);
        row[fraction] =
            if fractions.is_empty() { String::new() } else { format!("{:.4}", median(&fractions)) };
        row[speed] = format!("{:.3}", number(&row[bytes]) / number(&row[ms]) / 1e6);
    }
    Ok(all)
}

fn shown(value: Option<f64>) -> String {
    value.map_or("–".into(), |value| format!("{value:.2}"))
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or(f64::INFINITY)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]),
    }
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "adapter,op,layout,dtype,n,c,inner,bytes,dispatches,median_ms,spread,gb_per_s,ceiling_ms,ceiling_fraction,cpu_ms\n";

    #[test]
    fn runs_become_one() {
        let run = |rest: &str| Table::parse(&(HEAD.to_string() + rest)).unwrap();
        let a = run("a,training,first,f32,2,3,4,96,1,2.0,0.1,0,1.0,0.50,5.0\n");
        let b = run("a,training,first,f32,2,3,4,96,1,1.0,0.2,0,1.5,0.90,\n");
        let c = run("a,training,first,f32,2,3,4,96,1,4.0,0.3,0,2.0,,4.5\n");
        let row = &merged(&[a, b, c]).unwrap().rows[0];
        assert_eq!(row[9..], ["1.0", "0.2", "0.000", "1.0", "0.7000", "4.5"]);
    }

    #[test]
    fn lines_of_other_lengths_are_refused() {
        assert!(Table::parse(&(HEAD.to_string() + "a,b\n")).is_err_and(|e| e.contains("line 2")));
    }

    #[test]
    fn arguments_are_files_to_merge() {
        let parsed = |args: &[&str]| parse(&args.iter().map(|a| a.to_string()).collect::<Vec<_>>());
        assert_eq!(parsed(&[]), Ok(Task::Show));
        assert!(parsed(&["--merge", "out", "a", "b"]).is_ok());
        assert!(parsed(&["--merge", "out"]).is_err() && parsed(&["out"]).is_err());
    }
}
