//! The same thing many times: nothing is left behind, no bit changes, and threads do not meet.

use crate::cases::Random;
use crate::step::{Outcome, Step, layers};
use crate::{child, device};
use std::collections::BTreeSet;
use wgpu_batchnorm::{BatchNorm, BatchNormDescriptor, Context, Shape, wgpu};

/// A shape for each mapping, of which two are split over workgroups.
const SHAPES: [Shape; 3] =
    [Shape::ncl(3, 2, 20_000), Shape::nchw(8, 40, 7, 7), Shape::channels_last(9_000, 24)];

fn data(shape: Shape) -> (Vec<f32>, Vec<f32>) {
    let n = shape.elements() as usize;
    (Random(1).normals(n, 3.0), Random(2).normals(n, 0.0))
}

/// What wgpu has of a device, by its own counters.
fn alive(context: &Context) -> [(&'static str, isize); 10] {
    // Whatever is dropped is given back once the queue is seen to be done with it.
    context.device().poll(wgpu::PollType::wait_indefinitely()).expect("a poll");
    let hal = context.device().get_internal_counters().hal;
    [
        ("buffers", hal.buffers.read()),
        ("bind groups", hal.bind_groups.read()),
        ("bind group layouts", hal.bind_group_layouts.read()),
        ("pipeline layouts", hal.pipeline_layouts.read()),
        ("compute pipelines", hal.compute_pipelines.read()),
        ("shader modules", hal.shader_modules.read()),
        ("command encoders", hal.command_encoders.read()),
        ("fences", hal.fences.read()),
        ("bytes of buffers", hal.buffer_memory.read()),
        ("allocations", hal.memory_allocations.read()),
    ]
}

/// Bytes of this process that are in memory.
fn resident() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split_whitespace().nth(1)?.parse::<u64>().ok()? * 4096)
}

/// A layer, its state and its passes are made, run and dropped a thousand times. wgpu's counters
/// end exactly where they began. Memory may grow by what allocators keep: 4 KiB a cycle at most,
/// half of any tensor of a cycle.
///
/// Every tenth layer compiles its kernels; with `WGPU_BATCHNORM_LONG` set, every one does, which
/// takes a minute on two cores.
#[test]
fn a_thousand_cycles_leave_nothing_behind() {
    const CYCLES: u64 = 1000;
    const SHAPE: Shape = Shape::nc(64, 32);
    if !child::is_one() {
        // Alone, since others' memory would count.
        let answers = child::run("endurance::a_thousand_cycles_leave_nothing_behind", &[]);
        return answers.iter().for_each(|answer| println!("{answer}"));
    }
    let Some(context) = device::with_max_binding(1 << 27) else { return };
    let (x, dy) = data(SHAPE);
    let compile_every = if std::env::var_os("WGPU_BATCHNORM_LONG").is_some() { 1 } else { 10 };
    let descriptor = BatchNormDescriptor::default();
    let compile = || BatchNorm::new(context.device(), &descriptor).expect("a layer");
    let compiled = compile();
    Step::bind(&context, &compiled, SHAPE, &x, &dy).expect("a step");
    let mut first = None;
    let mut cycle = |number: u64| {
        let bn = match number % compile_every {
            0 => compile(),
            _ => compiled.with_descriptor(&descriptor).expect("a layer"),
        };
        let step = Step::bind(&context, &bn, SHAPE, &x, &dy).expect("a step");
        let outcome = step.run().expect("a run");
        assert_eq!(first.get_or_insert(outcome.hash()), &outcome.hash());
    };
    // Pools of the driver and of wgpu fill up.
    (0..100).for_each(&mut cycle);
    let (before, bytes) = (alive(&context), resident());
    (0..CYCLES).for_each(&mut cycle);
    assert_eq!(alive(&context), before);
    // That the counters count: a bound step is seen.
    let bn = compile();
    let held = Step::bind(&context, &bn, SHAPE, &x, &dy).expect("a step");
    let more = |name| {
        let of = |counters: [(_, isize); 10]| counters.into_iter().find(|c| c.0 == name);
        of(alive(&context)).expect("a counter").1 - of(before).expect("a counter").1
    };
    assert!(more("buffers") >= 8 && more("compute pipelines") >= 2 && more("bind groups") >= 2);
    drop(held);
    if let (Some(before), Some(after)) = (bytes, resident()) {
        let grown = after.saturating_sub(before);
        child::answer(format!("{CYCLES} cycles grew the process by {} KiB", grown >> 10));
        assert!(grown <= CYCLES * (4 << 10), "{grown} bytes more than {before}");
    }
}

