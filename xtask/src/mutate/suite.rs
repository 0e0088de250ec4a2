//! The tests that should notice a mutant: built once, run for each.

use super::operators::Mutant;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A test that says nothing for so long hangs; each case says that it is done.
const SILENCE: Duration = Duration::from_secs(45);

/// The same before any kernel is in the cache.
const FIRST_SILENCE: Duration = Duration::from_secs(300);

/// The tests that most mutants are killed by.
const QUICK: &str = "mutants::a_few_cases";

/// The larger suites.
const OTHERS: [&str; 7] = [
    "layers::",
    "accuracy::",
    "pivots::",
    "optimizer::",
    "parts::",
    "fused::",
    "mutants::more_cases",
];

/// What reaches code of some files that the quick cases do not.
const SUITES: [(&str, &[&str]); 12] = [
    ("affine_gradients", &["parts::", "optimizer::"]),
    ("partial_moments", &["parts::"]),
    ("partial_sums", &["parts::"]),
    ("walk/merge_moments", &["parts::"]),
    ("walk/merge_sums", &["parts::"]),
    ("walk/record_statistics", &["parts::"]),
    ("walk/backward_input", &["optimizer::other_passes"]),
    ("line/backward_input", &["optimizer::other_passes"]),
    ("run/backward_input", &["optimizer::other_passes"]),
    ("gradient_input", &["fused::in_place"]),
    ("gradient_sums", &["fused::in_place", "fused::a_gradient_does_not_depend_on_the_others"]),
    ("statistics", &["fused::a_mask_of_zeros_is_an_empty_batch"]),
];

fn suites_of(file: &str) -> &'static [&'static str] {
    SUITES.iter().find(|&&(of, _)| of == file).map_or(&[], |&(_, suites)| suites)
}

/// What became of a mutant.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// A survivor that is listed may be killed by a test that is new.
    Killed { listed: bool },
    /// The reason, if one is listed.
    Survived(Option<String>),
    /// It is no valid module, or says the same as the original.
    Discarded,
    /// It is in the list of those that change nothing for the worse, for this reason.
    Known(String),
}

pub struct Suite {
    unit_tests: PathBuf,
    gpu_tests: PathBuf,
    shaders: PathBuf,
    caches: PathBuf,
    /// What the modules with a file are in short, unchanged.
    originals: Mutex<HashMap<String, String>>,
}

/// The variable that makes this program a wrapper of rustc.
pub const WRAPPER: &str = "WGPU_BATCHNORM_MUTATE_WRAPPER";

/// Runs rustc, the first argument, so that the crate reads shaders from a folder. Cargo wraps the
/// workspace alone, so that what it depends on is not built twice.
pub fn wrap_rustc(mut args: impl Iterator<Item = std::ffi::OsString>) -> Result<(), String> {
    let rustc = args.next().ok_or("no compiler to run")?;
    let mut command = Command::new(rustc);
    let status = command.args(args).args(["--cfg", "wgpu_batchnorm_mutate"]).status();
    match status {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => Err(format!("the compiler did not start ({error})")),
    }
}

impl Suite {
    pub fn build(root: &Path) -> Result<Self, String> {
        let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
        let program = std::env::current_exe().map_err(|e| format!("this program: {e}"))?;
        let output = Command::new(cargo)
            .args(["test", "--no-run", "--package", "wgpu-batchnorm", "--lib", "--test", "gpu"])
            .args(["--message-format", "json-render-diagnostics"])
            .env("RUSTC_WORKSPACE_WRAPPER", program)
            .env(WRAPPER, "1")
            .current_dir(root)
            .stderr(Stdio::inherit())
            .output()
            .map_err(|e| format!("cargo did not start ({e})"))?;
        if !output.status.success() {
            return Err("the tests do not build".into());
        }
        let messages = String::from_utf8_lossy(&output.stdout).into_owned();
        let executable = |name: &str| {
            let mut lines = messages.lines().filter(|line| line.contains(name));
            let path =
                lines.find_map(|line| line.split_once("\"executable\":\"")?.1.split('"').next());
            path.map(PathBuf::from).ok_or(format!("cargo names no executable of {name}"))
        };
        Ok(Self {
            unit_tests: executable("\"kind\":[\"lib\"]")?,
            gpu_tests: executable("\"name\":\"gpu\"")?,
            shaders: root.join("shaders"),
            caches: root.join("target/mutate/cache"),
            originals: Mutex::default(),
        })
    }

    /// Whether the tests pass without any mutant, which tells nothing otherwise.
    pub fn check(&self, folder: &Path, quick: bool) -> Result<(), String> {
        let mut suites: Vec<&str> =
            SUITES.iter().flat_map(|&(_, suites)| suites).copied().collect();
        suites.sort_unstable();
        suites.dedup();
        suites.insert(0, QUICK);
        if !quick {
            suites.extend(OTHERS);
        }
        let fails = |tests: &str, how: &str| format!("without a mutant, `{tests}` {how}");
        if !self.constants_agree(folder) {
            return Err(fails("shader::", "fails"));
        }
        suites.into_iter().try_for_each(|tests| {
            match run(self.gpu(folder, "", tests), FIRST_SILENCE) {
                Some((true, _)) => Ok(()),
                Some((false, output)) => Err(format!("{output}\n{}", fails(tests, "fails"))),
                None => Err(fails(tests, "hangs")),
            }
        })
    }

