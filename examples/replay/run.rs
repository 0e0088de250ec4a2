//! From case files to result files.

use crate::case::Case;
use crate::compare::{Comparison, compare};
use crate::gpu::{Gpu, Tensor};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A run over many cases.
pub struct Replay<'a> {
    /// Where results go.
    pub out: &'a Path,
    /// Part of an adapter's name; `None` takes the best.
    pub adapter: Option<&'a str>,
    /// Takes the errors against expected values.
    pub stdout: &'a mut dyn Write,
    /// Takes a line for each case that failed.
    pub stderr: &'a mut dyn Write,
    /// Advances by one a case.
    pub bar: ProgressBar,
}

/// A bar for many cases on a terminal; nothing for one, or elsewhere.
pub fn progress(cases: usize) -> ProgressBar {
    if cases < 2 {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}");
    ProgressBar::new(cases as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

impl Replay<'_> {
    /// Tries all cases; true if each ran and matched what it expects.
    ///
    /// # Errors
    /// If there is no folder for the results.
    pub fn run(&mut self, paths: &[PathBuf]) -> Result<bool, String> {
        let out = self.out.display();
        fs::create_dir_all(self.out).map_err(|e| format!("cannot make the folder {out}: {e}"))?;
        // Without an adapter every case fails, but malformed ones for a reason of their own.
        let gpu = Gpu::new(self.adapter);
        let width = paths.iter().map(|p| stem(p).chars().count()).max().unwrap_or(0);
        let mut targets = Targets::new(self.out, paths);
        let mut all_good = true;
        for path in paths {
            self.bar.set_message(stem(path));
            let outcome =
                targets.of(path).and_then(|target| self.replay(&gpu, path, &target, width));
            if let Err(message) = outcome {
                all_good = false;
                let line = one_line(&format!("error: {}: {message}", stem(path)));
                // There is nobody to tell that stderr is gone.
                let _ = self.bar.suspend(|| writeln!(self.stderr, "{line}"));
            }
            self.bar.inc(1);
        }
        self.bar.finish_and_clear();
        Ok(all_good)
    }

    /// Runs one case and writes its result; then compares it with what is expected.
    fn replay(
        &mut self,
        gpu: &Result<Gpu, String>,
        path: &Path,
        target: &Path,
        width: usize,
    ) -> Result<(), String> {
        let bytes = fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        let case = Case::read(&bytes)?;
        for key in &case.settings.unknown {
            let line = one_line(&format!("{}  unknown metadata `{key}` is ignored", stem(path)));
            let _ = self.bar.suspend(|| writeln!(self.stdout, "{line}"));
        }
        let results = gpu.as_ref().map_err(String::clone)?.run(&case)?;
        write(target, &results)?;
        let mut missed = Vec::new();
        for (name, comparison) in comparisons(&case, &results) {
            let Comparison { largest_absolute, largest_relative, .. } = comparison;
            let line = format!(
                "{:width$}  {name:<19}  absolute {largest_absolute:>8.2e}  relative \
                 {largest_relative:>8.2e}",
                one_line(&stem(path))
            );
            // Whoever closed stdout still wants the files and the exit status.
            let _ = self.bar.suspend(|| writeln!(self.stdout, "{line}"));
            missed.extend(comparison.describe_misses().map(|misses| format!("{name} {misses}")));
        }
        if missed.is_empty() { Ok(()) } else { Err(missed.join("; ")) }
    }
}

/// Each expected tensor against the result of its name.
fn comparisons(case: &Case, results: &[Tensor]) -> Vec<(&'static str, Comparison)> {
    let of = |(output, want): &(_, Vec<f64>)| {
        let result = results.iter().find(|tensor| tensor.output == *output)?;
        let comparison = compare(&result.values.to_f64(), want, case.settings.tolerance);
        Some((output.name(), comparison))
    };
    case.expected.iter().filter_map(of).collect()
}

/// The file name without `.safetensors`, to show.
fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Names the result files, so that none replaces a case or another result.
struct Targets<'a> {
    out: &'a Path,
    cases: HashSet<PathBuf>,
    stems: HashSet<OsString>,
}

impl<'a> Targets<'a> {
    fn new(out: &'a Path, cases: &[PathBuf]) -> Self {
        // What cannot be found cannot be replaced.
        let cases = cases.iter().filter_map(|case| fs::canonicalize(case).ok()).collect();
        Self { out, cases, stems: HashSet::new() }
    }

    /// Where the result of a case goes.
    fn of(&mut self, case: &Path) -> Result<PathBuf, String> {
        let stem = case.file_stem().ok_or("is no path of a file")?;
        if !self.stems.insert(stem.to_owned()) {
            return Err(format!(
                "an earlier case has the same name, so {} is not run; rename one",
                case.display()
            ));
        }
        let target = self.out.join([stem, OsStr::new(".safetensors")].join(OsStr::new("")));
        if fs::canonicalize(&target).is_ok_and(|existing| self.cases.contains(&existing)) {
            return Err(format!(
                "the result would replace the case {}; choose another --out",
                target.display()
            ));
        }
        Ok(target)
    }
}

/// Writes the results, or no file.
fn write(path: &Path, results: &[Tensor]) -> Result<(), String> {
    let named = results.iter().map(|tensor| (tensor.output.name(), tensor));
    let bytes = safetensors::serialize(named, None).map_err(|e| e.to_string())?;
    fs::write(path, bytes).map_err(|error| {
        // Half a file would look like a result. If it cannot be removed either, the error of
        // writing it says enough.
        let _ = fs::remove_file(path);
        format!("cannot write {}: {error}", path.display())
    })
}

/// The text as one line without control characters, which names in a file may hold.
fn one_line(text: &str) -> String {
    let text = text.replace(char::is_control, " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
