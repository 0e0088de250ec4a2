//! The plans of thousands of shapes: every element once, within limits.

mod choices;
mod rounds;
mod table;
mod visits;

use super::*;

const GPU: Adapter = Adapter {
    is_cpu: false,
    cores: 2,
    tiles_from: 0,
    subgroup: 32,
    max_binding: 128 << 20,
    alignment: 256,
    max_workgroups: 65_535,
    max_invocations: 256,
    max_workgroup_memory: 16_384,
    exact_f16: false,
};
const LAVAPIPE: Adapter = Adapter { is_cpu: true, subgroup: 8, alignment: 32, ..GPU };
const NO_TILES: Adapter = Adapter { tiles_from: u64::MAX, ..LAVAPIPE };
/// Small enough that small tensors need pieces and grids of two dimensions.
const TINY: Adapter = Adapter { max_binding: 4096, max_workgroups: 50, ..LAVAPIPE };
/// As lavapipe is by default, where only large tensors are tiled.
const LARGE: Adapter = Adapter { tiles_from: 1 << 18, ..LAVAPIPE };
/// Whose workgroup memory decides how large a workgroup is.
const FORGETFUL: Adapter = Adapter { max_workgroup_memory: 1_000, ..GPU };
/// Work for each of which must be found.
const MANY_CORES: Adapter = Adapter { cores: 24, ..LAVAPIPE };
/// Whose workgroups are narrower than the lanes that a channel has elsewhere.
const NARROW: Adapter = Adapter { max_invocations: 4, ..GPU };
/// Of bindings that hold partial results, and not all of a tensor.
const SMALL: Adapter = Adapter { max_binding: 1 << 18, ..LAVAPIPE };
const ADAPTERS: [Adapter; 8] =
    [GPU, LAVAPIPE, NO_TILES, TINY, SMALL, FORGETFUL, NARROW, MANY_CORES];
const PASSES: [Pass; 4] = [Pass::Training, Pass::Inference, Pass::Backward, Pass::BackwardFrozen];

/// The least that is a strip of lines on some adapters.
const STRIP_OF_LINES: Shape = Shape::ncl(64, 32, 2);

fn shapes() -> Vec<Shape> {
    let extents = [1u64, 2, 3, 5, 7, 8, 31, 49, 64, 196, 255, 256, 257, 1000];
    let mut shapes = Vec::new();
    for outer in extents {
        for channels in extents {
            for inner in extents {
                if outer * channels * inner <= 4_000_000 {
                    shapes.push(Shape::channels_first(outer, channels as u32, inner));
                }
            }
            shapes.push(Shape::channels_last(outer * 37, channels as u32));
        }
    }
    // Strips of lines.
    shapes.push(STRIP_OF_LINES);
    // Lines of segments.
    shapes.extend([Shape::ncl(8, 20, 1_056), Shape::ncl(16, 16, 2_048)]);
    // Runs that go on through several samples and groups.
    shapes.extend([Shape::ncl(8, 40, 1_001), Shape::ncl(20, 72, 1_003)]);
    // Channels beyond a small binding, which are cut.
    shapes.extend([Shape::ncl(3, 2, 2_005), Shape::ncl(1, 1, 30_000), Shape::ncl(2, 3, 1_001)]);
    shapes
}

/// What may be asked for: each pass at offsets that allow vectors and at others, 16-bit tensors,
/// weights, a part of the gradients, batches in parts.
fn requests() -> Vec<Request<'static>> {
    let mut requests = Vec::new();
    for pass in PASSES {
        for offsets in [&[0][..], &[0, 4]] {
            requests.push(Request::new(pass, offsets));
        }
        let plain = Request::new(pass, &[8]);
        requests.push(Request { element: Element::BF16, ..plain });
        requests.push(Request { element: Element::F16, offsets: &[0, 2], ..plain });
        requests.push(Request { weighted: true, ..plain });
        requests.push(Request { input_gradient: false, ..plain });
        requests.push(Request { affine_gradients: false, ..plain });
        requests.push(Request { in_parts: true, ..plain });
    }
    requests
}

