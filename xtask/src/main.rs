//! The project's commands for a person at a terminal: `cargo xtask` prints them.

#[cfg(target_os = "linux")]
mod driver;
#[cfg(target_os = "linux")]
mod matrix;
mod mutate;
mod record;
mod shell;
#[cfg(target_os = "linux")]
mod validate;

use shell::{Line, Shell, seconds};
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Instant;

const USAGE: &str = "\
Usage: cargo xtask <COMMAND>

Commands:
  demo [ARGS]  train the digits example; ARGS go to the example
  test [ARGS]  run every test and build every example and benchmark;
               with ARGS, only `cargo test` with those ARGS
  ci           check formatting, lints and documentation, then do as `test` does
  matrix [ARGS]
               the tests of the kernels under one setting of the software
               driver after another, and on SwiftShader; ARGS go to the tests
  validate [ARGS]
               the same tests under Vulkan's validation layer, with
               synchronization validation; any message is a failure
  fuzz [SECONDS]
               both fuzz targets, 300 seconds each if no number is given; needs
               a nightly compiler and cargo-fuzz

  mutate [ARGS] [FILTER]
               change one line of the shaders at a time, and see that a test
               notices; FILTER is part of FILE:LINE. --every N takes each N-th
               mutant, --from K starts at the K-th of these, --jobs N runs as
               many at a time, --quick runs few cases, --list only lists
  record [--merge OUT RUN...]
               what benches/record says: the README's table and figures;
               --merge writes OUT from several runs of a benchmark

On Linux, all but `fuzz`, `record` and `--list` need a Vulkan driver. Where
there is none, Debian and Ubuntu get Mesa's software driver from apt-get; elsewhere the
command stops with the line to type. To never install anything, set
WGPU_BATCHNORM_NO_INSTALL=1.
";

#[derive(Debug, PartialEq)]
enum Task {
    Help,
    Demo(Vec<OsString>),
    Test(Vec<OsString>),
    Ci,
    Matrix(Vec<OsString>),
    Validate(Vec<OsString>),
    Fuzz(u64),
    Mutate(mutate::Options),
    Record(record::Task),
}

