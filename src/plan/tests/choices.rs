//! What is chosen, and where it ends.

use super::*;

#[test]
fn vectors_need_alignment_and_multiples_of_four() {
    let access = |shape, offset: u64| {
        Plan::new(&GPU, shape, &Request::new(Pass::Training, &[0, offset])).unwrap().access
    };
    assert_eq!(access(Shape::nchw(2, 3, 2, 2), 16), Access::Vec4);
    assert_eq!(access(Shape::nchw(2, 3, 2, 2), 8), Access::Scalar);
    assert_eq!(access(Shape::nchw(2, 4, 3, 3), 0), Access::Scalar);
    assert_eq!(access(Shape::channels_last(7, 8), 0), Access::Vec4);
    assert_eq!(access(Shape::channels_last(8, 7), 0), Access::Scalar);
}

/// Where a value is for itself, whole samples may be rows, if they are a few.
#[test]
fn samples_of_whole_quads_are_rows_where_these_are_a_few() {
    let mapping = |outer, inner, pass| {
        let plan = Plan::new(&GPU, Shape::ncl(outer, 64, inner), &Request::new(pass, &[])).unwrap();
        (plan.mapping, plan.access)
    };
    let (rows, columns) = (Mapping::Rows, Mapping::Columns);
    assert_eq!(mapping(8, 49, Pass::Inference), (columns, Access::Vec4));
    assert_eq!(mapping(7, 49, Pass::Inference), (rows, Access::Scalar));
    assert_eq!(mapping(8, 48, Pass::Inference), (rows, Access::Vec4));
    assert_eq!(mapping(8, 49, Pass::Training), (rows, Access::Scalar));
}

#[test]
fn a_large_channel_is_split_and_small_ones_share_a_workgroup() {
    let one =
        Plan::new(&GPU, Shape::ncl(1, 1, 1 << 24), &Request::new(Pass::Training, &[])).unwrap();
    assert!(one.path == Path::Split && one.slots >= 256, "{one:?}");
    let many =
        Plan::new(&GPU, Shape::ncl(2, 1 << 20, 16), &Request::new(Pass::Training, &[])).unwrap();
    assert!(many.path == Path::OnChip && many.lanes == 8, "{many:?}");
}

/// What no device reports is taken for the nearest that one does.
#[test]
fn any_adapter_is_planned_for() {
    for is_cpu in [false, true] {
        for (subgroup, taken) in [(0, 4), (4, 4), (129, 128), (u32::MAX, 128)] {
            let adapter = Adapter { is_cpu, subgroup, ..GPU };
            let plan = Plan::new(&adapter, Shape::nc(64, 8), &Request::new(Pass::Training, &[]));
            assert_eq!(plan.unwrap().workgroup, if is_cpu { taken } else { 256 }, "{adapter:?}");
        }
    }
}

/// Whole quads, and pairs that are not.
const QUADS: &[u64] = &[16];

/// What fits a tile, and leaves rows enough for a block.
#[test]
fn tiles_are_for_rows_that_are_neither_long_nor_few() {
    let plan = |shape| Plan::new(&LAVAPIPE, shape, &Request::new(Pass::Training, QUADS)).unwrap();
    let tiled = |shape| plan(shape).mapping == Mapping::Tiles;
    assert!(tiled(Shape::ncl(63, 4, 512)) && !tiled(Shape::ncl(63, 4, 513)));
    assert!(tiled(Shape::ncl(9, 4, 49)) && !tiled(Shape::ncl(7, 4, 49)));
    assert!(tiled(Shape::nc(64, 36)) && !tiled(Shape::nc(64, 3)));
    // 64 rows of 36 channels are 8 of 288 columns.
    let piece = &plan(Shape::nc(64, 36)).pieces[0];
    assert_eq!((piece.outer, piece.inner), (8, 8));
    // Channels of a tile: like in all tiles, but of columns that make whole quads.
    let group = |shape| plan(shape).steps[0].params.group;
    assert_eq!(group(Shape::ncl(63, 20, 64)), 10);
    assert_eq!(group(Shape::ncl(63, 12, 98)), 6);
    assert_eq!(group(Shape::ncl(63, 30, 49)), 16);
}

