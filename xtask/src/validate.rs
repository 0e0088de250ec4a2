//! The tests under Vulkan's validation layer, synchronization validation included.

use crate::driver;
use crate::shell::{Line, Printed, Shell};
use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;

const CONTROL: &str = "validation::what_the_layer_must_report";
/// What the control does wrong.
const EXPECTED: [&str; 2] = ["VUID-VkBufferCreateInfo-size-00912", "SYNC-HAZARD-WRITE-AFTER-WRITE"];

/// Everything that the layer has to say goes to standard output, however often it says it.
const SETTINGS: &str = "\
khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG
khronos_validation.report_flags = error,warn,perf
khronos_validation.log_filename = stdout
khronos_validation.enable_message_limit = false
khronos_validation.enables = VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT
";

pub fn run(shell: &Shell, args: &[OsString]) -> Result<(), String> {
    driver::ensure_validation_layer(shell)?;
    // Where the layer looks for a file of that name; beside this program nobody else's is.
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let settings = program.with_file_name("vk_layer_settings.txt");
    fs::write(&settings, SETTINGS).map_err(|error| error.to_string())?;

    let tests = "cargo test --quiet --package wgpu-batchnorm --all-features --test gpu --";
    let line = |line: &str| {
        Line::new(&format!("{tests}{line}"))
            .var("VK_INSTANCE_LAYERS", "VK_LAYER_KHRONOS_validation")
            .var("VK_LAYER_SETTINGS_PATH", settings.clone())
    };
    let control = line(&format!(" --ignored --exact {CONTROL}"));
    eprintln!("==> a control, which is wrong on purpose: {control}");
    let Printed { text, .. } = shell.read(&control)?;
    let messages = messages(&text);
    if let Some(unsaid) = EXPECTED.iter().find(|&&id| !messages.contains_key(id)) {
        let silent = "the layer does not report what it must, so its silence would mean nothing";
        return Err(format!("{silent}: {unsaid} is missing in\n{text}"));
    }
    eprintln!("    reported, as it must be: {}", EXPECTED.join(", "));

    let suite = line("").args(args.iter().cloned());
    eprintln!("==> the tests: {suite}");
    let printed = shell.read(&suite)?;
    report(&printed)?;
    if !printed.succeeded {
        return Err(format!("tests failed; to repeat them, type:\n    {suite}\n{}", printed.text));
    }
    eprintln!("    no message");
    Ok(())
}

fn report(printed: &Printed) -> Result<(), String> {
    let messages = messages(&printed.text);
    if messages.is_empty() {
        return Ok(());
    }
    for (id, (count, first)) in &messages {
        println!("{count:>6} × {id}\n         {first}");
    }
    Err(format!("the layer has {} kinds of messages", messages.len()))
}

/// The messages of the layer by their identifiers: how many, and the first.
fn messages(text: &str) -> BTreeMap<String, (usize, String)> {
    let mut messages = BTreeMap::new();
    for line in text.lines() {
        // `VUID-…(ERROR / SPEC): msgNum: … - Validation Error: [ VUID-… ] …`
        let Some((_, message)) = line.split_once(": msgNum: ") else { continue };
        let id = message.split_once("[ ").and_then(|(_, rest)| rest.split_once(" ]"));
        let id = id.map_or(message, |(id, _)| id);
        messages.entry(id.to_owned()).or_insert((0, line.to_owned())).0 += 1;
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
running 1 test
..SYNC-HAZARD-A(ERROR / SPEC): msgNum: 1544472022 - Validation Error: [ SYNC-HAZARD-A ] b
    Objects: 1
VUID-A-01(ERROR / SPEC): msgNum: 3 - Validation Error: [ VUID-A-01 ] first
UNASSIGNED-B(WARN / PERF): msgNum: 4 - Validation Performance Warning: [ UNASSIGNED-B ] c
VUID-A-01(ERROR / SPEC): msgNum: 3 - Validation Error: [ VUID-A-01 ] second
";

    #[test]
    fn every_message_counts() {
        let messages = messages(PRINTED);
        let counts: Vec<_> =
            messages.iter().map(|(id, (count, _))| (id.as_str(), *count)).collect();
        assert_eq!(counts, [("SYNC-HAZARD-A", 1), ("UNASSIGNED-B", 1), ("VUID-A-01", 2)]);
        assert!(messages["VUID-A-01"].1.ends_with("first"));
        let printed = Printed { text: PRINTED.into(), succeeded: true };
        assert!(report(&printed).is_err());
        let quiet = Printed { text: "running 1 test\ntest a ... ok".into(), succeeded: true };
        assert_eq!(report(&quiet), Ok(()));
    }
}