fn plans(check: impl Fn(&Adapter, Shape, &Request<'_>, &Plan)) {
    for adapter in &ADAPTERS {
        for shape in shapes() {
            for request in requests() {
                if let Ok(plan) = Plan::new(adapter, shape, &request) {
                    check(adapter, shape, &request, &plan);
                }
            }
        }
    }
}

#[test]
fn pieces_cover_every_element_once() {
    plans(|_, shape, _, plan| {
        let mut end = 0;
        for piece in &plan.pieces {
            assert_eq!(piece.start, end, "{shape}: {piece:?}");
            assert_eq!(piece.length, piece.outer * piece.channels * piece.inner);
            end += piece.length;
        }
        assert_eq!(end, shape.elements(), "{shape}");
    });
}

#[test]
fn what_no_binding_holds_is_refused() {
    let planned = |adapter: Adapter, shape| {
        let plan = Plan::new(&adapter, shape, &Request::new(Pass::Training, &[]));
        plan.map(|plan| plan.pieces.len()).map_err(|error| match error {
            Error::LimitExceeded { what, need, limit } => (what, need, limit),
            other => panic!("{other}"),
        })
    };
    // A binding of `TINY` covers 1,016 values, and what an aligned offset takes.
    let row = "one row of channels in a storage binding, in bytes";
    assert_eq!(planned(TINY, Shape::channels_last(10, 1_016)), Ok(10));
    assert_eq!(planned(TINY, Shape::channels_last(10, 1_017)), Err((row, 4_068, 4_064)));
    let pieces = "pieces of a tensor";
    assert_eq!(planned(TINY, Shape::ncl(1 << 16, 1, 1_016)), Ok(1 << 16));
    assert_eq!(
        planned(TINY, Shape::ncl((1 << 16) + 1, 1, 1_016)),
        Err((pieces, (1 << 16) + 1, 1 << 16))
    );
    let nothing = Adapter { max_binding: 32, ..TINY };
    assert_eq!(planned(nothing, Shape::ncl(10, 2, 10)), Err((row, 80, 0)));
}

#[test]
fn a_software_adapter_wants_whole_vectors() {
    assert_eq!([GPU, LAVAPIPE].map(|adapter| adapter.narrowest_workgroup()), [1, 8]);
    assert_eq!([GPU, LAVAPIPE, FORGETFUL].map(|adapter| adapter.full_workgroup()), [256, 8, 16]);
}

#[test]
fn splits_cover_every_walk_once_and_partials_have_a_slot_each() {
    plans(|_, shape, request, plan| {
        for step in &plan.steps {
            let (piece, p) = (&plan.pieces[step.piece], step.params);
            let walk = match step.mapping {
                Mapping::Rows => (piece.outer * piece.inner).div_ceil(4),
                _ => piece.outer,
            };
            assert_eq!(p.units as u64, walk.div_ceil(unit(step)), "{shape} {request:?}: {step:?}");
            // Evenly, however many neighbours one takes together; in 32 bits.
            assert!(p.splits < 1 << 16, "{shape} {request:?}: {step:?}");
            // And none is empty.
            assert!(p.splits <= p.units, "{shape} {request:?}: {step:?}");
            for split in 0..=p.splits {
                let even = split as u64 * p.units as u64 / p.splits as u64;
                assert_eq!(split_start(&p, split) as u64, even, "{shape}: {step:?}");
            }
            if plan.slots > 0 && step.kernel == plan.steps[0].kernel {
                let partials = p.splits * partials_a_split(plan, step);
                assert!(p.first_slot + partials <= plan.slots.max(1), "{shape}: {step:?}");
            }
            let (items, owned) = match step.mapping {
                Mapping::Rows => (piece.channels, plan.workgroup / p.lanes),
                Mapping::Lines if step.kernel == Kernel::ForwardMoments => {
                    (piece.channels, plan.workgroup)
                }
                Mapping::Lines => {
                    assert!((2..=BAND_CHANNELS as u32).contains(&p.group), "{shape}: {step:?}");
                    (piece.channels, p.group)
                }
                Mapping::Columns => {
                    let columns = piece.channels * piece.inner;
                    (columns.div_ceil(4), plan.workgroup / p.lanes)
                }
                Mapping::Runs if step.kernel == Kernel::BackwardInput => {
                    (piece.channels, RUN_CHANNELS as u32)
                }
                Mapping::Runs => {
                    assert!(p.group.is_multiple_of(RUN_CHANNELS as u32), "{shape}: {step:?}");
                    assert!(p.group as u64 <= MAX_RUN_CHANNELS, "{shape}: {step:?}");
                    (piece.channels, plan.workgroup * p.group)
                }
                Mapping::Tiles => {
                    assert!(p.group as u64 * piece.inner <= MAX_COLUMNS, "{shape}: {step:?}");
                    (piece.channels, p.group)
                }
                Mapping::Strips => {
                    let width = 8 * plan.workgroup * plan.pairs;
                    let columns = piece.channels * piece.inner;
                    // No more pairs are missing than the kernel asks for, and each thread's first is there.
                    let missing = columns.next_multiple_of(width as u64) - columns;
                    let pairs = missing.div_ceil(8 * plan.workgroup as u64);
                    assert_eq!(pairs, plan.missing as u64, "{shape}: {step:?}");
                    assert!(plan.missing < plan.pairs, "{shape}: {step:?}");
                    assert!(plan.missing as u64 <= MAX_MISSING, "{shape}: {step:?}");
                    (columns, width)
                }
            };
            let owned = owned as u64;
            let [x, y] = step.workgroups.map(u64::from);
            assert!(x * y * owned >= items * p.splits as u64, "{shape}: {step:?}");
            // Not many more than needed: a second row of the grid may be part empty.
            let needed = items.div_ceil(owned) * p.splits as u64;
            assert!(x * y < needed + x.max(y), "{shape}: {step:?}");
        }
    });
}

/// What splits share of a walk.
fn unit(step: &Step) -> u64 {
    match step.mapping {
        Mapping::Rows | Mapping::Columns => BLOCK * step.params.lanes as u64,
        Mapping::Tiles => BLOCK,
        Mapping::Strips | Mapping::Lines | Mapping::Runs => 1,
    }
}

/// The first unit of a split, as shaders/params.wgsl has it.
fn split_start(p: &Params, split: u32) -> u32 {
    split * (p.units / p.splits) + split * (p.units % p.splits) / p.splits
}

/// A strip leaves a partial result of each of a channel's columns, lines and runs of each of several samples, lines whose
/// gradients are summed of each thread.
fn partials_a_split(plan: &Plan, step: &Step) -> u32 {
    let samples = step.params.channels / step.params.period;
    match step.mapping {
        Mapping::Strips => plan.pieces[step.piece].inner as u32,
        Mapping::Lines if plan.steps[0].kernel == Kernel::BackwardSums => plan.workgroup * samples,
        _ => samples,
    }
}

/// Whether positions in a channel are not kept account of.
fn sweeps(plan: &Plan) -> bool {
    !matches!(plan.mapping, Mapping::Rows | Mapping::Columns)
}

/// The slot and channel that follow those of a step.
fn after(slot: u64, p: &Params, shape: Shape) -> (u64, u64) {
    let end = (p.first_channel + p.period) as u64;
    if end == shape.channels() as u64 { (slot + 1, 0) } else { (slot, end) }
}

#[test]
fn every_slot_is_filled_by_one_piece_and_split() {
    plans(|_, shape, request, plan| {
        if plan.slots == 0 {
            return;
        }
        let first = plan.steps[0].kernel;
        let mut filled = Vec::new();
        for step in plan.steps.iter().filter(|s| s.kernel == first) {
            for partial in 0..step.params.splits * partials_a_split(plan, step) {
                filled.push(((step.params.first_slot + partial) as u64, &step.params));
            }
        }
        filled.sort_unstable_by_key(|&(slot, p)| (slot, p.first_channel));
        let mut next = (0, 0);
        for (slot, p) in filled {
            assert_eq!((slot, p.first_channel as u64), next, "{shape} {request:?}: {plan:?}");
            next = after(slot, p, shape);
        }
        assert_eq!(next, (plan.slots as u64, 0), "{shape} {request:?}: {plan:?}");
    });
}

#[test]
fn limits_are_kept() {
    plans(|adapter, shape, request, plan| {
        assert!(plan.workgroup <= adapter.max_invocations);
        assert!(plan.workgroup * BYTES_A_THREAD <= adapter.max_workgroup_memory);
        assert!(plan.lanes.is_power_of_two() && plan.workgroup.is_multiple_of(plan.lanes));
        for piece in &plan.pieces {
            // Pieces after the first may start anywhere.
            let size = request.element.size();
            let slack = if piece.start > 0 { adapter.alignment - size } else { 0 };
            let worst = piece.length * size + slack;
            assert!(worst <= adapter.max_binding, "{shape} {request:?}: {piece:?}");
        }
        for step in &plan.steps {
            assert_eq!(step.params.row_stride as u64, row_stride(shape.channels()));
            assert_eq!(step.params.slots, plan.slots);
            assert!(step.workgroups.iter().all(|&n| (1..=adapter.max_workgroups).contains(&n)));
        }
        // More than one partial of a piece only where there is room.
        let partials = PARTIAL_ROWS * row_stride(shape.channels()) * plan.slots as u64 * 4;
        let room = (1 << 20).min(adapter.max_binding / 2);
        let leaves_one = |step: &Step| {
            let partials = step.params.splits * partials_a_split(plan, step);
            step.kernel != plan.steps[0].kernel || partials == 1
        };
        let one_each = plan.steps.iter().all(leaves_one);
        let elementwise = request.is_elementwise();
        assert!(partials <= room || one_each || elementwise, "{shape} {request:?}: {partials}");
        if plan.pieces.len() <= 1 {
            let scratch = plan.work_words(shape.channels()) * 4;
            let rows = SAVED_ROWS + PARTIAL_ROWS * plan.slots as u64;
            let padding = rows * 64 * 4;
            let limit = (1 << 20) + 64 * shape.channels() as u64 + padding;
            assert!(scratch <= limit, "{shape} {request:?}: {scratch} bytes");
        }
    });
}

#[test]
fn any_pass_takes_two_dispatches_a_piece_at_most() {
    plans(|_, shape, request, plan| {
        let one = request.is_elementwise() || plan.path != Path::Split;
        let most = if one { 1 } else { 2 };
        assert!(plan.steps.len() <= most * plan.pieces.len(), "{shape} {request:?}: {plan:?}");
    });
}

/// Partial results are for sums over channels, and for parts of a batch always.
#[test]
fn partial_results_are_there_when_they_are_needed() {
    plans(|_, shape, request, plan| {
        let split = plan.path == Path::Split && !request.is_elementwise();
        assert_eq!(plan.slots > 0, split && shape.elements() > 0, "{shape} {request:?}");
        assert!(!request.in_parts || plan.path == Path::Split, "{shape} {request:?}");
        let sweeps = sweeps(plan);
        assert!(!request.weighted || !sweeps, "{shape} {request:?}");
    });
}

/// What is kept is all that a lane walks, and no more than registers hold; weights, parts of a batch,
/// constants and tiles are for the other paths.
#[test]
fn a_lane_on_chip_keeps_all_that_it_walks() {
    plans(|adapter, shape, request, plan| {
        assert_eq!(plan.path == Path::OnChip, plan.kept > 0, "{shape} {request:?}: {plan:?}");
        if plan.path != Path::OnChip {
            return;
        }
        let (lanes, kept) = (plan.lanes as u64, plan.kept as u64);
        let needed = |piece: &Piece| match plan.mapping {
            Mapping::Rows => (piece.outer * piece.inner).div_ceil(4).div_ceil(lanes),
            _ => piece.outer.div_ceil(BLOCK).div_ceil(lanes) * BLOCK,
        };
        if let Some(needed) = plan.pieces.iter().map(needed).max() {
            assert!(needed <= kept && kept < needed + BLOCK, "{shape} {request:?}: {plan:?}");
        }
        let forward = request.pass == Pass::Training;
        let most = if forward && !adapter.is_cpu { 2 } else { 1 };
        assert!(kept == BLOCK || kept == most * BLOCK, "{shape} {request:?}: {plan:?}");
        assert!(forward || request.pass == Pass::Backward, "{shape} {request:?}");
        let sweeps = sweeps(plan);
        assert!(!request.weighted && !request.in_parts && !sweeps);
    });
    // The maps of 7² and 14² of a network for images, and a dense layer.
    for (shape, pass, on_chip) in [
        (Shape::nchw(64, 512, 7, 7), Pass::Training, true),
        (Shape::nchw(64, 2048, 7, 7), Pass::Backward, true),
        (Shape::nchw(32, 256, 14, 14), Pass::Backward, true),
        (Shape::nchw(64, 1024, 14, 14), Pass::Training, true),
        (Shape::nchw(64, 1024, 14, 14), Pass::Backward, false),
        (Shape::nchw(32, 512, 28, 28), Pass::Training, false),
        (Shape::nc(1024, 4096), Pass::Training, true),
        (Shape::nc(65_536, 64), Pass::Training, false),
    ] {
        let plan = Plan::new(&GPU, shape, &Request::new(pass, &[])).unwrap();
        assert_eq!(plan.path == Path::OnChip, on_chip, "{shape} {pass:?}: {plan:?}");
    }
}

/// The last dispatch of a backward pass goes over the tensors again only where it has more to write
/// than dγ and dβ.
#[test]
fn a_second_walk_is_for_dx_through_statistics() {
    for (pass, input_gradient, walks) in [
        (Pass::Backward, true, true),
        (Pass::Backward, false, false),
        (Pass::BackwardFrozen, true, false),
        (Pass::BackwardFrozen, false, false),
    ] {
        let request = Request { input_gradient, ..Request::new(pass, &[]) };
        let plan = Plan::new(&GPU, Shape::ncl(1, 1, 1 << 24), &request).unwrap();
        let [sums, input] = &plan.steps[..] else { panic!("{plan:?}") };
        assert!(sums.params.splits > 1, "{plan:?}");
        let splits = if walks { sums.params.splits } else { 1 };
        assert_eq!(input.params.splits, splits, "{request:?}");
    }
    let request = Request { affine_gradients: false, ..Request::new(Pass::BackwardFrozen, &[]) };
    let plan = Plan::new(&GPU, Shape::ncl(1, 1, 1 << 24), &request).unwrap();
    let [input] = &plan.steps[..] else { panic!("{plan:?}") };
    assert!(input.params.splits > 1 && input.kernel == Kernel::BackwardInput);
}

/// So that each row can be bound by itself; and a plan knows its scratch memory to the word.
#[test]
fn rows_start_at_multiples_of_256_bytes() {
    assert_eq!([1, 63, 64, 65, 1000].map(row_stride), [64, 64, 64, 128, 1024]);
    let split = Plan::new(&GPU, Shape::ncl(1, 65, 1 << 20), &Request::new(Pass::Training, &[]));
    let split = split.unwrap();
    assert!(split.slots > 1);
    assert_eq!(split.work_words(65), (11 + 4 * split.slots as u64) * 128);
}

#[test]
fn bindings_are_counted_in_32_bits() {
    let binding = |max_binding| Adapter { max_binding, ..GPU }.largest_binding();
    assert_eq!(binding(u64::MAX), (1 << 32) - 16);
    assert_eq!(binding(1 << 27), 1 << 27);
}

/// One dispatch of each pass writes what there is one of a channel, where any does.
#[test]
fn each_channel_is_recorded_once() {
    plans(|_, shape, request, plan| {
        let Some(last) = plan.steps.last().map(|step| step.kernel) else { return };
        let records = |step: &&Step| step.kernel == last && step.params.flags & FLAG_RECORD != 0;
        let mut recorded: Vec<&Params> =
            plan.steps.iter().filter(records).map(|step| &step.params).collect();
        recorded.sort_unstable_by_key(|p| p.first_channel);
        let mut next = (0, 0);
        for p in recorded {
            assert_eq!((0, p.first_channel as u64), next, "{shape} {request:?}: {plan:?}");
            next = after(0, p, shape);
        }
        assert_eq!(next, (1, 0), "{shape} {request:?}: {plan:?}");
    });
}

#[test]
fn an_empty_batch_has_no_steps() {
    for shape in [Shape::nc(0, 4), Shape::ncl(3, 4, 0)] {
        for pass in PASSES {
            assert!(Plan::new(&GPU, shape, &Request::new(pass, &[])).unwrap().steps.is_empty());
        }
    }
}