/// Rows, or a few of them, that are whole pairs, as many for each invocation, or fewer in the last strip; rows
/// enough for pivots, and for what each column has to merge; tensors that start at whole pairs.
#[test]
fn strips_are_for_rows_of_whole_pairs() {
    let plan = |adapter, shape, offset: u64| {
        Plan::new(&adapter, shape, &Request::new(Pass::Training, &[0, offset])).unwrap()
    };
    let strips = |shape, offset| {
        let plan = plan(LAVAPIPE, shape, offset);
        let piece = &plan.pieces[0];
        (plan.mapping == Mapping::Strips).then_some((piece.outer, piece.inner, plan.pairs))
    };
    // Short rows of the tensor make one of at least four pairs, where rows are a multiple; up to 32 are in order.
    assert_eq!(strips(Shape::nc(1_000, 64), 0), Some((250, 4, 4)));
    assert_eq!(strips(Shape::nc(999, 64), 0), Some((333, 3, 3)));
    assert_eq!(strips(Shape::nc(1_001, 64), 0), Some((1_001, 1, 1)));
    assert_eq!(strips(Shape::nc(252, 64), 0), Some((63, 4, 4)));
    assert_eq!(strips(Shape::nc(2_048, 8), 0), Some((64, 32, 4)));
    assert_eq!(strips(Shape::nc(512, 96), 0), Some((128, 4, 6)));
    assert_eq!(strips(Shape::nhwc(2, 10, 10, 256), 0), Some((200, 1, 4)));
    assert_eq!(strips(Shape::nhwc(2, 10, 10, 512), 32), Some((200, 1, 8)));
    assert_eq!(strips(Shape::nc(64, 1_280), 0), Some((64, 1, 20)));
    assert_eq!(strips(Shape::nc(64, 2_048), 0), Some((64, 1, 32)));
    assert_eq!(strips(Shape::nc(2_048, 12), 0), Some((128, 16, 3)));
    assert_eq!(strips(Shape::nc(1 << 15, 100), 0), Some((4_096, 8, 13)));
    assert_eq!(strips(Shape::nc(1 << 18, 7), 0), Some((4_096, 64, 7)));
    // Of which some invocations have none in the end; in a row of a single pair that would be too many.
    let missing = |shape| plan(LAVAPIPE, shape, 0).missing;
    assert_eq!([1_000, 1_024].map(|n| missing(Shape::nc(64, n))), [1, 0]);
    assert_eq!(strips(Shape::nc(1_024, 1_000), 0), Some((1_024, 1, 16)));
    assert_eq!(strips(Shape::nc(4_096, 100), 0), Some((1_024, 4, 7)));
    assert_eq!(strips(Shape::nc(1 << 15, 7), 0), Some((1_024, 32, 4)));
    assert_eq!(strips(Shape::nc(5_000, 1_001), 0), Some((625, 8, 32)));
    assert_eq!(strips(Shape::ncl(1_000, 40, 5), 0), Some((1_000, 5, 4)));
    assert_eq!(
        [strips(Shape::nc(31, 56), 0), strips(Shape::nc(31, 72), 0)],
        [None, Some((31, 1, 2))]
    );
    // Or all channels' lines do.
    assert_eq!(strips(Shape::ncl(72, 64, 9), 0), Some((72, 9, 9)));
    assert_eq!(strips(Shape::ncl(1_000, 64, 8), 0), Some((1_000, 8, 8)));
    // Pieces of longer ones, that are long themselves.
    assert_eq!(strips(Shape::nc(64, 2_560), 0), Some((64, 1, 20)));
    assert_eq!(strips(Shape::nc(64, 4_096), 0), Some((64, 1, 32)));
    // Of which the last has fewer, where they cannot be equally long.
    assert_eq!(strips(Shape::nc(256, 2_368), 0), Some((256, 1, 19)));
    assert_eq!([2_368, 5_000].map(|n| missing(Shape::nc(256, n))), [1, 3]);
    assert_eq!(plan(LARGE, Shape::nc(1_024, 5_000), 0).pairs, 27);
    // But not a thread's first; in 17 strips of sixteen pairs all of these would be.
    let wide_row = plan(LARGE, Shape::nc(64, 16_392), 0);
    assert_eq!((wide_row.pairs, wide_row.missing), (15, 14));
    // Where compiling takes longer than a few steps, up to sixteen.
    assert_eq!(plan(LARGE, Shape::nc(1_024, 1_280), 0).pairs, 10);
    assert_eq!(plan(LARGE, Shape::nc(2_048, 1_280), 0).pairs, 20);
    assert_eq!(plan(LARGE, Shape::nc(1_024, 2_000), 0).pairs, 16);
    assert_eq!(plan(LARGE, Shape::nc(2_048, 2_000), 0).pairs, 32);
    // Lines, an offset that are not so; and rows that are few.
    assert_eq!(strips(Shape::ncl(64, 60, 9), 0), None);
    assert_eq!([8, 9].map(|n| strips(Shape::nc(n, 512), 0)), [None, Some((9, 1, 8))]);
    assert_eq!(strips(Shape::nc(1_000, 64), 16), None);
    // More to merge than there are rows.
    assert_eq!(strips(Shape::ncl(64, 64, 9), 0), None);
    // A partial result of each column; and a GPU has another way to read in order.
    assert_eq!(plan(LAVAPIPE, Shape::nc(65_536, 64), 0).slots, 4 * 2);
    // Which are fewer where each column has its own to merge: of 16 short rows.
    assert_eq!(plan(LAVAPIPE, Shape::nc(65_536, 100), 0).slots, 16 * 2);
    assert_eq!(plan(LAVAPIPE, Shape::nc(16_384, 1_000), 0).slots, 2);
    assert_eq!(plan(GPU, Shape::nc(1_000, 64), 0).mapping, Mapping::Columns);
    // Vectors of another width have strips of another.
    let narrow = plan(Adapter { subgroup: 4, ..LAVAPIPE }, Shape::nc(1_000, 64), 0);
    assert_eq!((narrow.mapping, narrow.pieces[0].inner), (Mapping::Strips, 2));
}