    /// Whether a test notices the mutant; nothing if it is no mutant. `folder` has the shaders, of which
    /// one is changed.
    pub fn kills(
        &self,
        mutant: &Mutant,
        folder: &Path,
        quick: bool,
    ) -> Result<Option<bool>, String> {
        let path = folder.join(format!("{}.wgsl", mutant.file));
        let original = fs::read_to_string(self.shaders.join(format!("{}.wgsl", mutant.file)))
            .map_err(|e| format!("{}: {e}", mutant.file))?;
        let write =
            |text: &str| fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()));
        let mut originals = self.originals.lock().expect("no worker panics");
        if !originals.contains_key(&mutant.file) {
            write(&marked(&original))?;
            let modules = self.modules(folder).ok_or("the shaders are not valid as they are")?;
            if modules == "none" {
                // No mutant could be told from the original.
                let file = &mutant.file;
                return Err(format!("{file}.wgsl is in none of `variants` of src/shader/tests.rs"));
            }
            originals.insert(mutant.file.clone(), modules);
        }
        let unchanged = originals[&mutant.file].clone();
        drop(originals);
        let lines = original.lines().enumerate();
        let changed =
            lines.map(|(k, line)| if k + 1 == mutant.line { &mutant.after } else { line });
        write(&marked(&changed.collect::<Vec<_>>().join("\n")))?;
        let modules = self.modules(folder);
        if modules.is_none_or(|modules| modules == unchanged) {
            return Ok(None);
        }
        Ok(Some(
            !self.passes(folder, &mutant.file, QUICK)
                || !self.constants_agree(folder)
                || self.notice(folder, &mutant.file, suites_of(&mutant.file))
                || (!quick && self.notice(folder, &mutant.file, &OTHERS)),
        ))
    }

    /// Tests of the text alone: barriers, and constants that the host has as well.
    fn constants_agree(&self, folder: &Path) -> bool {
        let mut command = Command::new(&self.unit_tests);
        command.arg("shader::").env("WGPU_BATCHNORM_SHADERS", folder);
        matches!(run(command, SILENCE), Some((true, _)))
    }

    fn notice(&self, folder: &Path, file: &str, suites: &[&str]) -> bool {
        suites.iter().any(|tests| !self.passes(folder, file, tests))
    }

    fn passes(&self, folder: &Path, file: &str, tests: &str) -> bool {
        matches!(run(self.gpu(folder, file, tests), SILENCE), Some((true, _)))
    }

    fn gpu(&self, folder: &Path, file: &str, tests: &str) -> Command {
        let mut command = Command::new(&self.gpu_tests);
        command
            .args([tests, "--include-ignored", "--nocapture", "--test-threads", "1"])
            .env("WGPU_BATCHNORM_SHADERS", folder)
            .env("WGPU_BATCHNORM_MUTATED", file)
            // Kernels of unchanged files are compiled once for all mutants.
            .env("MESA_SHADER_CACHE_DIR", &self.caches)
            // Most of the time goes into compiling kernels that run once.
            .env("GALLIVM_PERF", "nopt");
        command
    }

    /// What the modules with the marked file are in short; nothing if one is not valid.
    fn modules(&self, folder: &Path) -> Option<String> {
        let mut command = Command::new(&self.unit_tests);
        command
            .args(["--exact", "shader::tests::modules_in_short", "--nocapture"])
            .env("WGPU_BATCHNORM_SHADERS", folder);
        let (success, output) = run(command, SILENCE)?;
        let line = output.lines().find_map(|line| line.strip_prefix("modules: "));
        line.filter(|_| success).map(str::to_owned)
    }
}

/// A file that the test which looks at modules knows again.
fn marked(text: &str) -> String {
    format!("// mutant\n{text}\n")
}

/// Whether a command succeeds, and what it prints; nothing if it is silent for too long. What does
/// not fit a pipe would make it hang, so that output goes to a file.
fn run(mut command: Command, silence: Duration) -> Option<(bool, String)> {
    let unique = format!("{:?}", std::thread::current().id()).replace(['(', ')'], "_");
    let path = std::env::temp_dir().join(format!("mutate_{}_{unique}", std::process::id()));
    let output = fs::File::create(&path).ok()?;
    let mut child =
        command.stdout(output).stderr(Stdio::null()).stdin(Stdio::null()).spawn().ok()?;
    let (mut heard, mut length) = (Instant::now(), 0);
    let status = loop {
        if let Ok(Some(status)) = child.try_wait() {
            break Some(status);
        }
        std::thread::sleep(Duration::from_millis(10));
        let now = fs::metadata(&path).map_or(0, |file| file.len());
        if now != length {
            (heard, length) = (Instant::now(), now);
        }
        if heard.elapsed() > silence {
            let _ = child.kill();
            let _ = child.wait();
            break None;
        }
    };
    let text = fs::read_to_string(&path).unwrap_or_default();
    let _ = fs::remove_file(&path);
    Some((status?.success(), text))
}
