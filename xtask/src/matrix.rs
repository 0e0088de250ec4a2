//! The tests under one setting of the driver after another: widths of vectors, which are subgroups,
//! threads, the lowest limits, and another driver where it is installed.

use crate::shell::{Line, Shell, seconds};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

const SWIFTSHADER: &str = "WGPU_BATCHNORM_SWIFTSHADER";
const ADAPTER: &str = "WGPU_BATCHNORM_ADAPTER";
const VECTOR_WIDTH: &str = "LP_NATIVE_VECTOR_WIDTH";

/// What a row may take, and a test may lift again. A kernel with many branches keeps SwiftShader's
/// compiler busy for minutes, until there is no memory left.
const LIMITS: &str = "prlimit --as=17179869184: timeout --signal=KILL 900";

/// One row of the table.
struct Setting {
    name: &'static str,
    vars: Vec<(&'static str, OsString)>,
}

pub fn run(shell: &Shell, args: &[OsString]) -> Result<(), String> {
    let build = "cargo test --package wgpu-batchnorm --all-features --test gpu --no-run";
    shell.run("the build of the tests", &Line::new(build))?;
    let mut settings = lavapipe();
    let swiftshader = swiftshader();
    if let Ok(manifest) = &swiftshader {
        let vars = vec![
            ("VK_DRIVER_FILES", manifest.clone().into_os_string()),
            // As loaders before 1.3.207 call it.
            ("VK_ICD_FILENAMES", manifest.clone().into_os_string()),
            (ADAPTER, "SwiftShader".into()),
        ];
        settings.push(Setting { name: "SwiftShader", vars });
    }
    let width = settings.iter().map(|setting| setting.name.len()).max().unwrap_or(0);
    println!("{:width$}  {:>6}  {:>6}  {:>11}", "", "passed", "failed", "time");
    let mut failures = Vec::new();
    for Setting { name, vars } in settings {
        // The name first: it tells what is being waited for.
        print!("{name:width$}");
        let _ = io::stdout().flush();
        let start = Instant::now();
        let tests = "cargo test --package wgpu-batchnorm --all-features --test gpu --";
        let line = Line::new(&format!("{LIMITS} {tests}"))
            .args(args.iter().cloned())
            .var("RUST_BACKTRACE", "0");
        let cache = kernel_cache(&vars);
        // Mesa makes no folder within one that is not there, and goes on without a cache.
        fs::create_dir_all(&cache).map_err(|error| format!("{}: {error}", cache.display()))?;
        let line = line.var("MESA_SHADER_CACHE_DIR", cache);
        let line = vars.into_iter().fold(line, |line, (name, value)| line.var(name, value));
        let printed = shell.read(&line)?;
        let (Count { passed, failed, ended }, time) =
            (Count::of(&printed.text), seconds(start.elapsed()));
        println!("  {passed:>6}  {failed:>6}  {time:>11}{}", if ended { "" } else { "  stopped" });
        for failure in failures_of(&printed.text, ended) {
            println!("    {failure}");
        }
        if !printed.succeeded {
            failures.push(line.to_string());
        }
    }
    if let Err(missing) = swiftshader {
        println!("{:width$}  not run: {missing}", "SwiftShader");
    }
    match failures.is_empty() {
        true => Ok(()),
        false => Err(format!("to repeat what failed, type:\n    {}", failures.join("\n    "))),
    }
}

/// Mesa keeps compiled kernels by their text alone, and takes those of another width of vectors for
/// its own: each width has a cache of its own.
fn kernel_cache(vars: &[(&'static str, OsString)]) -> PathBuf {
    let width = vars.iter().find(|(name, _)| *name == VECTOR_WIDTH);
    let width = width.map_or("native".as_ref(), |(_, bits)| bits.as_os_str());
    env::temp_dir().join("wgpu_batchnorm_matrix").join(width)
}

/// What Mesa's software driver can be told to be.
fn lavapipe() -> Vec<Setting> {
    let settings: [(_, &[(&'static str, &str)]); 8] = [
        ("lavapipe as it is", &[]),
        ("128 bits: subgroups of 4", &[(VECTOR_WIDTH, "128")]),
        ("256 bits: subgroups of 8", &[(VECTOR_WIDTH, "256")]),
        ("512 bits: subgroups of 16", &[(VECTOR_WIDTH, "512")]),
        ("1 thread", &[("LP_NUM_THREADS", "1")]),
        ("2 threads", &[("LP_NUM_THREADS", "2")]),
        ("4 threads", &[("LP_NUM_THREADS", "4")]),
        ("the lowest limits of WebGPU", &[("WGPU_BATCHNORM_LOWEST_LIMITS", "1")]),
    ];
    let adapter = (ADAPTER, "llvmpipe");
    let vars = |vars: &[(&'static str, &str)]| {
        vars.iter().chain([&adapter]).map(|&(name, value)| (name, value.into())).collect()
    };
    settings.map(|(name, set)| Setting { name, vars: vars(set) }).into()
}

/// A manifest for SwiftShader, written beside this program, or why there is none.
fn swiftshader() -> Result<PathBuf, String> {
    let named = env::var_os(SWIFTSHADER).map(PathBuf::from);
    let usual = ["/usr/lib/chromium", "/usr/lib64/chromium-browser", "/opt/google/chrome"];
    let usual = usual.map(|folder| Path::new(folder).join("libvk_swiftshader.so"));
    let library = named.into_iter().chain(usual).find(|path| path.is_file()).ok_or_else(|| {
        format!(
            "it comes with Chromium (Debian: apt-get install chromium); elsewhere name \
             libvk_swiftshader.so in {SWIFTSHADER}"
        )
    })?;
    let library = fs::canonicalize(&library).map_err(|error| error.to_string())?;
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let manifest = program.with_file_name("swiftshader_icd.json");
    fs::write(&manifest, manifest_of(&library)).map_err(|error| error.to_string())?;
    Ok(manifest)
}

fn manifest_of(library: &Path) -> String {
    let library = library.display().to_string().replace('\\', r"\\").replace('"', r#"\""#);
    format!(
        r#"{{"file_format_version": "1.0.0", "ICD": {{"library_path": "{library}", "api_version": "1.3.0"}}}}"#
    )
}

/// How many tests passed and failed, and whether the program came to its end.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Count {
    passed: usize,
    failed: usize,
    ended: bool,
}

impl Count {
    fn of(text: &str) -> Self {
        let tests = |end: &str| {
            text.lines().filter(|line| line.starts_with("test ") && line.ends_with(end)).count()
        };
        let ended = text.lines().any(|line| line.starts_with("test result: "));
        Self { passed: tests(" ... ok"), failed: tests(" ... FAILED"), ended }
    }
}

/// What failed, with its reason if the program came to its end, which is when it prints them.
fn failures_of(text: &str, ended: bool) -> Vec<String> {
    if ended {
        return reasons(text);
    }
    let names = text.lines().filter_map(|line| line.strip_suffix(" ... FAILED"));
    names.map(|name| name.trim_start_matches("test ").to_owned()).collect()
}

/// The first line of each panic of a failed test, after its name.
fn reasons(text: &str) -> Vec<String> {
    let mut lines = text.lines();
    let mut reasons = Vec::new();
    while let Some(line) = lines.next() {
        let name = line.strip_prefix("thread '").and_then(|rest| rest.split_once("' "));
        if let Some((name, _)) = name.filter(|(_, rest)| rest.contains("panicked at ")) {
            reasons.push(format!("{name}: {}", shortened(lines.next().unwrap_or_default())));
        }
    }
    reasons
}

/// A line of at most 160 letters, without its middle: what failed comes first, by how much last.
fn shortened(line: &str) -> String {
    let letters: Vec<char> = line.chars().collect();
    match letters.len() {
        ..=160 => line.to_owned(),
        length => letters[..60].iter().chain(&['…']).chain(&letters[length - 99..]).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: &str = "\
test layers::share ... ok
test variants::tiles ... FAILED
test variants::walks ... ok
thread 'variants::tiles' (12) panicked at tests/gpu/variants.rs:40:9:
y[3] of 12: 1e0 instead of 2e0
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace

test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 31.02s
";

    #[test]
    fn what_failed_is_counted_and_named() {
        assert_eq!(Count::of(FAILED), Count { passed: 2, failed: 1, ended: true });
        assert_eq!(reasons(FAILED), ["variants::tiles: y[3] of 12: 1e0 instead of 2e0"]);
        let (stopped, _) = FAILED.split_once("test variants::walks").unwrap();
        assert_eq!(Count::of(stopped), Count { passed: 1, failed: 1, ended: false });
        assert_eq!(failures_of(stopped, false), ["variants::tiles"]);
    }

    #[test]
    fn a_long_reason_keeps_its_ends() {
        let long = format!("y of {}, 1.3 times the tolerance", "…, ".repeat(200));
        let short = shortened(&long);
        assert!(short.starts_with("y of …") && short.ends_with(", 1.3 times the tolerance"));
        assert_eq!(short.chars().count(), 160);
        assert_eq!(shortened("short"), "short");
    }

    #[test]
    fn each_width_of_vectors_has_a_cache() {
        let widths = lavapipe().iter().map(|row| kernel_cache(&row.vars)).collect::<Vec<_>>();
        let distinct = widths.iter().collect::<std::collections::HashSet<_>>();
        assert_eq!((widths.len(), distinct.len()), (8, 4), "{widths:?}");
    }

    #[test]
    fn a_path_is_quoted_as_json_wants_it() {
        let manifest = manifest_of(Path::new(r#"/a "b"\c.so"#));
        assert!(manifest.contains(r#""library_path": "/a \"b\"\\c.so""#), "{manifest}");
    }
}