/// Where a strip's columns are a channel each, and rows are not split, nothing is left to merge.
#[test]
fn strips_of_whole_channels_are_one_dispatch() {
    let adapter = Adapter { max_binding: 1 << 30, ..LAVAPIPE };
    for pass in [Pass::Training, Pass::Backward, Pass::BackwardFrozen] {
        let path = |shape, in_parts| {
            let request = Request { in_parts, ..Request::new(pass, &[]) };
            let plan = Plan::new(&adapter, shape, &request).unwrap();
            assert_eq!(plan.mapping, Mapping::Strips);
            assert_eq!(plan.slots == 0, plan.path != Path::Split);
            (plan.path, plan.steps.len())
        };
        let (fused, split) = ((Path::Fused, 1), (Path::Split, 2));
        assert_eq!(path(Shape::nc(1_000, 8_192), false), fused);
        assert_eq!(path(Shape::nc(100, 2_000), false), fused);
        assert_eq!(path(Shape::nc(1_000, 8_192), true), split);
        // Rows that two cores share; several that are one; lines.
        assert_eq!(path(Shape::nc(1_000, 2_048), false), split);
        assert_eq!(path(Shape::nc(252, 64), false), split);
        assert_eq!(path(Shape::ncl(72, 64, 9), false), split);
        // As many as an invocation may go over twice.
        assert_eq!([18_333, 18_334].map(|n| path(Shape::nc(n, 8_192), false)), [fused, split]);
    }
}

/// Two pairs and more for each thread of a workgroup, of a channel each; whole pairs of a sample; bands
/// enough to be busy.
#[test]
fn lines_are_for_long_rows_of_channels_enough() {
    let plan = |adapter, shape, pass, offset: u64| {
        Plan::new(&adapter, shape, &Request::new(pass, &[0, offset])).unwrap()
    };
    let access = |shape, pass, offset| {
        let plan = plan(LAVAPIPE, shape, pass, offset);
        (plan.mapping == Mapping::Lines).then_some(plan.access)
    };
    let training = |shape, offset| access(shape, Pass::Training, offset);
    assert_eq!(training(Shape::ncl(2, 64, 784), 32), Some(Access::Pairs));
    assert_eq!(training(Shape::ncl(8, 8, 128), 0), Some(Access::Pairs));
    // Of which some end in the middle of a round, or of a pair.
    assert_eq!(training(Shape::ncl(8, 9, 136), 0), Some(Access::Halves));
    assert_eq!(training(Shape::ncl(8, 10, 196), 0), Some(Access::Halves));
    // Lines, channels, samples, an offset, the order of axes that are not so.
    assert_eq!(training(Shape::ncl(8, 10, 124), 0), None);
    assert_eq!(training(Shape::ncl(8, 10, 198), 0), None);
    assert_eq!(training(Shape::ncl(7, 9, 196), 0), None);
    assert_eq!(training(Shape::ncl(7, 4, 256), 0), None);
    assert!(access(Shape::ncl(8, 4, 256), Pass::Inference, 0).is_some());
    assert_eq!(training(Shape::ncl(3, 10, 196), 0), None);
    assert_eq!(training(Shape::ncl(8, 10, 196), 16), None);
    assert_eq!(training(Shape::channels_last(1_000, 136), 0), None);
    for pass in PASSES {
        assert_eq!(access(Shape::ncl(8, 10, 196), pass, 0), Some(Access::Halves));
    }
    let adapter = |adapter| plan(adapter, Shape::ncl(8, 64, 784), Pass::Training, 0).mapping;
    assert_eq!(adapter(GPU), Mapping::Rows);
    // A channel for each thread, as far as the kernels have room.
    assert_eq!(adapter(Adapter { subgroup: 16, ..LAVAPIPE }), Mapping::Lines);
    assert_eq!(adapter(Adapter { subgroup: 32, ..LAVAPIPE }), Mapping::Runs);
    // A split has samples enough to be worth its partial results.
    let splits = |shape| plan(LAVAPIPE, shape, Pass::Training, 0).slots;
    assert_eq!(splits(Shape::ncl(32, 64, 12_544)), 8);
    assert_eq!(splits(Shape::ncl(32, 128, 784)), 3);
    assert_eq!(splits(Shape::ncl(32, 512, 784)), 1);
}