fn main() -> ExitCode {
    if std::env::var_os(mutate::WRAPPER).is_some() {
        return ended(mutate::wrap_rustc(std::env::args_os().skip(1)));
    }
    let task = match parse(std::env::args_os().skip(1)) {
        Ok(task) => task,
        Err(message) => {
            eprint!("error: {message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let shell = Shell::new();
    let outcome = match task {
        Task::Help => {
            print!("{USAGE}");
            Ok(())
        }
        Task::Demo(args) => demo(&shell, args),
        Task::Test(args) => test(&shell, args),
        Task::Ci => ci(&shell),
        Task::Matrix(args) => on_linux(&shell, "matrix", &args),
        Task::Validate(args) => on_linux(&shell, "validate", &args),
        Task::Fuzz(seconds) => fuzz(&shell, seconds),
        Task::Mutate(options) => mutate(&shell, &options),
        Task::Record(task) => record::run(&task),
    };
    ended(outcome)
}

fn ended(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Task, String> {
    let mut args = args.into_iter();
    let Some(command) = args.next() else { return Ok(Task::Help) };
    let mut rest: Vec<OsString> = args.collect();
    match command.to_str() {
        Some("help" | "-h" | "--help") => Ok(Task::Help),
        Some(name @ ("demo" | "matrix" | "validate")) => {
            // The dashes are added on the way to the program, so typing them is optional.
            if rest.first().is_some_and(|first| first == "--") {
                rest.remove(0);
            }
            Ok(match name {
                "demo" => Task::Demo(rest),
                "matrix" => Task::Matrix(rest),
                _ => Task::Validate(rest),
            })
        }
        Some("fuzz") => match rest.as_slice() {
            [] => Ok(Task::Fuzz(300)),
            [seconds] => match seconds.to_str().and_then(|seconds| seconds.parse().ok()) {
                Some(seconds) => Ok(Task::Fuzz(seconds)),
                None => Err(format!("not a number of seconds: {}", seconds.display())),
            },
            _ => Err("`fuzz` takes a number of seconds".into()),
        },
        Some("test") => Ok(Task::Test(rest)),
        Some("mutate") => Ok(Task::Mutate(mutate::parse(rest)?)),
        Some("record") => {
            let args = rest.into_iter().map(|arg| arg.to_string_lossy().into_owned());
            Ok(Task::Record(record::parse(&args.collect::<Vec<_>>())?))
        }
        Some("ci") if rest.is_empty() => Ok(Task::Ci),
        Some("ci") => Err("`ci` takes no arguments".into()),
        _ => Err(format!("no such command: {}", command.display())),
    }
}

// Naming the package makes each line work from any folder of the workspace.

fn demo(shell: &Shell, args: Vec<OsString>) -> Result<(), String> {
    ensure_adapter(shell)?;
    let line = "cargo run --release --package wgpu-batchnorm --example train_digits --";
    shell.run("the demo", &Line::new(line).args(args))
}

fn test(shell: &Shell, args: Vec<OsString>) -> Result<(), String> {
    ensure_adapter(shell)?;
    // With no target named, cargo runs unit, integration and doc tests and builds the examples.
    let everything = args.is_empty();
    step(shell, "tests", &Line::new("cargo test --workspace --all-features").args(args))?;
    if everything {
        // Cargo leaves benchmarks out of a test run, and running one here would only cost time.
        let line = "cargo test --workspace --all-features --benches --no-run";
        step(shell, "benchmarks build", &Line::new(line))?;
    }
    Ok(())
}

fn ci(shell: &Shell) -> Result<(), String> {
    let start = Instant::now();
    // The tests need it; a password, if one is asked for, is best typed before the long steps.
    ensure_adapter(shell)?;
    step(shell, "formatting", &Line::new("cargo fmt --all -- --check"))?;
    let line = "cargo clippy --workspace --all-targets --all-features -- -D warnings";
    step(shell, "lints", &Line::new(line))?;
    let line = Line::new("cargo doc --package wgpu-batchnorm --no-deps --all-features");
    step(shell, "documentation", &line.var("RUSTDOCFLAGS", "-D warnings"))?;
    test(shell, Vec::new())?;
    eprintln!("==> all checks passed in {}", seconds(start.elapsed()));
    Ok(())
}

/// What depends on Mesa's software driver and on Vulkan's loader.
fn on_linux(shell: &Shell, command: &str, args: &[OsString]) -> Result<(), String> {
    ensure_adapter(shell)?;
    #[cfg(target_os = "linux")]
    return match command {
        "matrix" => matrix::run(shell, args),
        _ => validate::run(shell, args),
    };
    #[cfg(not(target_os = "linux"))]
    Err(format!("`{command}` is for Linux, and cannot run {args:?} here"))
}

fn fuzz(shell: &Shell, seconds: u64) -> Result<(), String> {
    for target in ["plan", "bind"] {
        // Through rustup: what runs this command has named its own toolchain to its children.
        let line = format!(
            "rustup run nightly cargo fuzz run {target} -- -max_total_time={seconds} \
             -rss_limit_mb=4096"
        );
        step(shell, target, &Line::new(&line))?;
    }
    Ok(())
}

fn mutate(shell: &Shell, options: &mutate::Options) -> Result<(), String> {
    ensure_adapter(shell)?;
    mutate::run(options)
}

/// Runs one line between its announcement and the time that it took.
fn step(shell: &Shell, name: &str, line: &Line) -> Result<(), String> {
    eprintln!("==> {name}: {line}");
    let start = Instant::now();
    shell.run(name, line)?;
    eprintln!("    {name}: {}", seconds(start.elapsed()));
    Ok(())
}

/// Only Linux may come without an adapter: macOS has Metal, and Windows has WARP in DX12.
fn ensure_adapter(shell: &Shell) -> Result<(), String> {
    #[cfg(target_os = "linux")]
    driver::ensure(shell)?;
    let _ = shell;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Task, String> {
        parse(args.iter().map(OsString::from))
    }

    #[test]
    fn help_is_the_default() {
        for args in [&[][..], &["help"], &["-h"], &["--help"]] {
            assert_eq!(parsed(args), Ok(Task::Help), "{args:?}");
        }
    }

    #[test]
    fn arguments_are_passed_on() {
        assert_eq!(parsed(&["test", "--", "--nocapture"]).unwrap(), {
            Task::Test(vec!["--".into(), "--nocapture".into()])
        });
        for args in [&["matrix", "--", "layers::"][..], &["matrix", "layers::"]] {
            assert_eq!(parsed(args).unwrap(), Task::Matrix(vec!["layers::".into()]));
        }
        assert_eq!(parsed(&["fuzz", "60"]), Ok(Task::Fuzz(60)));
        for args in [&["demo", "--epochs", "3"][..], &["demo", "--", "--epochs", "3"]] {
            assert_eq!(parsed(args).unwrap(), Task::Demo(vec!["--epochs".into(), "3".into()]));
        }
    }

    #[test]
    fn what_is_unknown_is_refused() {
        assert!(parsed(&["deploy"]).unwrap_err().contains("deploy"));
        assert!(parsed(&["fuzz", "soon"]).unwrap_err().contains("soon"));
        assert!(parsed(&["ci", "--fast"]).unwrap_err().contains("no arguments"));
    }
}
