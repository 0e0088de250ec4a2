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

/// What fits a tile, and leaves rows enough for a block.
#[test]
fn tiles_are_for_rows_that_are_neither_long_nor_few() {
    let plan = |shape| Plan::new(&LAVAPIPE, shape, &Request::new(Pass::Training, &[])).unwrap();
    let tiled = |shape| plan(shape).mapping == Mapping::Tiles;
    assert!(tiled(Shape::ncl(64, 4, 512)) && !tiled(Shape::ncl(64, 4, 513)));
    assert!(tiled(Shape::ncl(8, 4, 49)) && !tiled(Shape::ncl(7, 4, 49)));
    assert!(tiled(Shape::nc(64, 32)) && !tiled(Shape::nc(64, 3)));
    // 64 rows of 32 channels are 8 of 256 columns.
    let piece = &plan(Shape::nc(64, 32)).pieces[0];
    assert_eq!((piece.outer, piece.inner), (8, 8));
    // Channels of a tile: like in all tiles, but of columns that make whole quads.
    let group = |shape| plan(shape).steps[0].params.group;
    assert_eq!(group(Shape::ncl(64, 20, 64)), 10);
    assert_eq!(group(Shape::ncl(64, 12, 98)), 6);
    assert_eq!(group(Shape::ncl(64, 30, 49)), 16);
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
    let splits = |rows| {
        let shape = Shape::channels_last(rows, 1024);
        let plan = Plan::new(&adapter, shape, &Request::new(Pass::Training, &[])).unwrap();
        assert_eq!(plan.mapping, Mapping::Tiles);
        plan.steps[0].params.splits
    };
    assert_eq!([splits(250), splits(250 * 64)], [4, 1]);
}