/// Lines that end anywhere are shared where they are long, and samples whole pairs. Their moments are taken in runs, of
/// which there must be a few, and none too long for an invocation; else each has a line of its own.
#[test]
fn long_lines_may_end_anywhere() {
    let plan = |shape, pass| Plan::new(&LARGE, shape, &Request::new(pass, &[])).unwrap();
    let cut = |shape, pass| {
        let plan = plan(shape, pass);
        plan.mapping == Mapping::Lines && plan.access == Access::Cut
    };
    let (inference, training) = (Pass::Inference, Pass::Training);
    let first = |shape| plan(shape, training).steps[0].mapping;
    for shape in [Shape::ncl(16, 8, 1_001), Shape::ncl(16, 64, 5_329), Shape::ncl(8, 24, 50_653)] {
        assert!(PASSES.iter().all(|&pass| cut(shape, pass)));
        assert_eq!(first(shape), Mapping::Runs);
    }
    assert_eq!(
        [999, 1_000, 1_001].map(|n| cut(Shape::ncl(16, 8, n), training)),
        [false, false, true]
    );
    // Shorter ones where gradients through constants are written on the way to their sums.
    let request = Request::new(Pass::BackwardFrozen, &[]);
    let frozen = |n, affine_gradients| {
        let request = Request { affine_gradients, ..request };
        Plan::new(&LARGE, Shape::ncl(16, 8, n), &request).unwrap().mapping
    };
    assert_eq!([135, 134].map(|n| frozen(n, true)), [Mapping::Lines, Mapping::Runs]);
    assert_eq!([135, 1_001].map(|n| frozen(n, false)), [Mapping::Runs, Mapping::Lines]);
    for shape in [Shape::ncl(15, 12, 1_002), Shape::ncl(8, 24, 52_001), Shape::ncl(32, 3, 89_401)] {
        assert!(cut(shape, training));
        assert_eq!(first(shape), Mapping::Lines);
    }
    // However few; but no whole pairs of a sample, nor of several.
    let passes = |shape| [training, inference, Pass::Backward].map(|pass| cut(shape, pass));
    assert_eq!(passes(Shape::ncl(1, 8, 1_001)), [true, true, true]);
    assert_eq!(passes(Shape::ncl(2, 4, 1_002)), [true, true, true]);
    assert_eq!(passes(Shape::ncl(15, 12, 1_001)), [false, false, false]);
}

/// Whole pairs of a run of eight channels, however long their lines are, and a run for each core, or more where a
/// channel's values might be kept. Short lines are swept where that is worth compiling, and longer ones of quads are
/// lines.
#[test]
fn runs_are_for_lines_of_any_length() {
    let mapping = |adapter, shape, pass, offset: u64| {
        Plan::new(&adapter, shape, &Request::new(pass, &[0, offset])).unwrap().mapping
    };
    let training = |shape| mapping(LARGE, shape, Pass::Training, 0);
    for inner in [16, 17, 31, 32, 49, 64, 127, 198, 999] {
        assert_eq!(training(Shape::ncl(8, 40, inner)), Mapping::Runs, "{inner}");
        assert_eq!(training(Shape::ncl(16, 8, inner)), Mapping::Runs, "{inner}");
    }
    for pass in PASSES {
        assert_eq!(mapping(LARGE, Shape::ncl(8, 64, 49), pass, 32), Mapping::Runs);
    }
    assert_eq!(training(Shape::ncl(8, 40, 15)), Mapping::Rows);
    assert_eq!(training(Shape::ncl(8, 40, 196)), Mapping::Lines);
    assert_eq!(training(Shape::ncl(256, 64, 31)), Mapping::Strips);
    // Channels, samples, an offset, the order of axes that are not so.
    assert_eq!(training(Shape::ncl(7, 41, 49)), Mapping::Rows);
    assert_eq!(
        [[3, 49], [4, 49], [4, 65]].map(|[n, inner]| training(Shape::ncl(n, 24, inner))),
        [Mapping::Rows, Mapping::Rows, Mapping::Runs]
    );
    assert_eq!(mapping(LARGE, Shape::ncl(8, 40, 49), Pass::Training, 16), Mapping::Rows);
    assert_ne!(training(Shape::channels_last(8 * 49, 40)), Mapping::Runs);
    assert_ne!(mapping(GPU, Shape::ncl(8, 40, 49), Pass::Training, 0), Mapping::Runs);
    // A pair for each thread.
    let wide = Adapter { subgroup: 32, ..LARGE };
    assert_eq!(mapping(wide, Shape::ncl(8, 136, 31), Pass::Training, 0), Mapping::Rows);
    assert_eq!(mapping(wide, Shape::ncl(8, 136, 33), Pass::Training, 0), Mapping::Runs);
    let plan = |shape| Plan::new(&LARGE, shape, &Request::new(Pass::Training, &[])).unwrap();
    // Enough to be busy, of values enough to find pivots for.
    assert_eq!(plan(Shape::ncl(64, 64, 1_001)).slots, 8);
    assert_eq!(plan(Shape::ncl(64, 64, 49)).slots, 6);
    let uneven = plan(Shape::ncl(10, 64, 6_555));
    assert_eq!((uneven.slots, uneven.steps[0].params.units), (8, 10));
}