/// Threads that share a device and the kernels bind, record, submit and read at once. Each result is
/// right, and has the bits that it has when nothing else runs.
#[test]
fn eight_threads_bind_and_record_at_once() {
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 12;
    let Some(context) = device::context() else { return };
    // Shapes that differ between the threads at any time.
    let case = |thread: u64, round: u64| {
        let shape = [
            Shape::nc(40 + thread as u32, 12),
            Shape::ncl(3, 5, 100 + round as u32),
            Shape::channels_last(300 + 8 * thread, 40),
            Shape::nchw(4, 6, 8, 8),
        ][((thread + round) % 4) as usize];
        let (n, seed) = (shape.elements() as usize, 2 * (thread * ROUNDS + round));
        (shape, Random(seed).normals(n, thread as f32), Random(seed + 1).normals(n, 0.0))
    };
    for (kind, bn) in layers(context) {
        let run = |thread, round| {
            let (shape, x, dy) = case(thread, round);
            Step::bind(context, &bn, shape, &x, &dy).expect("a step").run().expect("a run")
        };
        let start = std::sync::Barrier::new(THREADS as usize);
        let together: Vec<Vec<Outcome>> = std::thread::scope(|scope| {
            let worker = |thread| {
                let (run, start) = (&run, &start);
                scope.spawn(move || {
                    start.wait();
                    (0..ROUNDS).map(|round| run(thread, round)).collect()
                })
            };
            let threads: Vec<_> = (0..THREADS).map(worker).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        for (thread, outcomes) in (0..).zip(&together) {
            for (round, outcome) in (0..).zip(outcomes) {
                let (shape, x, dy) = case(thread, round);
                let what = format!("{kind}, thread {thread}, round {round}, {shape}");
                outcome.assert_right(&what, shape, &x, &dy);
                assert_eq!(outcome.hash(), run(thread, round).hash(), "{what}");
            }
        }
    }
}

/// One hash of all runs of all shapes for each way to plan.
fn hashes(context: &Context, runs: usize) -> Vec<String> {
    let mut hashes = Vec::new();
    for (kind, bn) in layers(context) {
        for shape in SHAPES {
            let (x, dy) = data(shape);
            let step = Step::bind(context, &bn, shape, &x, &dy).expect("a step");
            let run = |_| step.run().expect("a run");
            let different: BTreeSet<u64> = (0..runs).map(run).map(|o: Outcome| o.hash()).collect();
            assert_eq!(different.len(), 1, "{kind}, {shape}: {different:x?}");
            hashes.push(format!("{kind}, {shape}: {:016x}", different.first().expect("a run")));
        }
    }
    hashes
}

/// y, dx and the running statistics of a hundred runs have one hash, on however many threads the
/// driver runs workgroups.
#[test]
fn a_hundred_runs_have_one_hash() {
    let Some(context) = device::context() else { return };
    if child::is_one() {
        return hashes(context, 1).iter().for_each(child::answer);
    }
    let want = hashes(context, 100);
    if !context.adapter_info().name.starts_with("llvmpipe") {
        println!("skipped: threads of lavapipe, since {} is none", context.adapter_info().name);
        return;
    }
    for threads in ["0", "1", "2", "4"] {
        let vars = [("LP_NUM_THREADS", threads)];
        let have = child::run("endurance::a_hundred_runs_have_one_hash", &vars);
        assert_eq!(have, want, "LP_NUM_THREADS={threads}");
    }
}
