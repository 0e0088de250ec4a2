//! Command lines that are run, and printed so that a person can type them.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The workspace: cargo runs this program from wherever it was called.
pub fn root() -> Result<PathBuf, String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map(Path::to_path_buf).ok_or("no workspace".into())
}

/// A command with its arguments and the variables set for it.
pub struct Line {
    vars: Vec<(&'static str, OsString)>,
    words: Vec<OsString>,
}

impl Line {
    /// Splits at spaces; what needs a space within a word goes through [`Line::args`].
    pub fn new(line: &str) -> Self {
        Self { vars: Vec::new(), words: line.split(' ').map(OsString::from).collect() }
    }

    pub fn args(mut self, args: impl IntoIterator<Item = OsString>) -> Self {
        self.words.extend(args);
        self
    }

    pub fn var(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.vars.push((name, value.into()));
        self
    }

    fn command(&self) -> Command {
        let (program, args) = self.words.split_first().expect("a line has a first word");
        // Cargo names itself to its children; a bare `cargo` could be of another toolchain.
        let cargo = std::env::var_os("CARGO").filter(|_| program == "cargo");
        let mut command = Command::new(cargo.as_deref().unwrap_or(program));
        command.args(args).envs(self.vars.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.vars {
            write!(f, "{name}={} ", quoted(value))?;
        }
        let words: Vec<String> = self.words.iter().map(|word| quoted(word)).collect();
        f.write_str(&words.join(" "))
    }
}

/// The word as a POSIX shell reads it back.
fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let is_plain = |c: char| c.is_alphanumeric() || "-_=+.,:/@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// What every line runs with.
pub struct Shell {
    runtime_dir: Option<PathBuf>,
}

impl Shell {
    pub fn new() -> Self {
        Self { runtime_dir: runtime_dir() }
    }

    /// Runs a line; the error says what `name` did, and gives the line to type it again.
    pub fn run(&self, name: &str, line: &Line) -> Result<(), String> {
        let error = |cause| format!("{name} {cause}; to repeat it, type:\n    {line}");
        self.attempt(line).map_err(error)
    }

    /// Runs a line; the error is only how it ended.
    pub fn attempt(&self, line: &Line) -> Result<(), String> {
        match self.command(line).status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("stopped with {status}")),
            Err(error) => Err(format!("did not start ({error})")),
        }
    }

    /// Runs a line and keeps what it prints, to standard output first; an error only if it does not
    /// start.
    pub fn read(&self, line: &Line) -> Result<Printed, String> {
        let output = self.command(line).output();
        let output = output.map_err(|error| format!("{line} did not start ({error})"))?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        Ok(Printed { text, succeeded: output.status.success() })
    }

    fn command(&self, line: &Line) -> Command {
        let mut command = line.command();
        if let Some(directory) = &self.runtime_dir {
            command.env("XDG_RUNTIME_DIR", directory);
        }
        command
    }
}

/// What a line printed, and whether it succeeded.
pub struct Printed {
    pub text: String,
    pub succeeded: bool,
}

/// A folder for `XDG_RUNTIME_DIR` where a session has none: without one, Mesa prints an error for
/// every device, although it computes correctly.
#[cfg(target_os = "linux")]
fn runtime_dir() -> Option<PathBuf> {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    if std::env::var_os("XDG_RUNTIME_DIR").is_some() {
        return None;
    }
    // Beside this program, in cargo's build folder: nothing to clean up after an interrupt, and no
    // name in a shared folder that another user could have taken.
    let directory = std::env::current_exe().ok()?.parent()?.join("xdg-runtime");
    fs::create_dir_all(&directory).ok()?;
    // The specification asks for a folder that is closed to others.
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).ok()?;
    Some(directory)
}

#[cfg(not(target_os = "linux"))]
fn runtime_dir() -> Option<PathBuf> {
    None
}

/// A duration for people: `4.2 s` or `3 min 5 s`.
pub fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    if whole < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {} s", whole / 60, whole % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_prints_as_it_is_typed() {
        let line = Line::new("cargo doc --no-deps").var("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(line.to_string(), "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps");
        let line = Line::new("cargo test").args(["a b", "it's", "", "x::y"].map(OsString::from));
        assert_eq!(line.to_string(), r"cargo test 'a b' 'it'\''s' '' x::y");
    }

    #[test]
    fn a_failure_names_the_line() {
        let shell = Shell { runtime_dir: None };
        let error = shell.run("this", &Line::new("xtask-no-such-program --flag")).unwrap_err();
        assert!(error.starts_with("this did not start"), "{error}");
        assert!(error.ends_with("\n    xtask-no-such-program --flag"), "{error}");
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(seconds(Duration::from_millis(4230)), "4.2 s");
        assert_eq!(seconds(Duration::from_secs(185)), "3 min 5 s");
    }
}