/// Of channels that are no multiple of eight as few samples are one as make them so; each time that a channel is there
/// leaves a partial result of its own.
#[test]
fn samples_are_taken_together_that_have_whole_pairs_then() {
    let plan = |shape, pass| Plan::new(&LARGE, shape, &Request::new(pass, &[])).unwrap();
    let taken = |shape, pass| {
        let plan = plan(shape, pass);
        let (piece, first) = (&plan.pieces[0], &plan.steps[0]);
        (first.mapping, piece.outer, piece.channels, first.params.period)
    };
    let training = |shape| taken(shape, Pass::Training);
    let (runs, lines) = (Mapping::Runs, Mapping::Lines);
    assert_eq!(training(Shape::ncl(64, 12, 49)), (runs, 32, 24, 12));
    assert_eq!(training(Shape::ncl(64, 58, 49)), (runs, 16, 232, 58));
    assert_eq!(training(Shape::ncl(64, 3, 50_176)), (lines, 8, 24, 3));
    assert_eq!(taken(Shape::ncl(64, 3, 89_401), Pass::Inference), (lines, 8, 24, 3));
    // What has whole pairs as it is; and strips.
    assert_eq!(training(Shape::ncl(64, 12, 784)), (lines, 64, 12, 12));
    assert_eq!(training(Shape::ncl(8_192, 4, 16)).0, Mapping::Strips);
    let slots = |shape, pass| plan(shape, pass).slots;
    let (training, backward) = (Pass::Training, Pass::Backward);
    assert_eq!([training, backward].map(|pass| slots(Shape::ncl(64, 58, 49), pass)), [4, 4 * 4]);
    assert_eq!(slots(Shape::ncl(64, 12, 5_329), backward), 2 * 8 * 4);
}

/// Samples that are no whole row of a strip, or none of several that are one, are a piece of their own, after the
/// others, with a partial result of its own, and kernels of walks.
#[test]
fn samples_that_are_left_over_are_walked_over_by_themselves() {
    let rest = |adapter: Adapter, shape, request| {
        let plan = Plan::new(&adapter, shape, &request).unwrap();
        let [first, rest] = &plan.pieces[..] else { return None };
        let of_rest: Vec<_> = plan.steps.iter().filter(|step| step.piece == 1).collect();
        assert!(of_rest.iter().all(|step| step.params.splits == 1 && step.params.flags == 0));
        assert_eq!((first.turn, rest.turn), (0, 1));
        let step = of_rest[0];
        Some((plan.mapping, first.outer * first.inner, step.mapping, rest.outer, step.access))
    };
    let training = Request::new(Pass::Training, &[]);
    let (strips, columns, rows) = (Mapping::Strips, Mapping::Columns, Mapping::Rows);
    let (lines, runs) = (Mapping::Lines, Mapping::Runs);
    let (scalar, vec4) = (Access::Scalar, Access::Vec4);
    let left = |shape| rest(LARGE, shape, training);
    assert_eq!(left(Shape::nc(50_021, 101)), Some((strips, 50_016, columns, 5, scalar)));
    assert_eq!(left(Shape::nc(50_021, 100)), Some((strips, 50_016, columns, 5, vec4)));
    assert_eq!(left(Shape::ncl(65, 9, 1_004)), Some((lines, 8 * 1_004, rows, 1, vec4)));
    assert_eq!(left(Shape::ncl(1_023, 9, 49)), Some((runs, 127 * 49, rows, 7, scalar)));
    // Of few samples as many again as are left over would take as long.
    assert_eq!(left(Shape::ncl(15, 31, 2_001)), None);
    assert_eq!(left(Shape::ncl(17, 31, 2_001)), Some((lines, 2 * 2_001, rows, 1, scalar)));
    // Whole rows are better, even if they are short; but not where most of a vector has none of them.
    assert_eq!(left(Shape::nc(65_537, 64)), None);
    assert_eq!(left(Shape::nc(100_024, 3)), Some((strips, 100_000, columns, 24, scalar)));
    // Of small tensors such as are walked over value by value; and of none on a GPU.
    assert_eq!(left(Shape::nc(10_001, 13)), Some((strips, 10_000, columns, 1, scalar)));
    assert_eq!([left(Shape::nc(10_001, 12)), left(Shape::nc(1_001, 13))], [None; 2]);
    assert_eq!(left(Shape::ncl(101, 12, 49)), None);
    assert_eq!(rest(GPU, Shape::nc(50_021, 101), training), None);
    // Their place is among the partial results that there is room for.
    let plan = Plan::new(&LARGE, Shape::nc(50_021, 100), &training).unwrap();
    let slots: Vec<_> = plan.steps.iter().map(|s| (s.params.first_slot, s.params.slots)).collect();
    assert_eq!(slots, [(0, 25), (24, 25), (0, 25), (24, 25)]);
}

