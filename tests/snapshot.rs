//! Snapshots in safetensors files: exact, under PyTorch's names, and what malformed files give.

#![cfg(feature = "safetensors")]

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use wgpu_batchnorm::{Error, Snapshot};

/// Every kind of number, signalling NaN included.
const STRANGE: [u32; 6] = [0x7f80_0001, 0xffc0_1234, 0x8000_0000, 1, 0xff80_0000, 0x3f80_0001];

fn strange() -> Snapshot {
    let row = |turn: usize| (0..6).map(|i| f32::from_bits(STRANGE[(i + turn) % 6])).collect();
    Snapshot {
        gamma: row(0),
        beta: row(1),
        running_mean: row(2),
        running_var: row(3),
        batches: u32::MAX,
    }
}

fn bits(snapshot: &Snapshot) -> Vec<u32> {
    let Snapshot { gamma, beta, running_mean, running_var, batches } = snapshot;
    let rows = [gamma, beta, running_mean, running_var].into_iter().flatten();
    rows.map(|value| value.to_bits()).chain([*batches]).collect()
}

/// Name, type, shape and bytes of an entry.
type Raw = (&'static str, Dtype, Vec<usize>, Vec<u8>);

fn row(name: &'static str, values: &[f32]) -> Raw {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    (name, Dtype::F32, vec![values.len()], bytes)
}

fn count(value: i64) -> Raw {
    ("bn.num_batches_tracked", Dtype::I64, vec![], value.to_le_bytes().to_vec())
}

/// A layer of two channels as PyTorch writes it, entry by entry.
fn layer() -> Vec<Raw> {
    vec![
        row("bn.weight", &[1.5, -2.0]),
        row("bn.bias", &[0.25, 3.0]),
        row("bn.running_mean", &[10.0, -1e-3]),
        row("bn.running_var", &[4.0, 1e9]),
        count(7),
    ]
}

fn file(entries: &[Raw]) -> Vec<u8> {
    let views = entries.iter().map(|(name, dtype, shape, bytes)| {
        (*name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

/// Reads a layer after its entry of that name was exchanged, or left out.
fn with(name: &str, entry: Option<Raw>) -> Result<Snapshot, Error> {
    let mut entries: Vec<Raw> = layer().into_iter().filter(|e| e.0 != name).collect();
    entries.extend(entry);
    Snapshot::from_safetensors(&file(&entries), "bn")
}

#[track_caller]
fn assert_invalid(error: Error, want_name: &str, want_expected: &str, want_found: &str) {
    let Error::InvalidEntry { name, expected, found } = error else { panic!("{error}") };
    assert_eq!((&*name, &*expected, &*found), (want_name, want_expected, want_found));
}

#[test]
fn files_hold_every_bit() {
    let snapshot = strange();
    for prefix in ["", "bn", "layer1.0.bn1", "naïve/層"] {
        let bytes = snapshot.to_safetensors(prefix).unwrap();
        let read = Snapshot::from_safetensors(&bytes, prefix).unwrap();
        assert_eq!(bits(&read), bits(&snapshot), "{prefix}");
    }
}

#[test]
fn names_types_and_shapes_are_those_of_pytorch() {
    let bytes = Snapshot::new(3).to_safetensors("layer1.0.bn1").unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut found: Vec<_> = tensors.iter().map(|(n, t)| (n, t.dtype(), t.shape().len())).collect();
    found.sort_by_key(|entry| entry.0);
    let want = [
        ("layer1.0.bn1.bias", Dtype::F32, 1),
        ("layer1.0.bn1.num_batches_tracked", Dtype::I64, 0),
        ("layer1.0.bn1.running_mean", Dtype::F32, 1),
        ("layer1.0.bn1.running_var", Dtype::F32, 1),
        ("layer1.0.bn1.weight", Dtype::F32, 1),
    ];
    assert_eq!(found, want);
    let bytes = Snapshot::new(3).to_safetensors("").unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.tensor("weight").unwrap().shape(), [3]);
}

#[test]
fn a_layer_is_read_entry_by_entry() {
    let want = Snapshot {
        gamma: vec![1.5, -2.0],
        beta: vec![0.25, 3.0],
        running_mean: vec![10.0, -1e-3],
        running_var: vec![4.0, 1e9],
        batches: 7,
    };
    assert_eq!(Snapshot::from_safetensors(&file(&layer()), "bn").unwrap(), want);
}

#[test]
fn many_layers_share_a_file() {
    let layers = [("bn1", Snapshot::new(4)), ("layer1.bn1", strange()), ("", Snapshot::new(1))];
    let entries: Vec<_> = layers.iter().flat_map(|(p, layer)| layer.entries(p).unwrap()).collect();
    let bytes = safetensors::serialize(entries, None).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    for (prefix, layer) in &layers {
        let read = Snapshot::from_tensors(&tensors, prefix).unwrap();
        assert_eq!(bits(&read), bits(layer), "{prefix}");
    }
}

#[test]
fn what_pytorch_may_leave_out_has_a_default() {
    let old: Vec<_> = layer().into_iter().filter(|e| !e.0.ends_with("tracked")).collect();
    assert_eq!(Snapshot::from_safetensors(&file(&old), "bn").unwrap().batches, 0);
    let plain: Vec<_> =
        layer().into_iter().filter(|e| e.0 != "bn.weight" && e.0 != "bn.bias").collect();
    let read = Snapshot::from_safetensors(&file(&plain), "bn").unwrap();
    assert_eq!((read.gamma, read.beta, read.batches), (vec![1.0; 2], vec![0.0; 2], 7));
}

#[test]
fn a_missing_entry_is_named() {
    for (name, expected) in [
        ("bn.weight", "F32 of shape [2]"),
        ("bn.bias", "F32 of shape [2]"),
        ("bn.running_mean", "F32 of shape [C]"),
        ("bn.running_var", "F32 of shape [2]"),
    ] {
        let want = Error::MissingEntry { name: name.into(), expected: expected.into() };
        assert_eq!(with(name, None).unwrap_err(), want);
    }
    let error = Snapshot::from_safetensors(&file(&layer()), "other").unwrap_err();
    assert!(error.to_string().contains("`other.running_mean`"), "{error}");
}

#[test]
fn misshapen_entries_are_named() {
    for name in ["bn.weight", "bn.bias", "bn.running_var"] {
        let error = with(name, Some(row(name, &[1.0, 2.0, 3.0]))).unwrap_err();
        assert_invalid(error, name, "F32 of shape [2]", "F32 of shape [3]");
        let matrix = (name, Dtype::F32, vec![2, 1], vec![0; 8]);
        let error = with(name, Some(matrix)).unwrap_err();
        assert_invalid(error, name, "F32 of shape [2]", "F32 of shape [2, 1]");
        let half = (name, Dtype::F16, vec![2], vec![0; 4]);
        let error = with(name, Some(half)).unwrap_err();
        assert_invalid(error, name, "F32 of shape [2]", "F16 of shape [2]");
    }
    let name = "bn.running_mean";
    let error = with(name, Some((name, Dtype::F64, vec![2], vec![0; 16]))).unwrap_err();
    assert_invalid(error, name, "F32 of shape [C]", "F64 of shape [2]");
    let error = with(name, Some((name, Dtype::F32, vec![], vec![0; 4]))).unwrap_err();
    assert_invalid(error, name, "F32 of shape [C]", "F32 of shape []");
    assert_eq!(with(name, Some(row(name, &[]))).unwrap_err(), Error::InvalidChannels(0));
}

#[test]
fn counts_fit_32_bits() {
    let name = "bn.num_batches_tracked";
    assert_eq!(with(name, Some(count(u32::MAX as i64))).unwrap().batches, u32::MAX);
    for value in [-1, i64::MIN, u32::MAX as i64 + 1, i64::MAX] {
        let error = with(name, Some(count(value))).unwrap_err();
        assert_invalid(error, name, "a count from 0 to 4294967295", &value.to_string());
    }
    let one = (name, Dtype::I64, vec![1], 9i64.to_le_bytes().to_vec());
    assert_eq!(with(name, Some(one)).unwrap().batches, 9);
    let two = (name, Dtype::I64, vec![2], vec![0; 16]);
    let error = with(name, Some(two)).unwrap_err();
    assert_invalid(error, name, "I64 of shape []", "I64 of shape [2]");
    let other = (name, Dtype::U64, vec![], vec![0; 8]);
    let error = with(name, Some(other)).unwrap_err();
    assert_invalid(error, name, "I64 of shape []", "U64 of shape []");
}

#[test]
fn other_bytes_are_no_file() {
    let whole = file(&layer());
    let text = b"these bytes are not a header of a safetensors file";
    for bytes in [&[][..], &[0; 7], text, &whole[..whole.len() - 1], &whole[..20]] {
        let error = Snapshot::from_safetensors(bytes, "bn").unwrap_err();
        assert!(matches!(error, Error::Safetensors(_)), "{error}");
    }
}

#[test]
fn rows_of_different_lengths_are_not_written() {
    let ragged = Snapshot { beta: vec![0.0; 4], ..Snapshot::new(3) };
    let want = Error::LengthMismatch { name: "beta", need: 3, have: 4 };
    assert_eq!(ragged.to_safetensors("bn").unwrap_err(), want);
    assert_eq!(ragged.entries("bn").unwrap_err(), want);
}
