//! Tests that need a process of their own, because they limit its memory or set variables that a
//! driver reads once: the test program starts itself again, for that one test.

use std::io::Write;
use std::process::{Command, Output};

const ROLE: &str = "WGPU_BATCHNORM_CHILD";
/// Starts a line that a child prints for its parent.
const ANSWER: &str = "answer: ";

/// Whether this process was started by [`run`].
pub fn is_one() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// What a child prints for its parent.
pub fn answer(text: impl std::fmt::Display) {
    println!("{ANSWER}{text}");
}

/// Runs `test`, a path such as `faults::nothing_is_leaked`, alone in a new process; gives its
/// answers, or panics with all that it printed.
#[track_caller]
pub fn run(test: &str, vars: &[(&str, &str)]) -> Vec<String> {
    let program = std::env::current_exe().expect("the test program");
    let mut command = Command::new(program);
    command.args([test, "--exact", "--nocapture", "--include-ignored", "--test-threads=1"]);
    command.env(ROLE, "1").envs(vars.iter().copied());
    let Output { status, stdout, stderr } = command.output().expect("a process");
    let stdout = String::from_utf8_lossy(&stdout);
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{test} with {vars:?}: {status}\n{stdout}\n{stderr}");
    // A name that no test has would pass, too.
    assert!(stdout.contains("1 passed"), "{test}: {stdout}");
    // What a validation layer says is for whoever runs the parent, whose harness would keep it.
    for message in stdout.lines().filter(|line| line.contains(": msgNum: ")) {
        let _ = writeln!(std::io::stdout(), "{message}");
    }
    // The harness prints the name of the test before what it prints itself.
    stdout
        .lines()
        .filter_map(|line| line.split_once(ANSWER))
        .map(|(_, answer)| answer.to_owned())
        .collect()
}