/// Walks whose threads have their columns for themselves are faster than what takes longer to compile: training up to
/// twice as many elements, and both passes where rows are few.
#[test]
fn columns_of_a_thread_alone_are_walked_over() {
    let mapping = |pass, shape| Plan::new(&LARGE, shape, &Request::new(pass, &[])).unwrap().mapping;
    let training = |shape| mapping(Pass::Training, shape);
    let backward = |shape| mapping(Pass::Backward, shape);
    let (columns, strips, tiles) = (Mapping::Columns, Mapping::Strips, Mapping::Tiles);
    assert_eq!([511, 512].map(|n| training(Shape::nc(n, 1_024))), [columns, strips]);
    assert_eq!([255, 256].map(|n| backward(Shape::nc(n, 1_024))), [columns, strips]);
    assert_eq!([63, 64].map(|n| backward(Shape::nc(n, 8_000))), [columns, strips]);
    // Where no column need be split, and not value by value.
    assert_eq!([2_000, 1_000].map(|n| training(Shape::nc(n, 512_000 / n))), [strips, columns]);
    assert_eq!(training(Shape::nc(1_000, 301)), strips);
    for pass in [Pass::Training, Pass::Backward] {
        assert_eq!([31, 32].map(|n| mapping(pass, Shape::nc(n, 16_384))), [columns, strips]);
        assert_eq!([8, 9].map(|n| mapping(pass, Shape::nc(n, 65_536))), [columns, strips]);
        // Where tensors start in the middle of a pair.
        let offset = Request::new(pass, &[16]);
        let in_the_middle = |n| Plan::new(&LARGE, Shape::nc(n, 65_536), &offset).unwrap().mapping;
        assert_eq!([15, 16].map(in_the_middle), [columns, tiles]);
    }
    let inference = |shape| mapping(Pass::Inference, shape);
    assert_eq!([7, 8].map(|n| inference(Shape::nc(n, 65_536))), [columns, strips]);
    // Lines of whole quads are whole in tiles, too.
    assert_eq!([15, 16].map(|n| inference(Shape::ncl(n, 2_048, 16))), [tiles, strips]);
    assert_eq!([7, 8].map(|n| inference(Shape::ncl(n, 8_192, 9))), [Mapping::Rows, strips]);
}

/// Numbers are loaded four channels at a time where each quad is of four neighbours.
#[test]
fn quads_are_of_neighbours_where_channels_are_in_a_row() {
    let neighbours = |adapter, shape, pass| {
        let plan = Plan::new(&adapter, shape, &Request::new(pass, &[])).unwrap();
        let all: Vec<bool> = plan.steps.iter().map(|step| step.has_neighbours()).collect();
        assert!(all.iter().all(|&one| one == all[0]), "{plan:?}");
        (plan.mapping, all[0])
    };
    let training = |adapter, shape| neighbours(adapter, shape, Pass::Training);
    let (columns, strips) = (Mapping::Columns, Mapping::Strips);
    assert_eq!(training(GPU, Shape::nc(64, 64)), (columns, true));
    assert_eq!(training(GPU, Shape::nc(64, 66)), (columns, false));
    assert_eq!(training(LAVAPIPE, Shape::nc(1_000, 64)), (strips, true));
    // Eight rows as one, of 100 channels each, or of 7.
    assert_eq!(training(LAVAPIPE, Shape::nc(1 << 15, 100)), (strips, true));
    assert_eq!(training(LAVAPIPE, Shape::nc(1 << 18, 7)), (strips, false));
    // Columns of one channel.
    assert_eq!(training(LAVAPIPE, Shape::ncl(1_000, 64, 8)), (strips, false));
    assert_eq!(neighbours(GPU, Shape::ncl(64, 64, 1), Pass::Inference), (columns, true));
    assert_eq!(neighbours(GPU, Shape::ncl(64, 64, 9), Pass::Inference), (columns, false));
}

