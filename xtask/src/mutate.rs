//! Mutation testing of the kernels: one change of one line of WGSL at a time, which some test must
//! notice. The tests are built once; in that build they read shaders from a folder.

mod operators;
mod report;
mod suite;

use crate::shell::{root, seconds};
use operators::{Kind, Mutant};
use report::{Reasons, Report};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use suite::{Fate, Suite};
pub use suite::{WRAPPER, wrap_rustc};

/// Files that no test of the layers reaches.
const LEFT_OUT: [&str; 2] = ["fold", "optimizer"];

/// The mutants that change nothing for the worse, and those that no test notices, with the reasons.
const KNOWN: &str = "xtask/mutants.txt";
const SURVIVORS: &str = "xtask/survivors.txt";

/// What of all mutants must be killed.
const BAR: f64 = 0.95;

#[derive(Debug, PartialEq)]
pub struct Options {
    /// Parts of `FILE:LINE`; all mutants without any.
    filters: Vec<String>,
    /// Every so many-th mutant, but all of those of which none may survive.
    every: usize,
    /// The first of those.
    from: usize,
    jobs: usize,
    list: bool,
    /// Whether a survivor of the quick cases runs through the others.
    quick: bool,
}

pub fn parse(args: Vec<OsString>) -> Result<Options, String> {
    let jobs = std::thread::available_parallelism().map_or(1, |n| n.get());
    let mut options =
        Options { filters: Vec::new(), every: 1, from: 0, jobs, list: false, quick: false };
    let mut args = args.into_iter().map(|arg| arg.to_string_lossy().into_owned());
    while let Some(arg) = args.next() {
        let mut number = || {
            let number: Option<usize> = args.next().and_then(|value| value.parse().ok());
            number.ok_or(format!("`{arg}` wants a number"))
        };
        match arg.as_str() {
            "--every" => options.every = number()?.max(1),
            "--from" => options.from = number()?,
            "--jobs" => options.jobs = number()?.max(1),
            "--list" => options.list = true,
            "--quick" => options.quick = true,
            flag if flag.starts_with('-') => return Err(format!("no such option: {flag}")),
            filter => options.filters.push(filter.into()),
        }
    }
    Ok(options)
}

pub fn run(options: &Options) -> Result<(), String> {
    let root = root()?;
    let known = Reasons::read(&root.join(KNOWN))?;
    let survivors = Reasons::read(&root.join(SURVIVORS))?;
    let mutants = chosen(&root.join("shaders"), options)?;
    if options.list {
        for mutant in &mutants {
            println!("{}", report::lines(mutant));
        }
        println!("{} mutants", mutants.len());
        return Ok(());
    }
    eprintln!("==> building the tests");
    let suite = Suite::build(&root)?;
    eprintln!("==> {} mutants, {} at a time", mutants.len(), options.jobs);
    let start = Instant::now();
    suite.check(&folder_of(&root, 0)?, options.quick)?;
    eprintln!("==> they pass without a mutant ({})", seconds(start.elapsed()));
    let report = Mutex::new(Report::default());
    in_parallel(options.jobs, &mutants, |worker, mutant| {
        let folder = folder_of(&root, worker)?;
        let listed = survivors.of(mutant);
        let fate = match known.of(mutant) {
            Some(reason) => Fate::Known(reason.into()),
            None => match suite.kills(mutant, &folder, options.quick)? {
                None => Fate::Discarded,
                Some(true) => Fate::Killed { listed: listed.is_some() },
                Some(false) => Fate::Survived(listed.map(str::to_owned)),
            },
        };
        let mut report = report.lock().expect("no worker panics");
        if fate == Fate::Survived(None) {
            eprintln!("survived: {}", report::lines(mutant));
        }
        report.add(mutant, fate);
        let (done, time) = (report.len(), start.elapsed());
        if done % 25 == 0 || done == mutants.len() {
            eprintln!("[{done}/{}] {}", mutants.len(), seconds(time));
        }
        Ok(())
    })?;
    let report = report.into_inner().expect("no worker panics");
    println!("{report}");
    report.verdict(BAR)
}

/// Does something with each of `items`, as many at a time as there are workers.
fn in_parallel<T: Sync>(
    workers: usize,
    items: &[T],
    each: impl Fn(usize, &T) -> Result<(), String> + Sync,
) -> Result<(), String> {
    let next = AtomicUsize::new(0);
    let work = |worker: usize| {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            each(worker, item)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> = (0..workers).map(|n| scope.spawn(move || work(n))).collect();
        let ended = workers.into_iter().map(|worker| worker.join().expect("no worker panics"));
        ended.collect()
    })
}

/// The shaders of a worker, as they are.
fn folder_of(root: &Path, worker: usize) -> Result<PathBuf, String> {
    let folder = root.join("target/mutate").join(worker.to_string());
    copy(&root.join("shaders"), &folder)?;
    Ok(folder)
}

/// All mutants that the options ask for, in the order of files and lines.
fn chosen(shaders: &Path, options: &Options) -> Result<Vec<Mutant>, String> {
    let mut files = Vec::new();
    collect(shaders, "", &mut files)?;
    files.retain(|file| !LEFT_OUT.contains(&file.as_str()));
    files.sort();
    let mut mutants = Vec::new();
    for file in files {
        let path = shaders.join(format!("{file}.wgsl"));
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        mutants.extend(operators::mutants(&file, &text));
    }
    let is_must = |kind| Kind::MUST.iter().any(|&(must, _)| must == kind);
    let mut count = 0;
    mutants.retain(|mutant| {
        count += 1;
        is_must(mutant.kind) || (count - 1) % options.every == options.from % options.every
    });
    let filters = &options.filters;
    mutants.retain(|mutant| {
        // Colons on both sides, so that one line can be meant.
        let place = format!(":{}:{}:", mutant.file, mutant.line);
        filters.is_empty() || filters.iter().any(|filter| place.contains(filter))
    });
    Ok(mutants)
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<String>) -> Result<(), String> {
    let error = |e: std::io::Error| format!("{}: {e}", folder.display());
    for entry in fs::read_dir(folder).map_err(error)? {
        let entry = entry.map_err(error)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{prefix}{name}/"), files)?;
        } else if let Some(name) = name.strip_suffix(".wgsl") {
            files.push(format!("{prefix}{name}"));
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let mut files = Vec::new();
    collect(from, "", &mut files)?;
    for file in files {
        let name = format!("{file}.wgsl");
        let target = to.join(&name);
        let folder = target.parent().expect("a folder");
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        fs::copy(from.join(&name), &target).map_err(|e| format!("{}: {e}", target.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Options, String> {
        parse(args.iter().map(OsString::from).collect())
    }

    #[test]
    fn options_are_read() {
        let options = parsed(&["--every", "3", "--jobs", "1", "walk/"]).unwrap();
        assert_eq!((options.every, options.jobs), (3, 1));
        assert_eq!(options.filters, ["walk/"]);
        assert!(parsed(&["--every"]).unwrap_err().contains("number"));
        assert!(parsed(&["--fast"]).unwrap_err().contains("--fast"));
    }

    #[test]
    fn listed_mutants_are_mutants() {
        let root = root().unwrap();
        let all = chosen(&root.join("shaders"), &parsed(&[]).unwrap()).unwrap();
        for list in [KNOWN, SURVIVORS] {
            let idle = Reasons::read(&root.join(list)).unwrap().idle(&all);
            assert!(idle.is_empty(), "{list}, no such mutants:\n{}", idle.join("\n"));
        }
    }
}
