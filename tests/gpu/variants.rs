//! Every kernel variant against the reference, over the table of cases.

use crate::cases::{Case, SOME, Weighting, fused_cases, plain_cases};
use crate::check::Layers;
use crate::child;
use crate::device;
use wgpu_batchnorm::plan::{Adapter, Mapping, Pass, Plan, Request};
use wgpu_batchnorm::{Activation, BatchNormDescriptor, Element, Shape, wgpu};

/// As the adapter plans them.
#[test]
fn plain_cases_agree_with_the_reference() {
    if let Some(context) = device::context() {
        let layers = Layers::new(context, |adapter| adapter);
        layers.check_all(&plain_cases());
    }
}

/// As the adapter plans them.
#[test]
fn fused_cases_agree_with_the_reference() {
    if let Some(context) = device::context() {
        let layers = Layers::new(context, |adapter| adapter);
        layers.check_all(&fused_cases(SOME.len()));
    }
}

/// All plain cases and some fused ones, as they are planned for a GPU: large workgroups, many lanes.
#[test]
fn cases_agree_as_planned_for_a_gpu() {
    if let Some(context) = device::context() {
        let layers = Layers::new(context, |adapter| Adapter { is_cpu: false, ..adapter });
        layers.check_all(&[plain_cases(), fused_cases(13)].concat());
    }
}

/// The same, as they are planned for a software adapter: small tensors in tiles, too.
#[test]
fn cases_agree_in_tiles() {
    if let Some(context) = device::context() {
        let layers = Layers::new(context, |adapter| Adapter {
            is_cpu: true,
            cores: 4,
            tiles_from: 0,
            ..adapter
        });
        layers.check_all(&[plain_cases(), fused_cases(29), whole_channels(), seams()].concat());
    }
}

/// A strip of whole channels, and what one feature in 29 leaves out of it.
fn whole_channels() -> Vec<Case> {
    let case = Case::new(Shape::nc(40, 264));
    let of = |descriptor| Case { descriptor, ..case.clone() };
    let plain = BatchNormDescriptor::default;
    vec![
        of(BatchNormDescriptor { renormalize: true, ..plain() }),
        of(BatchNormDescriptor { element: Element::F16, ..plain() }),
        of(BatchNormDescriptor { element: Element::BF16, ..plain() }),
        Case { in_place: true, ..case.clone() },
    ]
}

/// Lines of which no pair is in no round, though the last has no other; of which some are; and of which only gradients
/// through constants are summed, in two rounds; and where two channels are in a pair, what is fused.
fn seams() -> Vec<Case> {
    let plain = [Shape::ncl(8, 9, 128), Shape::ncl(8, 9, 144), Shape::ncl(16, 8, 135)];
    let fused = |shape| {
        let activation = Activation::Silu;
        let descriptor = BatchNormDescriptor { activation, ..Default::default() };
        Case { descriptor, residual: true, in_place: true, ..Case::new(shape) }
    };
    let fused = [Shape::ncl(16, 16, 1_027), Shape::ncl(8, 20, 132)].map(fused);
    plain.map(Case::new).into_iter().chain(fused).collect()
}

/// Those where memory is seen in order, as they are planned for more cores than four.
#[test]
fn cases_agree_as_planned_for_many_cores() {
    if let Some(context) = device::context() {
        let layers = Layers::new(context, |adapter| Adapter {
            is_cpu: true,
            cores: 24,
            tiles_from: 0,
            ..adapter
        });
        layers.check_all(&plain_cases().into_iter().skip(1).step_by(3).collect::<Vec<_>>());
    }
}

/// lavapipe's vectors have 128 bits on ARM and on old processors, for which Mesa compiles otherwise.
#[test]
fn some_cases_agree_on_narrow_vectors() {
    let Some(context) = device::context() else { return };
    if !child::is_one() {
        if !context.adapter_info().name.starts_with("llvmpipe") {
            println!("skipped: {} is not lavapipe", context.adapter_info().name);
            return;
        }
        // Mesa keeps compiled kernels by their text, and takes those of another width for its own.
        let vars = [("LP_NATIVE_VECTOR_WIDTH", "128"), ("MESA_SHADER_CACHE_DISABLE", "true")];
        child::run("variants::some_cases_agree_on_narrow_vectors", &vars);
        return;
    }
    let layers = Layers::new(context, |adapter| adapter);
    for shape in SOME {
        layers.check(&Case::new(shape));
    }
}