/// The axes of a single channel do not matter: a GPU walks along its values; a software adapter has strips, if each
/// core can have a split of one, else lines.
#[test]
fn a_single_channel_is_a_line() {
    let plan = |adapter, shape| Plan::new(&adapter, shape, &Request::new(Pass::Training, &[]));
    let taken = |adapter: Adapter, shape| {
        let plan = plan(adapter, shape).unwrap();
        let piece = &plan.pieces[0];
        (plan.mapping, plan.access, piece.outer, piece.inner)
    };
    let [many, large, small] = [1 << 24, 1 << 20, 1 << 12];
    for of in [|m| Shape::channels_last(m, 1), |m| Shape::channels_first(m / 16, 1, 16)] {
        for m in [many, large, small] {
            assert_eq!(taken(GPU, of(m)), (Mapping::Rows, Access::Vec4, 1, m));
        }
        assert_eq!(taken(LARGE, of(many)), (Mapping::Lines, Access::Pairs, 2_048, 1_024));
        assert_eq!(taken(LARGE, of(large)), (Mapping::Strips, Access::Pairs, 4_096, 256));
        let many_cores = Adapter { cores: 16, ..LARGE };
        assert_eq!(taken(many_cores, of(large)), (Mapping::Lines, Access::Pairs, 128, 1_024));
        assert_eq!(taken(LARGE, of(small)), (Mapping::Rows, Access::Vec4, 1, small));
    }
    // Lines that are there already; and weights, which are by the axes.
    assert_eq!(taken(LARGE, Shape::ncl(64, 1, 784)), (Mapping::Lines, Access::Pairs, 8, 784));
    let weighted = Request { weighted: true, ..Request::new(Pass::Training, &[]) };
    let weighted = Plan::new(&GPU, Shape::nc(1_000, 1), &weighted).unwrap();
    assert_eq!(weighted.mapping, Mapping::Columns);
    // One value too many, or too few.
    assert_eq!(taken(LARGE, Shape::nc(1_000_003, 1)), (Mapping::Strips, Access::Pairs, 3_906, 256));
    assert_eq!(plan(LARGE, Shape::nc(1_000_003, 1)).unwrap().pieces[1].length, 67);
}

/// A run is as long as a stream should be, of as many channels as leave no thread with much more to do than
/// others; short lines are summed in runs, too, and written in bands.
#[test]
fn runs_have_channels_enough_to_be_long() {
    let plan = |shape, pass| Plan::new(&LARGE, shape, &Request::new(pass, &[])).unwrap();
    let channels = |shape| plan(shape, Pass::Training).steps[0].params.group;
    assert_eq!(channels(Shape::ncl(64, 2_048, 49)), 32);
    assert_eq!(channels(Shape::ncl(64, 768, 81)), 24);
    assert_eq!(channels(Shape::ncl(64, 2_048, 169)), 8);
    // The last run may lack some, but no more than an eighth of all.
    assert_eq!([336, 264, 376].map(|n| channels(Shape::ncl(512, n, 49))), [32, 32, 32]);
    assert_eq!(channels(Shape::ncl(512, 136, 49)), 16);
    // Samples are few.
    assert_eq!(channels(Shape::ncl(16, 2_048, 49)), 16);
    let kernels = |shape, pass| {
        let steps = plan(shape, pass).steps;
        let [first, second] = &steps[..] else { panic!("{steps:?}") };
        [first, second].map(|step| (step.mapping, step.params.splits))
    };
    let (runs, lines) = (Mapping::Runs, Mapping::Lines);
    assert_eq!(kernels(Shape::ncl(64, 2_048, 49), Pass::Training), [(runs, 1), (runs, 8)]);
    assert_eq!(kernels(Shape::ncl(64, 2_048, 49), Pass::Backward), [(runs, 8), (runs, 1)]);
    assert_eq!(kernels(Shape::ncl(64, 1_024, 196), Pass::Training), [(runs, 1), (lines, 1)]);
    assert_eq!(kernels(Shape::ncl(64, 1_024, 404), Pass::Training), [(lines, 1), (lines, 1)]);
    // Many samples leave no more partials than it takes little time to merge.
    let many = |pass| plan(Shape::ncl(8_192, 64, 49), pass).slots;
    assert_eq!([Pass::Training, Pass::Backward].map(many), [16, 64]);
    // Threads enough, of eight channels each.
    assert_eq!(kernels(Shape::ncl(64, 24, 196), Pass::Training)[0].0, lines);
    assert_eq!(kernels(Shape::ncl(64, 1_026, 196), Pass::Training)[0].0, lines);
}

/// Where gradients are summed each thread of a band leaves a partial of every channel; of so many channels that
/// these would not fit, lines are runs, which have one.
#[test]
fn threads_share_lines_of_gradients() {
    let plan = |shape, request| Plan::new(&LAVAPIPE, shape, &request).unwrap();
    let all = |pass| Request::new(pass, &[]);
    // Bands enough, that no channel is split.
    let partials = |shape, request| {
        let plan = plan(shape, request);
        assert_eq!(plan.mapping, Mapping::Lines);
        plan.slots
    };
    let few = Shape::ncl(8, 512, 196);
    assert_eq!([Pass::Training, Pass::Inference].map(|pass| partials(few, all(pass))), [1, 0]);
    assert_eq!(partials(few, all(Pass::Backward)), 8);
    let frozen = Shape::ncl(8, 512, 208);
    assert_eq!(partials(frozen, all(Pass::BackwardFrozen)), 8);
    let only_dx = Request { affine_gradients: false, ..all(Pass::BackwardFrozen) };
    assert_eq!(partials(frozen, only_dx), 0);
    let many = |channels| plan(Shape::ncl(1, channels, 128), all(Pass::Backward)).mapping;
    assert_eq!([8_192, 8_256].map(many), [Mapping::Lines, Mapping::Runs]);
    // n² times 2¹³ values of a channel are split over n workgroups, or over enough to be busy.
    let splits = |shape| plan(shape, all(Pass::Backward)).steps[0].params.splits;
    assert_eq!(splits(Shape::ncl(64, 64, 3_136)), 4);
    assert_eq!(splits(Shape::ncl(64, 128, 784)), 2);
    assert_eq!(splits(Shape::ncl(64, 8, 784)), 6);
}

