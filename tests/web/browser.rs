//! The kernels in a browser: the cases of the native tests, and what is asynchronous there.
//!
//! `cargo test` in this folder, with the target `wasm32-unknown-unknown`, `wasm-bindgen-test-runner` and a browser's
//! driver.

#![cfg(all(test, target_arch = "wasm32"))]

// What the native tests share with these, of which each uses a part.
#[allow(dead_code)]
#[path = "../gpu/cases.rs"]
mod cases;
#[allow(dead_code)]
#[path = "../gpu/check.rs"]
mod check;
#[allow(dead_code)]
#[path = "../gpu/guarded.rs"]
mod guarded;
#[path = "../gpu/read.rs"]
mod read;
#[path = "../gpu/tolerance.rs"]
mod tolerance;

use cases::{Case, Random, SOME};
use check::Layers;
use wasm_bindgen_test::{console_log, wasm_bindgen_test, wasm_bindgen_test_configure};
use wgpu_batchnorm::reference::{self, AffineParams};
use wgpu_batchnorm::{BufferRange, Context, ContextOptions, Element, Row, Shape, State, cpu};

wasm_bindgen_test_configure!(run_in_browser);

async fn context() -> Context {
    Context::request(&ContextOptions::default()).await.expect("an adapter with WebGPU")
}

/// One case after the other, each of which says its name before it fails.
async fn check_all(context: &Context, cases: &[Case]) {
    let layers = Layers::new(context, |adapter| adapter);
    for case in cases {
        layers.agrees(case).await;
    }
    console_log!("{} cases agree", cases.len());
}

#[wasm_bindgen_test]
async fn plain_cases_agree_with_the_reference() {
    check_all(&context().await, &cases::plain_cases()).await;
}

#[wasm_bindgen_test]
async fn fused_cases_agree_with_the_reference() {
    check_all(&context().await, &cases::fused_cases(SOME.len())).await;
}

/// Where the browser's device converts halves exactly, kernels that let it.
#[wasm_bindgen_test]
async fn halves_agree_as_they_were_probed() {
    let context = context().await;
    let probed = context.probe_async().await.expect("an answer");
    if !probed.exact_f16 {
        console_log!("skipped: this device converts otherwise");
        return;
    }
    let mut cases = cases::fused_cases(2);
    cases.retain(|case| case.descriptor.element == Element::F16);
    assert!(cases.len() >= 16, "there are {}", cases.len());
    let layers = Layers::new(&context, |_| probed);
    for case in &cases {
        layers.agrees(case).await;
    }
}

#[wasm_bindgen_test]
async fn what_was_uploaded_comes_back() {
    let context = context().await;
    let values = Random(9).normals(1000, 0.0);
    let buffer = context.upload(&values).expect("a buffer");
    assert_eq!(context.download_async(&buffer).await.expect("values"), values);
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let range = BufferRange::new(&buffer, 5, 11);
    assert_eq!(context.download_bytes_async(range).await.expect("bytes"), bytes[5..16]);
}

#[wasm_bindgen_test]
async fn a_snapshot_brings_a_state_back() {
    let context = context().await;
    let (device, queue) = (context.device(), context.queue());
    let state = State::new(device, 5);
    state.set(queue, Row::RunningMean, &Random(3).normals(5, 1.0)).expect("five values");
    state.set_batches(queue, 7).expect("a state");
    let snapshot = context.snapshot_async(&state).await.expect("a snapshot");
    let other = State::new(device, Shape::nc(1, 5).channels());
    other.load(queue, &snapshot).expect("as many channels");
    assert_eq!(context.snapshot_async(&other).await.expect("a snapshot"), snapshot);
}

/// In the one thread that there is.
#[wasm_bindgen_test]
fn the_cpu_agrees_with_the_reference() {
    for shape in [Shape::ncl(8, 40, 300), Shape::channels_last(9_001, 12)] {
        let x = Random(4).normals(shape.elements() as usize, 2.0);
        let (mut y, affine) = (vec![f32::NAN; x.len()], AffineParams::default());
        cpu::training(shape, &x, &mut y, 1e-5, affine);
        let statistics = reference::statistics(shape, &x);
        let want = reference::normalize(shape, &x, &statistics, 1e-5, affine);
        tolerance::assert_close("y", &y, &want, tolerance::Y, 0.0);
    }
}