/// Of 16-bit elements that the device converts, as the adapter plans them and as for a GPU.
#[test]
fn halves_agree_that_the_device_converts() {
    let Some(context) = device::context() else { return };
    let probed = context.probe().expect("an answer");
    if !probed.exact_f16 {
        println!("skipped: {} converts otherwise", context.adapter_info().name);
        return;
    }
    let mut cases = fused_cases(2);
    cases.retain(|case| case.descriptor.element == Element::F16);
    assert!(cases.len() >= 16, "there are {}", cases.len());
    for is_cpu in [probed.is_cpu, false] {
        Layers::new(context, |_| Adapter { is_cpu, ..probed }).check_all(&cases);
    }
}

/// A third of the plain cases, as they are planned for a software adapter of wider vectors.
#[test]
fn cases_agree_as_planned_for_wide_vectors() {
    if let Some(context) = device::context() {
        let layers =
            Layers::new(context, |adapter| Adapter { is_cpu: true, subgroup: 16, ..adapter });
        layers.check_all(&plain_cases().into_iter().step_by(3).collect::<Vec<_>>());
        // Of vectors too wide for lines, also long ones are runs, whose gradients are summed in segments.
        let layers =
            Layers::new(context, |adapter| Adapter { is_cpu: true, subgroup: 32, ..adapter });
        layers.check(&Case::new(Shape::ncl(8, 40, 8_203)));
    }
}

/// A device that nobody asked for features moves words of 32 bits, on a software adapter too.
#[test]
fn some_cases_agree_without_features() {
    let Some(context) = device::with_limits(&[wgpu::Limits::default()]) else { return };
    let context = &context[0];
    assert!(!context.device().features().contains(wgpu::Features::SHADER_INT64));
    let as_it_is = Layers::new(context, |adapter| adapter);
    let tiles = Layers::new(context, |adapter| Adapter { is_cpu: true, tiles_from: 0, ..adapter });
    for element in [Element::F32, Element::F16] {
        let descriptor = BatchNormDescriptor { element, ..Default::default() };
        let of = |shape| Case { descriptor: descriptor.clone(), ..Case::new(shape) };
        as_it_is.check_all(&[of(Shape::ncl(6, 9, 64)), of(Shape::nc(96, 20))]);
        tiles.check_all(&[of(Shape::channels_last(1_000, 64)), of(Shape::ncl(6, 20, 256))]);
        as_it_is.check_all(&[of(Shape::ncl(8, 40, 49))]);
    }
}

/// Tensors that no binding covers are walked in pieces: outer ranges, channel ranges, and parts of
/// a single row.
#[test]
fn tensors_beyond_one_binding_agree() {
    let Some(context) = device::with_max_binding(1 << 16) else { return };
    let layers = Layers::new(&context, |adapter| adapter);
    let shapes = [
        Shape::ncl(40, 8, 100),
        Shape::ncl(40, 7, 99),
        Shape::ncl(40, 40, 49),
        Shape::ncl(3, 12, 4_000),
        Shape::ncl(3, 5, 4_001),
        Shape::ncl(2, 2, 40_000),
        Shape::ncl(1, 1, 100_001),
        Shape::nc(5_000, 12),
        Shape::channels_last(20_000, 5),
        Shape::channels_last(3_000, 64),
    ];
    for shape in shapes {
        for offset in [0, 3] {
            layers.check(&Case { offset, ..Case::new(shape) });
        }
        let descriptor = BatchNormDescriptor { element: Element::F16, ..Default::default() };
        let halves = Case { descriptor, offset: 3, residual: true, ..Case::new(shape) };
        layers.check(&halves);
        // Weights take one binding.
        if shape.count() * 4 + 256 <= 1 << 16 {
            layers.check(&Case { weights: Weighting::Position, ..halves });
            layers.check(&Case { weights: Weighting::Position, ..Case::new(shape) });
        }
    }
    // Strips, of which the last piece has two rows.
    let swept = Layers::new(&context, |adapter| Adapter { tiles_from: 0, ..adapter });
    swept.check(&Case::new(Shape::channels_last(512, 64)));
    // Of several channels a quad, and of lines.
    swept.check(&Case::new(Shape::channels_last(2_080, 12)));
    swept.check(&Case::new(Shape::ncl(130, 64, 5)));
    // A piece of what is left over after the others.
    swept.check(&Case::new(Shape::channels_last(2_091, 12)));
    swept.check(&Case::new(Shape::ncl(67, 12, 49)));
}