/// A lane more only where it has work, and the adapter workgroups too few.
#[test]
fn channels_have_lanes_enough_to_be_busy() {
    let lanes = |shape| {
        let plan = Plan::new(&LAVAPIPE, shape, &Request::new(Pass::Training, &[])).unwrap();
        assert_eq!(plan.path, Path::OnChip, "{shape}");
        plan.lanes
    };
    assert_eq!(lanes(Shape::ncl(1, 3, 8)), 2);
    assert_eq!(lanes(Shape::ncl(1, 56, 16)), 2);
    assert_eq!(lanes(Shape::ncl(1, 64, 16)), 1);
}

#[test]
fn a_grid_has_two_dimensions_and_no_more() {
    assert_eq!(grid(3, 3).unwrap(), [3, 1]);
    assert_eq!(grid(9, 3).unwrap(), [3, 3]);
    let beyond = grid(10, 3);
    assert!(matches!(beyond, Err(Error::LimitExceeded { need: 10, limit: 9, .. })), "{beyond:?}");
}

/// Each piece of a tensor has partial results of its own, which share the room that there is.
#[test]
fn many_pieces_are_not_split() {
    let adapter = Adapter { max_binding: 1 << 20, ..LAVAPIPE };
    let splits = |rows, offset, mapping| {
        let shape = Shape::channels_last(rows, 1_024);
        let plan = Plan::new(&adapter, shape, &Request::new(Pass::Training, &[offset])).unwrap();
        assert_eq!(plan.mapping, mapping);
        plan.steps[0].params.splits
    };
    for (offset, mapping) in [(16, Mapping::Tiles), (0, Mapping::Strips)] {
        let splits = |rows| splits(rows, offset, mapping);
        assert_eq!([splits(250), splits(250 * 50)], [2, 1]);
    }
}

/// Rows of a strip or tile are split so that the core with most to do has little: over as many cores as there are, or
/// so that each has as many workgroups, or, where that is too much to merge or to start with, somewhere between.
#[test]
fn cores_share_strips_and_tiles() {
    let of_cores = |request: Request<'_>, mapping, shape| {
        [0, 1, 2, 3, 4, 6, 16, 40].map(|cores| {
            let adapter = Adapter { cores, ..LAVAPIPE };
            let plan = Plan::new(&adapter, shape, &request).unwrap();
            assert_eq!(plan.mapping, mapping);
            plan.steps[0].params.splits
        })
    };
    let strips = |pass, shape| of_cores(Request::new(pass, &[]), Mapping::Strips, shape);
    let last = Shape::channels_last;
    let training = |shape| strips(Pass::Training, shape);
    let inference = |shape| strips(Pass::Inference, shape);
    assert_eq!(training(last(3_136, 2_048)), [2, 2, 2, 3, 4, 6, 16, 28]);
    assert_eq!(inference(last(3_136, 2_048)), [2, 2, 2, 3, 4, 6, 16, 32]);
    // Of four strips there are enough for two cores and for four.
    assert_eq!(training(last(1_000, 8_192)), [1, 1, 1, 3, 1, 3, 4, 8]);
    // Where they are only written, of the same rows by as few cores as can be.
    assert_eq!(inference(last(1_000, 8_192)), [2, 2, 2, 3, 4, 6, 4, 8]);
    // To be apart, forty cores would have too few rows each.
    assert_eq!(inference(last(1_000, 6_144)), [2, 2, 2, 3, 4, 6, 16, 10]);
    // No more than there is work for.
    assert_eq!(training(last(200, 1_024)), [2, 2, 2, 3, 4, 6, 7, 7]);
    assert_eq!(training(last(100, 1_024)), [1; 8]);
    assert_eq!(inference(last(40, 1_024)), [2; 8]);
    // Columns that leave partial results of their own, all of which each split merges: 16 of each channel, and 8.
    assert_eq!(training(last(1 << 16, 100)), [2, 2, 2, 3, 4, 6, 8, 8]);
    assert_eq!(training(Shape::ncl(300, 64, 16)), [2, 2, 2, 2, 2, 2, 2, 2]);
    assert_eq!(training(Shape::ncl(500, 384, 8)), [1, 1, 1, 3, 2, 3, 4, 4]);
    let tiles = |shape| of_cores(Request::new(Pass::Training, QUADS), Mapping::Tiles, shape);
    assert_eq!(tiles(Shape::ncl(501, 20, 64)), [1, 1, 1, 3, 2, 3, 8, 11]);
}
