//! Runs recorded batch norm cases on the GPU: to hold this crate against another framework, on any
//! adapter, without writing Rust.
//!
//! ```text
//! cargo run --release --example replay -- --out DIR CASE.safetensors [CASE.safetensors ...]
//! ```
//!
//! Cases and results are safetensors files; from Python, `safetensors.torch.save_file(tensors,
//! path, metadata={...})` writes a case. The result of `CASE.safetensors` is
//! `DIR/CASE.safetensors`.
//!
//! The exit status is 0 if every case ran and matched the values that it expects. Otherwise it is
//! 1, after all cases were tried, with a line `error: CASE: what is wrong` on stderr for each case
//! that failed. A case that cannot run writes no file; one that only misses its expected values
//! does.
//!
//! # Tensors of a case
//!
//! | name | shape | type | |
//! |---|---|---|---|
//! | `x` | `[N, C, ...]` or, channels last, `[N, ..., C]` | F32, F16, BF16 | |
//! | `weight`, `bias` | `[C]` | F32 | optional: γ = 1, β = 0 |
//! | `running_mean`, `running_var` | `[C]` | F32 | both or none; inference needs them, training without them tracks none |
//! | `num_batches_tracked` | `[]` | I64 | optional: 0 |
//! | `dy` | as `x` | as `x` | optional: runs the backward pass, too; in inference through frozen statistics |
//! | `residual` | as `x` | as `x` | optional: added before the activation |
//! | `mask` | `[N]` or as `x` without the channel axis | F32 | optional: weight of each sample or position |
//! | `expected.NAME` | as the result NAME | F32 | optional: compared with it |
//!
//! # Metadata of a case
//!
//! | key | values | default |
//! |---|---|---|
//! | `mode` | `train`, `infer` | `train` |
//! | `layout` | `channels_first`, `channels_last` | `channels_first` |
//! | `epsilon` | a number above 0 | `1e-5` |
//! | `momentum` | a number from 0 to 1, PyTorch's direction; `none` for the cumulative average | `0.1` |
//! | `running_variance` | `unbiased`, `biased` | `unbiased` |
//! | `activation` | `identity`, `relu`, `leaky_relu:SLOPE`, `sigmoid`, `tanh`, `silu`, `gelu`, `gelu_tanh`, `hard_swish` | `identity` |
//! | `tolerance` | `ATOL,RTOL`: a value may miss the expected one by ATOL + RTOL·\|expected\| | `1e-5,1e-5` |
//!
//! A tensor or key of any other name is an error, since a typo would silently change the result;
//! only the key `format`, which Python's safetensors library writes, means nothing.
//!
//! # Tensors of a result
//!
//! `y`; in training `mean` and `inv_std`, and where tracked `running_mean`, `running_var` and
//! `num_batches_tracked`; with `dy` also `dx`, `dweight` and `dbias`, and with `residual`
//! `dresidual`. What is like `x` has its type, `num_batches_tracked` is I64 of shape `[]`, and all
//! others are F32.

mod case;
mod compare;
mod gpu;
mod run;
mod settings;

use run::Replay;
use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str = "\
replay --out DIR [--adapter NAME] CASE.safetensors [CASE.safetensors ...]

Runs batch norm cases on the GPU; the result of CASE.safetensors is DIR/CASE.safetensors.

  --out DIR       where the results go; made if missing
  --adapter NAME  the first adapter whose name contains NAME
  --help          this text

Exit status 0 if every case ran and matched what it expects; otherwise 1, and for each case that
failed a line on stderr, error: CASE: what is wrong. A case that cannot run writes no file.

Tensors of a case:
  x                          [N, C, ...], or [N, ..., C] if channels last; F32, F16, BF16
  weight, bias               [C], F32; optional: 1 and 0
  running_mean, running_var  [C], F32; both or none; inference needs them
  num_batches_tracked        [], I64; optional: 0
  dy                         as x; optional: runs the backward pass, too
  residual                   as x; optional: added before the activation
  mask                       [N], or as x without the channel axis, F32; optional: weight of each
                             sample or position; where it is 0, nothing counts and y, dx are 0
  expected.NAME              as the result NAME, F32; optional: compared with it

Metadata of a case, all strings:
  mode              train (default), infer
  layout            channels_first (default), channels_last
  epsilon           a number above 0; default 1e-5
  momentum          a number from 0 to 1, PyTorch's direction; none for the cumulative average;
                    default 0.1
  running_variance  unbiased (default), biased
  activation        identity (default), relu, leaky_relu:SLOPE, sigmoid, tanh, silu, gelu,
                    gelu_tanh, hard_swish
  tolerance         ATOL,RTOL: a value may miss the expected one by ATOL + RTOL * |expected|;
                    default 1e-5,1e-5

Tensors of a result; y, dx and dresidual as x, others F32:
  y
  mean, inv_std                               [C]; in training
  running_mean, running_var                   [C]; in training, where the case has them
  num_batches_tracked                         [], I64; with them
  dx, dweight, dbias                          as x, [C], [C]; with dy
  dresidual                                   as x; with dy and residual";

struct Options {
    out: PathBuf,
    adapter: Option<String>,
    cases: Vec<PathBuf>,
}

fn main() -> ExitCode {
    quiet_mesa();
    match options().map_err(|e| e.to_string()).and_then(|options| match options {
        Some(options) => replay(&options),
        None => {
            println!("{HELP}");
            Ok(true)
        }
    }) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line asks for; `None` for the help.
fn options() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let (mut out, mut adapter, mut cases) = (None, None, Vec::new());
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("out") => out = Some(PathBuf::from(parser.value()?)),
            Long("adapter") => adapter = Some(parser.value()?.string()?),
            Long("help") | Short('h') => return Ok(None),
            Value(case) => cases.push(case.into()),
            _ => return Err(arg.unexpected()),
        }
    }
    let out = out.ok_or("no --out DIR for the results; --help lists the options")?;
    if cases.is_empty() {
        return Err("no cases; --help tells what they are".into());
    }
    Ok(Some(Options { out, adapter, cases }))
}

fn replay(options: &Options) -> Result<bool, String> {
    Replay {
        out: &options.out,
        adapter: options.adapter.as_deref(),
        stdout: &mut std::io::stdout(),
        stderr: &mut std::io::stderr(),
        bar: run::progress(options.cases.len()),
    }
    .run(&options.cases)
}

/// Mesa prints a line that begins with `error:` where this variable is not set, and so looks like a
/// case that failed.
fn quiet_mesa() {
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: the program has one thread yet, so none reads the environment meanwhile.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", std::env::temp_dir()) };
    }
}
