//! The `replay` example: results against the reference, expected values, and what it answers to
//! malformed cases.

#[path = "../examples/replay/case.rs"]
mod case;
#[path = "../examples/replay/compare.rs"]
mod compare;
#[path = "../examples/replay/gpu.rs"]
mod gpu;
#[path = "../examples/replay/run.rs"]
mod run;
#[path = "../examples/replay/settings.rs"]
mod settings;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use wgpu_batchnorm::reference::{self, AffineParams, Statistics};
use wgpu_batchnorm::{Activation, Layout, Momentum, RunningVariance, Shape};

const EPSILON: f32 = 1e-3;

/// Type, shape and bytes of a tensor.
type Raw = (Dtype, Vec<usize>, Vec<u8>);

/// The tensors of a result.
type Tensors = BTreeMap<String, Raw>;

/// A folder with cases and, in `out`, results. It goes away with the value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("batch_norm_replay_{}_{unique}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(format!("{name}.safetensors"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn result_path(&self, name: &str) -> PathBuf {
        self.0.join("out").join(format!("{name}.safetensors"))
    }

    fn result(&self, name: &str) -> Tensors {
        let bytes = fs::read(self.result_path(name)).unwrap();
        let owned = |(name, view): (String, TensorView<'_>)| {
            (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        };
        SafeTensors::deserialize(&bytes).unwrap().tensors().into_iter().map(owned).collect()
    }

    fn replay(&self, paths: &[PathBuf]) -> Answer {
        self.replay_on(None, paths)
    }

    fn replay_on(&self, adapter: Option<&str>, paths: &[PathBuf]) -> Answer {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let good = run::Replay {
            out: &self.0.join("out"),
            adapter,
            stdout: &mut stdout,
            stderr: &mut stderr,
            bar: run::progress(1),
        }
        .run(paths)
        .unwrap();
        let lines = |bytes| String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect();
        Answer { good, stdout: lines(stdout), errors: lines(stderr) }
    }

    /// Runs a case that must succeed.
    fn run(&self, name: &str, case: &CaseFile) -> Tensors {
        let answer = self.replay(&[self.write(name, &case.bytes())]);
        assert_eq!((answer.good, answer.errors), (true, vec![]), "{name}");
        self.result(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a run says.
struct Answer {
    good: bool,
    stdout: Vec<String>,
    errors: Vec<String>,
}

/// A case to be written.
#[derive(Clone, Default)]
struct CaseFile {
    tensors: Tensors,
    metadata: HashMap<String, String>,
}

impl CaseFile {
    fn raw(mut self, name: &str, dtype: Dtype, dims: &[usize], bytes: Vec<u8>) -> Self {
        self.tensors.insert(name.into(), (dtype, dims.into(), bytes));
        self
    }

    fn f32(self, name: &str, dims: &[usize], values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.raw(name, Dtype::F32, dims, bytes)
    }

    fn i64(self, name: &str, dims: &[usize], values: &[i64]) -> Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.raw(name, Dtype::I64, dims, bytes)
    }

    fn meta(mut self, key: &str, value: &str) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    fn without(mut self, name: &str) -> Self {
        assert!(self.tensors.remove(name).is_some(), "there is no {name} to remove");
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let views = self.tensors.iter().map(|(name, (dtype, dims, bytes))| {
            (name.as_str(), TensorView::new(*dtype, dims.clone(), bytes).unwrap())
        });
        safetensors::serialize(views, Some(self.metadata.clone())).unwrap()
    }
}

/// Values around `mean`, the same every time.
fn values(n: usize, seed: u32, mean: f32) -> Vec<f32> {
    (0..n as u32)
        .map(|i| {
            let hash = (i + 1).wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(40_503));
            let hash = (hash ^ (hash >> 15)).wrapping_mul(0x2c1b_3c6d);
            mean + (hash >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// A case with all tensors, and what the reference needs of it.
struct Full {
    shape: Shape,
    dims: Vec<usize>,
    x: Vec<f32>,
    dy: Vec<f32>,
    gamma: Vec<f32>,
    beta: Vec<f32>,
    running: [Vec<f32>; 2],
}

impl Full {
    fn new(dims: &[usize], layout: Layout) -> Self {
        let dims_u64: Vec<u64> = dims.iter().map(|&d| d as u64).collect();
        let shape = Shape::from_dims(&dims_u64, layout).unwrap();
        let (elements, channels) = (shape.elements() as usize, shape.channels() as usize);
        Self {
            shape,
            dims: dims.into(),
            x: values(elements, 1, 3.0),
            dy: values(elements, 2, 0.0),
            gamma: values(channels, 3, 1.5),
            beta: values(channels, 4, 0.0),
            running: [values(channels, 5, 2.0), values(channels, 6, 1.5)],
        }
    }

    fn file(&self) -> CaseFile {
        let channels = [self.shape.channels() as usize];
        let layout = match self.shape.layout() {
            Layout::ChannelsFirst => "channels_first",
            Layout::ChannelsLast => "channels_last",
        };
        CaseFile::default()
            .meta("epsilon", "1e-3")
            .meta("layout", layout)
            .f32("x", &self.dims, &self.x)
            .f32("dy", &self.dims, &self.dy)
            .f32("weight", &channels, &self.gamma)
            .f32("bias", &channels, &self.beta)
            .f32("running_mean", &channels, &self.running[0])
            .f32("running_var", &channels, &self.running[1])
    }

    fn affine(&self) -> AffineParams<'_> {
        AffineParams { gamma: Some(&self.gamma), beta: Some(&self.beta) }
    }

    fn running(&self) -> Statistics {
        let [mean, variance] =
            self.running.each_ref().map(|row| row.iter().map(|&v| v.into()).collect());
        Statistics { mean, variance }
    }

    /// Checks y and the gradients with the statistics that the case used.
    fn check(&self, have: &Tensors, statistics: &Statistics, frozen: bool, affine: AffineParams) {
        let channels = [self.shape.channels() as usize];
        let y = reference::normalize(self.shape, &self.x, statistics, EPSILON, affine);
        let gradients =
            reference::backward(self.shape, &self.x, &self.dy, statistics, frozen, EPSILON, affine);
        check(have, "y", &self.dims, &y);
        check(have, "dx", &self.dims, &gradients.dx);
        check(have, "dweight", &channels, &gradients.dgamma);
        check(have, "dbias", &channels, &gradients.dbeta);
    }
}

/// A small case that succeeds, for others to spoil.
fn small() -> CaseFile {
    Full::new(&[2, 3, 2], Layout::ChannelsFirst).file()
}

fn f32s(tensors: &Tensors, name: &str) -> Vec<f32> {
    let (dtype, _, bytes) = &tensors[name];
    assert_eq!(*dtype, Dtype::F32, "{name}");
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// Values of a few units, so the bound is absolute and relative at once.
fn check(have: &Tensors, name: &str, dims: &[usize], want: &[f64]) {
    assert_eq!(have[name].1, dims, "shape of {name}");
    let values = f32s(have, name);
    assert_eq!(values.len(), want.len(), "{name}");
    for (i, (&have, &want)) in values.iter().zip(want).enumerate() {
        let error = (have as f64 - want).abs();
        assert!(error <= 1e-5 * want.abs().max(1.0), "{name}[{i}]: {have} instead of {want}");
    }
}

fn check_batches(have: &Tensors, batches: i64) {
    let want = (Dtype::I64, vec![], batches.to_le_bytes().to_vec());
    assert_eq!(have["num_batches_tracked"], want);
}

fn names(tensors: &Tensors) -> Vec<&str> {
    tensors.keys().map(String::as_str).collect()
}

#[test]
fn training_and_backward_follow_the_reference_in_both_layouts() {
    let folder = Folder::new();
    for (name, dims, layout) in [
        ("first", [3, 4, 5, 2], Layout::ChannelsFirst),
        ("last", [3, 5, 2, 6], Layout::ChannelsLast),
    ] {
        let full = Full::new(&dims, layout);
        let file = full.file().i64("num_batches_tracked", &[], &[7]).meta("momentum", "0.3");
        let result = folder.run(name, &file);
        let all = "dbias dweight dx inv_std mean num_batches_tracked running_mean running_var y";
        assert_eq!(names(&result).join(" "), all);

        let (statistics, mut running) =
            (reference::statistics(full.shape, &full.x), full.running());
        reference::update_running(
            &mut running,
            &statistics,
            Momentum::Exponential(0.3),
            RunningVariance::Unbiased,
            8,
            full.shape.count() as f64,
        );
        let inv_std: Vec<f64> =
            statistics.variance.iter().map(|&v| reference::inv_std(v, EPSILON)).collect();
        let channels = [full.shape.channels() as usize];
        full.check(&result, &statistics, false, full.affine());
        check(&result, "mean", &channels, &statistics.mean);
        check(&result, "inv_std", &channels, &inv_std);
        check(&result, "running_mean", &channels, &running.mean);
        check(&result, "running_var", &channels, &running.variance);
        check_batches(&result, 8);
    }
}

#[test]
fn cumulative_momentum_and_biased_variance() {
    let (folder, full) = (Folder::new(), Full::new(&[4, 3], Layout::ChannelsFirst));
    let file = full.file().i64("num_batches_tracked", &[], &[2]);
    let file = file.meta("momentum", "none").meta("running_variance", "biased");
    let result = folder.run("case", &file);
    let (statistics, mut running) = (reference::statistics(full.shape, &full.x), full.running());
    reference::update_running(
        &mut running,
        &statistics,
        Momentum::Cumulative,
        RunningVariance::Biased,
        3,
        full.shape.count() as f64,
    );
    check(&result, "running_mean", &[3], &running.mean);
    check(&result, "running_var", &[3], &running.variance);
    check_batches(&result, 3);
}

#[test]
fn inference_takes_frozen_statistics() {
    let folder = Folder::new();
    for (name, dims, layout) in
        [("first", [3, 4, 5], Layout::ChannelsFirst), ("last", [3, 5, 4], Layout::ChannelsLast)]
    {
        let full = Full::new(&dims, layout);
        let file = full.file().meta("mode", "infer");
        let result = folder.run(name, &file);
        assert_eq!(names(&result), ["dbias", "dweight", "dx", "y"]);
        full.check(&result, &full.running(), true, full.affine());
        // One value a channel is enough here, unlike in training.
        let full = Full::new(&[1, 4, 1], layout);
        let file = full.file().meta("mode", "infer").without("dy");
        assert_eq!(names(&folder.run(name, &file)), ["y"]);
    }
}

#[test]
fn weight_and_bias_are_optional_each() {
    let (folder, full) = (Folder::new(), Full::new(&[3, 4, 5], Layout::ChannelsFirst));
    let statistics = reference::statistics(full.shape, &full.x);
    let file = full.file().without("running_mean").without("running_var");
    let untracked = ["dbias", "dweight", "dx", "inv_std", "mean", "y"];

    let result = folder.run("bias", &file.clone().without("weight"));
    assert_eq!(names(&result), untracked);
    full.check(&result, &statistics, false, AffineParams { gamma: None, ..full.affine() });

    let result = folder.run("weight", &file.clone().without("bias"));
    full.check(&result, &statistics, false, AffineParams { beta: None, ..full.affine() });

    let result = folder.run("neither", &file.without("bias").without("weight"));
    full.check(&result, &statistics, false, AffineParams::default());
}

#[test]
fn rank_two_is_the_same_in_both_layouts() {
    let (folder, full) = (Folder::new(), Full::new(&[6, 5], Layout::ChannelsFirst));
    let first = folder.run("first", &full.file());
    let last = folder.run("last", &full.file().meta("layout", "channels_last"));
    full.check(&first, &reference::statistics(full.shape, &full.x), false, full.affine());
    full.check(&last, &reference::statistics(full.shape, &full.x), false, full.affine());
}

#[test]
fn an_empty_batch_is_no_error_in_inference() {
    let folder = Folder::new();
    for dims in [vec![0, 3, 2], vec![2, 3, 0]] {
        let full = Full::new(&dims, Layout::ChannelsFirst);
        let result = folder.run("case", &full.file().meta("mode", "infer"));
        assert_eq!(names(&result), ["dbias", "dweight", "dx", "y"]);
        check(&result, "y", &dims, &[]);
        check(&result, "dx", &dims, &[]);
        check(&result, "dweight", &[3], &[0.0; 3]);
        check(&result, "dbias", &[3], &[0.0; 3]);
    }
}

#[test]
fn the_result_is_the_same_every_time() {
    let folder = Folder::new();
    let path = folder.write("case", &small().bytes());
    let run = || {
        assert!(folder.replay(std::slice::from_ref(&path)).good);
        fs::read(folder.result_path("case")).unwrap()
    };
    let first = run();
    assert!(first == run());
}

#[test]
fn matching_expected_values_are_reported() {
    let (folder, full) = (Folder::new(), Full::new(&[2, 3, 2], Layout::ChannelsFirst));
    let result = folder.run("record", &full.file());
    let mut mean = f32s(&result, "mean");
    mean[1] *= 1.0 + 1e-6;
    let file = full
        .file()
        // The Python library writes it.
        .meta("format", "pt")
        .f32("expected.y", &full.dims, &f32s(&result, "y"))
        .f32("expected.mean", &[3], &mean)
        .i64("expected.num_batches_tracked", &[], &[1]);
    let answer = folder.replay(&[folder.write("again", &file.bytes())]);
    assert_eq!((answer.good, answer.errors), (true, vec![]));
    let words: Vec<Vec<&str>> =
        answer.stdout.iter().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words.len(), 3, "{:?}", answer.stdout);
    assert_eq!(words[0][..3], ["again", "mean", "absolute"]);
    let relative: f64 = words[0][5].parse().unwrap();
    assert!((9e-7..1.2e-6).contains(&relative), "{}", answer.stdout[0]);
    let exact = ["absolute", "0.00e0", "relative", "0.00e0"];
    assert_eq!(words[1], [&["again", "num_batches_tracked"], &exact[..]].concat());
    assert_eq!(words[2], [&["again", "y"], &exact[..]].concat());
    assert_eq!(answer.stdout[0].len(), answer.stdout[1].len(), "aligned");
}

#[test]
fn a_mismatch_fails_but_writes_the_result() {
    let (folder, full) = (Folder::new(), Full::new(&[2, 3, 2], Layout::ChannelsFirst));
    let result = folder.run("record", &full.file());
    let (mut y, mut dbias) = (f32s(&result, "y"), f32s(&result, "dbias"));
    y[4] += 0.125;
    y[7] = f32::NAN;
    dbias[2] = f32::INFINITY;
    let file = full.file().f32("expected.y", &full.dims, &y).f32("expected.dbias", &[3], &dbias);
    let answer = folder.replay(&[folder.write("again", &file.bytes())]);
    assert!(!answer.good);
    assert_eq!(answer.errors.len(), 1, "{:?}", answer.errors);
    let error = &answer.errors[0];
    assert!(error.starts_with("error: again: dbias misses 1 of 3 expected values"), "{error}");
    assert!(error.contains("; y misses 2 of 12 expected values"), "{error}");
    assert!(error.contains("the first at [4]"), "{error}");
    assert_eq!(answer.stdout.len(), 2);
    assert_eq!(folder.result("again"), result);
}

#[test]
fn unknown_metadata_is_ignored_but_not_in_silence() {
    let (folder, full) = (Folder::new(), Full::new(&[2, 3, 2], Layout::ChannelsFirst));
    let plain = folder.run("plain", &full.file());
    let file = full.file().meta("epsillon", "7").meta("two\nlines", "");
    let answer = folder.replay(&[folder.write("case", &file.bytes())]);
    assert_eq!((answer.good, answer.errors), (true, vec![]));
    let notes = ["epsillon", "two lines"];
    let notes = notes.map(|key| format!("case unknown metadata `{key}` is ignored"));
    assert_eq!(answer.stdout, notes);
    assert_eq!(folder.result("case"), plain);
}

#[test]
fn the_tolerance_of_the_case_counts() {
    let (folder, full) = (Folder::new(), Full::new(&[2, 3, 2], Layout::ChannelsFirst));
    let mut mean = f32s(&folder.run("record", &full.file()), "mean");
    let expected = |mean: &[f32]| full.file().f32("expected.mean", &[3], mean);
    mean[0] += 0.25;
    // A mean is about 3: the relative part of the last is short of a quarter.
    for (tolerance, good) in
        [("0.26,0", true), ("0.24, 0", false), ("0,0.2", true), ("0,0.01", false)]
    {
        let file = expected(&mean).meta("tolerance", tolerance);
        let answer = folder.replay(&[folder.write("again", &file.bytes())]);
        assert_eq!(answer.good, good, "{tolerance}: {:?}", answer.errors);
    }
    // Not even a large tolerance takes another infinity or a number for an infinity.
    mean[0] = f32::NEG_INFINITY;
    let file = expected(&mean).meta("tolerance", "1e30,1e30");
    assert!(!folder.replay(&[folder.write("again", &file.bytes())]).good);
}

#[test]
fn nan_matches_nan_and_infinity_itself() {
    let (folder, dims) = (Folder::new(), [1, 2]);
    let file = CaseFile::default()
        .meta("mode", "infer")
        .f32("x", &dims, &[f32::NAN, 1.0])
        .f32("running_mean", &[2], &[0.0, 0.0])
        .f32("running_var", &[2], &[1.0, 1.0])
        .f32("bias", &[2], &[0.0, f32::INFINITY]);
    let y = f32s(&folder.run("record", &file), "y");
    assert!(y[0].is_nan() && y[1] == f32::INFINITY, "{y:?}");
    for (expected, good) in [
        ([f32::NAN, f32::INFINITY], true),
        ([f32::NAN, f32::NEG_INFINITY], false),
        ([0.0, f32::INFINITY], false),
    ] {
        let file = file.clone().f32("expected.y", &dims, &expected);
        let answer = folder.replay(&[folder.write("again", &file.bytes())]);
        assert_eq!(answer.good, good, "{expected:?}: {:?}", answer.errors);
    }
}

/// What is wrong with a case, the case, and a part of the answer.
type Malformed = (&'static str, CaseFile, &'static str);

fn malformed_tensors() -> Vec<Malformed> {
    let channels = |n: usize| vec![1.0; n];
    vec![
        ("no x", small().without("x"), "x is missing"),
        ("x of integers", small().i64("x", &[2, 3], &[1; 6]), "x must be F32, F16 or BF16"),
        ("rank 1", small().f32("x", &[12], &values(12, 1, 0.0)), "two axes or more"),
        ("rank 0", small().f32("x", &[], &[1.0]), "two axes or more"),
        ("no channels", CaseFile::default().f32("x", &[4, 0], &[]), "number of channels"),
        (
            "an overflow that no element shows",
            small().f32("x", &[0, 3, 1 << 63], &[]).meta("mode", "infer"),
            "too many elements",
        ),
        (
            "more channels than memory",
            CaseFile::default().f32("x", &[0, 2_000_000_000], &[]),
            "at least 2 values a channel",
        ),
        ("one value", CaseFile::default().f32("x", &[1, 3], &[1.0; 3]), "at least 2 values"),
        ("channels", small().f32("weight", &[4], &channels(4)), "weight must be F32 of shape [3]"),
        ("layout", small().meta("layout", "channels_last"), "must be F32 of shape [2]"),
        ("shape of dy", small().f32("dy", &[3, 2, 2], &[0.0; 12]), "dy must be"),
        (
            "type of bias",
            small().raw("bias", Dtype::F16, &[3], vec![0; 6]),
            "bias must be F32 of shape [3], but is F16",
        ),
        ("a mean alone", small().without("running_var"), "needs running_var"),
        ("a variance alone", small().without("running_mean"), "needs running_mean"),
        (
            "inference without statistics",
            small().without("running_mean").without("running_var").meta("mode", "infer"),
            "inference needs running_mean",
        ),
        (
            "a count of less than none",
            small().i64("num_batches_tracked", &[], &[-1]),
            "num_batches_tracked must be from 0",
        ),
        (
            "a count that overflows",
            small().i64("num_batches_tracked", &[], &[u32::MAX.into()]),
            "num_batches_tracked must be from 0",
        ),
        (
            "a count with an axis",
            small().i64("num_batches_tracked", &[1], &[0]),
            "num_batches_tracked must be I64 of shape []",
        ),
        ("unknown tensor", small().f32("wieght", &[3], &channels(3)), "`wieght`"),
        ("unknown result", small().f32("expected.z", &[3], &channels(3)), "`expected.z`"),
        (
            "a result that it does not give",
            small().without("dy").f32("expected.dbias", &[3], &channels(3)),
            "gives no dbias",
        ),
        ("expected shape", small().f32("expected.y", &[12], &[0.0; 12]), "expected.y must be"),
    ]
}

fn malformed_metadata() -> Vec<Malformed> {
    [
        ("mode", "eval", "mode must be train or infer, but is `eval`"),
        ("layout", "nhwc", "layout must be"),
        ("epsilon", "-1e-5", "epsilon must be"),
        ("epsilon", "nan", "epsilon must be"),
        ("epsilon", "0", "epsilon must be"),
        ("epsilon", "small", "epsilon must be a number"),
        ("momentum", "1.5", "momentum must be from 0 to 1"),
        ("momentum", "NaN", "momentum must be from 0 to 1"),
        ("running_variance", "true", "running_variance must be"),
        ("activation", "swish", "activation must be"),
        ("activation", "leaky_relu:x", "slope of leaky_relu must be a number"),
        ("tolerance", "1e-5", "tolerance must be two numbers"),
        ("tolerance", "1e-5,-1", "tolerance must be finite"),
    ]
    .map(|(key, value, answer)| (key, small().meta(key, value), answer))
    .into()
}

fn malformed_extras() -> Vec<Malformed> {
    let halves = |name| small().raw(name, Dtype::F16, &[2, 3, 2], vec![0; 24]);
    vec![
        ("residual's shape", small().f32("residual", &[2, 3], &[0.0; 6]), "residual must be F32"),
        ("residual's type", halves("residual"), "residual must be F32"),
        ("dy's type", halves("dy"), "dy must be F32"),
        ("mask's shape", small().f32("mask", &[3], &[1.0; 3]), "mask must be F32 of shape [2] or"),
        ("mask's axes", small().f32("mask", &[2, 3], &[1.0; 6]), "[2] or [2, 2], but is F32"),
        ("mask's sign", small().f32("mask", &[2], &[1.0, -1.0]), "mask must be finite and 0"),
        ("mask's numbers", small().f32("mask", &[2], &[1.0, f32::NAN]), "mask must be finite"),
        (
            "slope",
            small().meta("activation", "leaky_relu:inf"),
            "slope of leaky ReLU must be finite",
        ),
        ("dresidual", small().f32("expected.dresidual", &[2, 3, 2], &[0.0; 12]), "no dresidual"),
    ]
}

/// Everything at once, in 16 bits: what is like x has its type, and masked positions hold 0.
#[test]
fn residual_mask_activation_and_halves() {
    let folder = Folder::new();
    let values = |seed: usize| -> Vec<f32> {
        (0..24).map(|i| ((i * 7 + seed * 5) % 11) as f32 / 4.0 - 1.0).collect()
    };
    let (x, dy, residual) = (values(1), values(2), values(3));
    let mask = [1.0, 0.0, 2.0, 1.0];
    // Multiples of 1/4 are exact in either type.
    let encode = |values: &[f32]| -> Vec<u8> {
        values.iter().flat_map(|&v| half::bf16::from_f32(v).to_le_bytes()).collect()
    };
    let dims = [2, 3, 2, 2];
    let file = CaseFile::default()
        .meta("epsilon", "1e-3")
        .raw("x", Dtype::BF16, &dims, encode(&x))
        .raw("dy", Dtype::BF16, &dims, encode(&dy))
        .raw("residual", Dtype::BF16, &dims, encode(&residual))
        .f32("mask", &[2, 2, 2], &[mask, mask].concat())
        .meta("activation", "gelu");
    let result = folder.run("case", &file);
    let shape = Shape::nchw(2, 3, 2, 2);
    let mask = [mask, mask].concat();
    let extras = reference::Extras {
        activation: Activation::Gelu,
        residual: Some(&residual),
        weights: Some(&mask),
        corrections: None,
    };
    let statistics = reference::weighted_statistics(shape, &x, extras);
    let affine = AffineParams::default();
    let y = reference::forward(shape, &x, &statistics, EPSILON, affine, extras);
    let gradients =
        reference::backward_with(shape, &x, &dy, &statistics, false, EPSILON, affine, extras);
    for (name, want) in [("y", y), ("dx", gradients.dx), ("dresidual", gradients.dresidual)] {
        let (dtype, have_dims, bytes) = &result[name];
        assert_eq!((*dtype, &have_dims[..]), (Dtype::BF16, &dims[..]), "{name}");
        for (i, (have, want)) in bytes.chunks_exact(2).zip(&want).enumerate() {
            let have = half::bf16::from_le_bytes([have[0], have[1]]).to_f64();
            assert!(
                (have - want).abs() <= want.abs() / 128.0 + 1e-5,
                "{name}[{i}]: {have}, {want}"
            );
            if mask[i / 12 * 4 + i % 4] == 0.0 {
                assert_eq!(have, 0.0, "{name}[{i}]");
            }
        }
    }
    check(&result, "mean", &[3], &statistics.mean);
    check(&result, "dbias", &[3], &gradients.dbeta);
    check(&result, "dweight", &[3], &gradients.dgamma);
}

#[test]
fn a_malformed_case_is_one_line_and_no_file() {
    let folder = Folder::new();
    folder.run("small", &small());
    folder.run("small_inference", &small().meta("mode", "infer"));
    let cases = [malformed_tensors(), malformed_metadata(), malformed_extras()].concat();
    let paths: Vec<_> = cases
        .iter()
        .enumerate()
        .map(|(i, (_, file, _))| folder.write(&format!("case{i}"), &file.bytes()))
        .collect();
    let answer = folder.replay(&paths);
    assert!(!answer.good);
    assert_eq!(answer.stdout, [""; 0]);
    assert_eq!(answer.errors.len(), cases.len(), "{:#?}", answer.errors);
    for (i, ((what, _, part), line)) in cases.iter().zip(&answer.errors).enumerate() {
        let message = line.strip_prefix(&format!("error: case{i}: "));
        assert!(message.is_some_and(|m| m.contains(part)), "{what}: `{part}` not in: {line}");
        assert!(!folder.result_path(&format!("case{i}")).exists(), "{what}: wrote a file");
    }
}

#[test]
fn a_file_that_is_no_case_is_one_line_and_no_file() {
    let (folder, whole) = (Folder::new(), small().bytes());
    let paths = [
        folder.write("empty", b""),
        folder.write("short", &whole[..5]),
        folder.write("header", &whole[..40]),
        folder.write("data", &whole[..whole.len() - 1]),
        folder.write("text", b"these bytes are not a header of a safetensors file"),
        folder.0.join("missing.safetensors"),
        folder.0.clone(),
        PathBuf::from("/"),
    ];
    let answer = folder.replay(&paths);
    assert!(!answer.good);
    assert_eq!(answer.errors.len(), paths.len(), "{:#?}", answer.errors);
    for (name, line) in ["empty", "short", "header", "data", "text"].iter().zip(&answer.errors) {
        let start = format!("error: {name}: not a complete safetensors file");
        assert!(line.starts_with(&start), "{line}");
    }
    assert!(answer.errors[5].starts_with("error: missing: cannot read"), "{}", answer.errors[5]);
    assert_eq!(fs::read_dir(folder.0.join("out")).unwrap().count(), 0);
}

#[test]
fn all_cases_are_tried_and_none_replaces_another() {
    let folder = Folder::new();
    let other = small().f32("weight", &[3], &[2.0; 3]);
    let itself = small().bytes();
    let paths = [
        folder.write("bad", b""),
        folder.write("same", &small().bytes()),
        folder.write("elsewhere/same", &other.bytes()),
        folder.write("out/itself", &itself),
        folder.write("with.dot", &small().bytes()),
    ];
    let answer = folder.replay(&paths);
    assert!(!answer.good);
    let [bad, same, replaces] = &answer.errors[..] else { panic!("{:#?}", answer.errors) };
    assert!(bad.starts_with("error: bad: "), "{bad}");
    assert!(same.starts_with("error: same: an earlier case has the same name"), "{same}");
    assert!(replaces.starts_with("error: itself: the result would replace the case"), "{replaces}");
    assert!(fs::read(&paths[3]).unwrap() == itself);
    let result = folder.run("alone", &small());
    assert_eq!(folder.result("same"), result);
    assert_eq!(folder.result("with.dot"), result);
}

#[test]
fn without_its_adapter_every_case_fails() {
    let folder = Folder::new();
    let paths = ["a", "b"].map(|name| folder.write(name, &small().bytes()));
    let answer = folder.replay_on(Some("no adapter is called this"), &paths);
    assert!(!answer.good);
    assert_eq!(answer.errors.len(), 2);
    assert!(answer.errors[1].starts_with("error: b: no adapter whose name"), "{:?}", answer.errors);
    assert_eq!(fs::read_dir(folder.0.join("out")).unwrap().count(), 0);
}