/// Dispatches whose grids have workgroups beyond the last, which have nothing to do: lavapipe runs their loops all the
/// same, with all lanes off. Which shapes have such grids depends on the width of vectors.
#[test]
fn grids_of_two_dimensions_agree() {
    const SUBGROUP: u32 = 8;
    let Some(context) = device::context() else { return };
    let adapter = Layers::new(context, |adapter| adapter).adapter();
    if adapter.is_cpu && adapter.subgroup > SUBGROUP {
        println!("skipped: the vectors of {} are wider", context.adapter_info().name);
        return;
    }
    let cases = [
        (Mapping::Rows, Shape::ncl(17, 53, 100), 23),
        (Mapping::Columns, Shape::channels_last(9_001, 12), 12),
        (Mapping::Lines, Shape::ncl(8, 600, 132), 16),
        (Mapping::Lines, Shape::ncl(1, 2_008, 1_003), 45),
        (Mapping::Runs, Shape::ncl(8, 1_040, 49), 16),
        (Mapping::Strips, Shape::channels_last(3_000, 50), 2),
        (Mapping::Strips, Shape::nc(60, 10_000), 4),
        (Mapping::Tiles, Shape::ncl(17, 3_001, 9), 16),
    ];
    for (mapping, shape, most) in cases {
        let walked = matches!(mapping, Mapping::Rows | Mapping::Columns);
        let tiles_from = if walked { u64::MAX } else { 0 };
        let limited = |max_workgroups| {
            let (subgroup, cores) = (SUBGROUP, 4);
            Layers::new(context, |adapter| Adapter {
                is_cpu: true,
                cores,
                subgroup,
                tiles_from,
                max_workgroups,
                ..adapter
            })
        };
        // Workgroups of each dispatch.
        let dispatched = |most| {
            let adapter = limited(most).adapter();
            let plans = [Pass::Training, Pass::Inference, Pass::Backward]
                .map(|pass| Plan::new(&adapter, shape, &Request::new(pass, &[])).expect("a plan"));
            assert!(plans.iter().all(|plan| plan.mapping == mapping), "{shape}");
            let steps = plans.into_iter().flat_map(|plan| plan.steps);
            steps.map(|step| step.workgroups[0] * step.workgroups[1]).collect::<Vec<_>>()
        };
        let (have, need) = (dispatched(most), dispatched(u32::MAX));
        assert_ne!(have, need, "{shape}");
        limited(most).check(&Case::new(shape));
    }
}

/// What a software adapter loads and stores value by value, so many for an invocation that lavapipe would end its loops
/// if each store had some, too.
#[test]
fn many_single_values_agree() {
    let Some(context) = device::context() else { return };
    let layers = Layers::new(context, |adapter| Adapter { is_cpu: true, cores: 4, ..adapter });
    for element in [Element::F32, Element::F16, Element::BF16] {
        let descriptor = BatchNormDescriptor { element, ..Default::default() };
        // At such an offset there are no pairs.
        let shape = Shape::channels_last(1_873_125, 3);
        layers.check(&Case { descriptor, offset: 1, ..Case::new(shape) });
    }
}

/// More workgroups than one dimension of a dispatch holds, and a million channels.
#[test]
fn many_channels_agree() {
    if let Some(context) = device::context() {
        let layers = Layers::new(context, |adapter| adapter);
        layers.check(&Case::new(Shape::ncl(1, 70_000, 256)));
        layers.check(&Case::new(Shape::nc(4, 1_000_000)));
    }
}
