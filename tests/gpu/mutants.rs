//! What should notice any change of the kernels: few cases, the sharpest first. `cargo xtask mutate`
//! runs them for each mutant, those that reach the file in which it is.

use crate::cases::{ACTIVATIONS, Case, Weighting, features_of, plain_cases};
use crate::check::Layers;
use crate::device;
use Plan::*;
use std::sync::LazyLock;
use wgpu_batchnorm::plan::{self, Adapter, Mapping, Pass, Request};
use wgpu_batchnorm::{Activation, BatchNormDescriptor, Element, Momentum, RunningVariance, Shape};

/// Each list of a mapping has nothing but that, in training.
#[test]
fn few_cases_go_the_way_that_they_are_for() {
    let Some(context) = device::context() else { return };
    if layers_by(context, Tiles).adapter().subgroup > 8 {
        println!("skipped: the vectors of {} are wider", context.adapter_info().name);
        return;
    }
    for (mapping, cases) in [
        (Mapping::Tiles, [tiles(), tile_grids(), fused_tiles()].concat()),
        (Mapping::Strips, [strips(), strip_grids()].concat()),
        (Mapping::Lines, [lines(), line_grids()].concat()),
        (Mapping::Runs, [runs(), run_grids()].concat()),
    ] {
        for (plan, Case { shape, offset, descriptor, .. }) in cases {
            let adapter = layers_by(context, plan).adapter();
            let offsets = [offset as u64 * descriptor.element.size()];
            let element = descriptor.element;
            let request = Request { element, ..Request::new(Pass::Training, &offsets) };
            let taken = plan::Plan::new(&adapter, shape, &request).expect("a plan");
            let steps: Vec<_> = taken.steps.iter().map(|step| step.mapping).collect();
            assert!(steps.contains(&mapping), "{shape}: {steps:?}");
        }
    }
}

/// Whose plan a case runs by.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Plan {
    Software,
    Gpu,
    Tiles,
    /// Strips of up to sixteen pairs: tensors are not large enough for more.
    NarrowStrips,
    /// By workgroups of many subgroups, which a software adapter runs in turn.
    WideTiles,
    /// Of little memory a binding.
    Pieces,
    TilePieces,
    /// Of halves that the device converts.
    Exact,
    ExactGpu,
    /// Of few workgroups in a dimension of a dispatch.
    Grids,
    TileGrids,
    /// Five workgroups, where a dimension has three.
    SplitGrids,
}

type Planned = (Plan, Case);

/// An offset at which quads are whole, and pairs are not.
const QUADS: usize = 4;

/// One case a way through the kernels; the first that fails ends it.
#[test]
#[ignore = "cargo xtask mutate"]
fn a_few_cases() {
    let file = mutated();
    let concerns = |files: &[&str]| file.is_empty() || files.contains(&file.as_str());
    if concerns(&["block_moments"]) {
        // Few other cases would notice another pivot.
        done("a block", crate::pivots::the_pivot_of_a_block_is_a_median_of_medians);
        done("a row", crate::pivots::the_pivot_of_a_row_is_a_median_of_components);
    }
    check(quick(&file));
    if file.starts_with("activation/") || concerns(&["exponential"]) {
        activations_of(&file).for_each(crate::exact::check_activation);
    }
    let halves = ["words/half", "words/half_64"];
    if file.starts_with("element/") || concerns(&halves) {
        done("halves", crate::exact::sums_of_halves_are_rounded_to_even);
    }
    if file.starts_with("numbers/") {
        // Settings of which more are read than of batch renormalization.
        done("steps", crate::optimizer::other_passes_take_the_same_steps);
    }
    if concerns(&["statistics"]) {
        done("one value", crate::exact::a_batch_of_one_weighted_value_is_tracked);
        done("more than one", crate::exact::just_more_than_one_value_is_unbiased);
    }
    if concerns(&["walk/kept"]) || file.ends_with("moments") {
        done("a few", crate::pivots::the_pivot_of_a_few_is_nearest_to_the_mean);
        done("merges", crate::pivots::merged_sets_keep_a_value_or_take_the_middle);
        done("poison", crate::accuracy::poison_stays_in_its_channel);
        crate::pivots::near_the_mean(&[
            Shape::nc(64, 500),
            Shape::ncl(8, 300, 64),
            Shape::ncl(8, 320, 49),
            Shape::ncl(8, 24, 2_060),
        ]);
        done("moves", crate::pivots::pivots_move);
        if concerns(&["walk/moments", "block_moments"]) {
            done("weighty values", crate::pivots::only_weighty_values_are_pivots);
        }
        let shapes = [
            Shape::ncl(300, 3, 100),
            Shape::nc(333, 64),
            Shape::ncl(60, 40, 49),
            Shape::ncl(8, 24, 2_060),
        ];
        crate::pivots::unlucky_for_pivots(&shapes);
    }
}

/// Many more, for what the few do not notice.
#[test]
#[ignore = "cargo xtask mutate"]
fn more_cases() {
    let file = mutated();
    let tiles = file.starts_with("tile/");
    let plans: &[Plan] = if tiles { &[Tiles] } else { &[Software, Gpu, Tiles] };
    let mut cases = plain_cases();
    cases.extend(features_of(Shape::ncl(4, 6, 49)));
    cases.extend(features_of(Shape::channels_last(500, 12)));
    for shape in [Shape::ncl(41, 7, 99), Shape::ncl(3, 5, 4_001), Shape::channels_last(14_000, 5)] {
        for weights in [Weighting::Nothing, Weighting::Outer, Weighting::Position] {
            check(vec![(Pieces, Case { weights, ..Case::new(shape) })]);
        }
    }
    for (k, case) in cases.into_iter().enumerate() {
        check(vec![(plans[k % plans.len()], case)]);
    }
}

/// The file with the mutant, or none: all cases.
fn mutated() -> String {
    std::env::var("WGPU_BATCHNORM_MUTATED").unwrap_or_default()
}

/// Says so, since a test that says nothing for long is taken to hang.
fn done(what: &str, test: fn()) {
    test();
    println!("{what}: done");
}

fn check(cases: Vec<Planned>) {
    let Some(context) = device::context() else { return };
    let mut layers: Vec<(Plan, Layers)> = Vec::new();
    for (plan, case) in cases {
        if !layers.iter().any(|&(other, _)| other == plan) {
            layers.push((plan, layers_by(context, plan)));
        }
        let (_, layers) = layers.iter().find(|&&(other, _)| other == plan).expect("layers");
        let start = std::time::Instant::now();
        layers.check(&case);
        println!("{plan:?}, {}: {:.2?}", case.shape, start.elapsed());
    }
}

fn layers_by(context: &'static wgpu_batchnorm::Context, plan: Plan) -> Layers<'static> {
    match plan {
        Software => Layers::new(context, |adapter| adapter),
        Gpu => Layers::new(context, |adapter| Adapter { is_cpu: false, ..adapter }),
        Exact => Layers::new(context, |adapter| Adapter { exact_f16: true, ..adapter }),
        ExactGpu => {
            Layers::new(context, |adapter| Adapter { is_cpu: false, exact_f16: true, ..adapter })
        }
        Tiles => Layers::new(context, |adapter| Adapter {
            is_cpu: true,
            cores: 4,
            tiles_from: 0,
            ..adapter
        }),
        NarrowStrips => Layers::new(context, |adapter| Adapter {
            is_cpu: true,
            cores: 4,
            tiles_from: 1 << 15,
            ..adapter
        }),
        WideTiles => Layers::new(context, |adapter| Adapter {
            is_cpu: true,
            cores: 4,
            tiles_from: 0,
            subgroup: 64,
            ..adapter
        }),
        Grids => Layers::new(context, |adapter| Adapter { max_workgroups: 23, ..adapter }),
        TileGrids => Layers::new(context, |adapter| Adapter {
            is_cpu: true,
            cores: 4,
            tiles_from: 0,
            max_workgroups: 16,
            ..adapter
        }),
        SplitGrids => Layers::new(context, |adapter| Adapter {
            is_cpu: true,
            cores: 5,
            tiles_from: 0,
            max_workgroups: 3,
            ..adapter
        }),
        Pieces => Layers::new(of_small_bindings(), |adapter| adapter),
        TilePieces => Layers::new(of_small_bindings(), |adapter| Adapter {
            is_cpu: true,
            cores: 4,
            tiles_from: 0,
            ..adapter
        }),
    }
}

fn of_small_bindings() -> &'static wgpu_batchnorm::Context {
    static CONTEXT: LazyLock<wgpu_batchnorm::Context> =
        LazyLock::new(|| device::with_max_binding(1 << 16).expect("an adapter"));
    &CONTEXT
}

fn quick(file: &str) -> Vec<Planned> {
    if file.is_empty() {
        // Of every list, so that they are known to pass.
        let files = ["params", "exponential", "words/f16", "element/bf16", "tensor/scalar_half"];
        let more =
            ["tensor/vec4", "tensor/scalar", "tile/map", "walk/map_rows", "walk/map_columns"];
        let pairs = ["strip/map", "line/map", "run/map", "words/pair_half"];
        let last = ["walk/sums", "walk/kept", "activation/gelu", "words/half", "words/f32"];
        let all = files.iter().chain(&more).chain(&pairs).chain(&last);
        return all.flat_map(|file| quick(file)).collect();
    }
    let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
    match (folder, name) {
        ("activation", _) => activations(file),
        ("", "exponential") => ["tanh", "sigmoid"]
            .iter()
            .flat_map(|a| activations(&format!("activation/{a}")))
            .collect(),
        ("element", "f16_decode" | "f16_encode" | "f16_unpack")
        | ("words", "half" | "half_64" | "f16" | "one_f16") => halves(Element::F16),
        ("element", "bf16") => halves(Element::BF16),
        ("words", "pair_half" | "pair_half_64") => {
            of_halves(strips().into_iter().take(1).collect())
        }
        ("words", "pair_f32" | "pair_f32_64") => strips(),
        ("words", _) => rows(0),
        ("tensor", "scalar_half") => halves_alone(),
        ("tensor", "vec4") => {
            [fused(rows(4)), fused(columns(0)), in_place(4), in_place(0)].concat()
        }
        ("tensor", "pairs") | ("pairs", _) => {
            [in_order(strips()), in_order(lines()), in_order(runs())].concat()
        }
        ("strip", "channels") => {
            let odd = planned(Tiles, 0, Shape::channels_last(2_861, 7));
            [in_order(strips()), strip_grids(), in_order(vec![odd])].concat()
        }
        ("strip", _) => [in_order(strips()), strip_grids()].concat(),
        ("line", _) => [in_order(lines()), line_grids()].concat(),
        ("run", _) => [in_order(runs()), run_grids()].concat(),
        ("tensor", _) => [fused(rows(1)), fused(columns(1)), in_place(1), tails()].concat(),
        ("tile", _) => [tiles(), tile_grids(), fused_tiles()].concat(),
        ("walk", "forward_on_chip" | "backward_on_chip") => {
            [kept(0), kept(1), fused(kept(0)), renormalized()].concat()
        }
        // Blocks of which quads are missing: of what is kept, and at the end of a walk.
        ("walk", "kept" | "missing") => {
            let walks = [rows(0), rows(1), columns(0), columns(1), tails()].concat();
            [kept(0), kept(1), fused(kept(0)), walks].concat()
        }
        ("walk", "map_rows") => {
            [rows(0), rows(1), kept(1), grids(), tails(), weighted(true), pieces()].concat()
        }
        ("walk", "map_columns") => {
            let more =
                [kept(0), tails(), weighted(false), pieces(), options(), renormalized()].concat();
            [columns(0), columns(1), grids(), more].concat()
        }
        ("walk", _) => {
            let weighted = [weighted(true), weighted(false)].concat();
            let more = [fused(rows(1)), renormalized()].concat();
            [rows(0), columns(1), grids(), tails(), weighted, more].concat()
        }
        ("", "channel_quads") => [columns(1), options(), pieces(), renormalized()].concat(),
        ("", "channel_neighbours") | ("numbers", _) => {
            [columns(0), in_order(strips()), strip_grids(), renormalized()].concat()
        }
        ("", "channel_rows") => {
            [rows(0), options(), tiles(), lines(), runs(), pieces(), renormalized()].concat()
        }
        ("", "settings") => renormalized(),
        ("", "weights") => [weighted(true), weighted(false), pieces()].concat(),
        _ => [
            rows(0),
            columns(1),
            options(),
            fused(rows(1)),
            weighted(true),
            renormalized(),
            tiles(),
            strips(),
            lines(),
            runs(),
            weighted(false),
            activations("activation/leaky_relu"),
            tails(),
            pieces(),
        ]
        .concat(),
    }
}

fn planned(plan: Plan, offset: usize, shape: Shape) -> Planned {
    (plan, Case { offset, ..Case::new(shape) })
}

/// Of one channel a quad; whole and split, of few lanes and of many.
fn rows(offset: u32) -> Vec<Planned> {
    let (odd, offset) = (offset % 4, offset as usize);
    vec![
        planned(Software, offset, Shape::ncl(6, 9, 64 + odd)),
        // Of a lane each.
        planned(Software, offset, Shape::ncl(2, 601, 16 + odd)),
        planned(Gpu, offset, Shape::ncl(3, 2, 20_000 + odd)),
        planned(Gpu, offset, Shape::ncl(7, 300, 48 + odd)),
        planned(Gpu, offset, Shape::ncl(9, 64, 12 + odd)),
        planned(Software, offset, Shape::ncl(13, 1, 1_000 + odd)),
        (Gpu, Case { mean: 1e4, offset, ..Case::new(Shape::ncl(5, 3, 5_000 + odd)) }),
    ]
}

/// Of four channels a quad.
fn columns(offset: u32) -> Vec<Planned> {
    let (odd, offset) = (offset % 4, offset as usize);
    let channels = 12 - odd;
    vec![
        planned(Software, offset, Shape::channels_last(333, channels)),
        planned(Gpu, offset, Shape::channels_last(9_001, channels)),
        // Of several blocks a lane, although it is split.
        planned(Software, offset, Shape::channels_last(9_001, 8 - odd)),
        planned(Software, offset, Shape::nc(37, 64 + odd)),
        (Software, Case { mean: 1e4, offset, ..Case::new(Shape::channels_last(90, channels)) }),
        planned(Gpu, offset, Shape::channels_last(100, 1028 - odd)),
        // Split, and threads without channels past the end of a row of partials.
        planned(Gpu, offset, Shape::channels_last(9_001, 132 - odd)),
        planned(Software, offset, Shape::channels_last(70, 260 - odd)),
    ]
}

/// On chip: one block a lane and two, of rows and of columns, lanes with less and with nothing.
fn kept(offset: u32) -> Vec<Planned> {
    let (odd, offset) = (offset % 4, offset as usize);
    let mut cases = vec![
        planned(Gpu, offset, Shape::ncl(12, 4, 1024 + odd)),
        planned(Gpu, offset, Shape::nc(1000, 64 - odd)),
        planned(Gpu, offset, Shape::ncl(7, 300, 48 + odd)),
        planned(Gpu, offset, Shape::ncl(1, 3, 5_004 + odd)),
        planned(Software, offset, Shape::nc(29, 64 - odd)),
        // The last of three lanes has three quads.
        planned(Gpu, offset, Shape::nc(19, 64 - odd)),
        planned(Grids, offset, Shape::ncl(3, 200, 16 + odd)),
        (Gpu, Case { mean: 1e4, offset, ..Case::new(Shape::ncl(5, 3, 2_000 + odd)) }),
    ];
    // Lanes of every number of quads, each alone with its channel.
    cases
        .extend((2..=8).map(|quads| planned(Software, offset, Shape::ncl(1, 70, 4 * quads - odd))));
    cases
}

/// Rows shorter than a quad, channels shorter than a block, an inference by columns of samples.
fn tails() -> Vec<Planned> {
    vec![
        planned(Software, 3, Shape::ncl(31, 5, 3)),
        planned(Software, 0, Shape::ncl(7, 3, 1)),
        planned(Gpu, 0, Shape::ncl(20, 4, 49)),
        planned(Gpu, 1, Shape::ncl(3, 5, 7)),
    ]
}

fn options() -> Vec<Planned> {
    let shape = Shape::ncl(6, 5, 64);
    let of = |descriptor: BatchNormDescriptor, momentum| {
        (Software, Case { descriptor, momentum, ..Case::new(shape) })
    };
    let plain = BatchNormDescriptor::default;
    let biased = RunningVariance::Biased;
    vec![
        of(plain(), Momentum::Cumulative),
        of(
            BatchNormDescriptor { running_variance: biased, epsilon: 1e-3, ..plain() },
            Momentum::Exponential(0.3),
        ),
        of(
            BatchNormDescriptor { scale: false, track_running_stats: false, ..plain() },
            Momentum::default(),
        ),
        of(BatchNormDescriptor { shift: false, ..plain() }, Momentum::default()),
        (Gpu, Case { momentum: Momentum::Cumulative, ..Case::new(Shape::ncl(2, 2, 9_999)) }),
        (
            Software,
            Case { momentum: Momentum::Cumulative, ..Case::new(Shape::channels_last(90, 5)) },
        ),
    ]
}

/// Fused, split and in inference, over grids of two dimensions.
fn grids() -> Vec<Planned> {
    vec![
        planned(Grids, 0, Shape::ncl(17, 53, 100)),
        planned(Grids, 0, Shape::channels_last(9_001, 12)),
        planned(Grids, 0, Shape::ncl(700, 5, 64)),
    ]
}

fn tile_grids() -> Vec<Planned> {
    vec![
        planned(TileGrids, QUADS, Shape::ncl(17, 53, 500)),
        // A prime number of rows is not folded to fewer.
        planned(SplitGrids, QUADS, Shape::channels_last(36_997, 32)),
    ]
}

/// With a residual and an activation, whose gradients go to the residual as well.
fn fused(cases: Vec<Planned>) -> Vec<Planned> {
    let activation = Activation::Silu;
    let fuse = |(plan, case): Planned| {
        let descriptor = BatchNormDescriptor { activation, ..case.descriptor.clone() };
        (plan, Case { residual: true, descriptor, ..case })
    };
    cases.into_iter().map(fuse).collect()
}

fn in_place(odd: u32) -> Vec<Planned> {
    let case = |(plan, case)| (plan, Case { in_place: true, ..case });
    [rows(odd), columns(odd)]
        .into_iter()
        .flat_map(|cases| cases.into_iter().take(1))
        .map(case)
        .collect()
}

fn weighted(rows: bool) -> Vec<Planned> {
    let shapes = match rows {
        true => [Shape::ncl(6, 9, 64), Shape::ncl(3, 2, 20_001), Shape::ncl(5, 6, 49)],
        false => {
            let last = Shape::channels_last;
            [last(333, 12), last(9_001, 7), Shape::nc(37, 20)]
        }
    };
    let mut cases = Vec::new();
    for (k, shape) in shapes.into_iter().enumerate() {
        let plan = if k == 1 { Gpu } else { Software };
        for weights in [Weighting::Position, Weighting::Outer] {
            let offset = if k == 2 { 1 } else { 0 };
            cases.push((plan, Case { weights, offset, ..Case::new(shape) }));
        }
        let running_variance = RunningVariance::Biased;
        let activation = Activation::LeakyRelu(0.2);
        let descriptor = BatchNormDescriptor { activation, running_variance, ..Default::default() };
        let weights = Weighting::Position;
        let mean = 1e4;
        cases.push((plan, Case { weights, residual: true, descriptor, mean, ..Case::new(shape) }));
    }
    // Several blocks a lane, whose pivot is not that of a value without weight.
    let shape = if rows { Shape::ncl(16, 100, 64) } else { Shape::channels_last(9_001, 8) };
    let weights = Weighting::Position;
    cases.push((Software, Case { weights, mean: 1e4, ..Case::new(shape) }));
    // Blocks in which nothing counts, and then some in which something does.
    let shape = if rows { Shape::ncl(19, 9, 64) } else { Shape::channels_last(150, 260) };
    let weights = Weighting::Late;
    cases.push((Software, Case { weights, mean: 1e4, ..Case::new(shape) }));
    if rows {
        // Two values a weight.
        let weights = Weighting::Outer;
        cases.push((Software, Case { weights, ..Case::new(Shape::ncl(90, 6, 2)) }));
    }
    cases
}

fn renormalized() -> Vec<Planned> {
    let descriptor = BatchNormDescriptor { renormalize: true, ..Default::default() };
    let of = |plan, shape| (plan, Case { descriptor: descriptor.clone(), ..Case::new(shape) });
    let tiled = |shape| {
        let (plan, case) = of(Tiles, shape);
        (plan, Case { offset: QUADS, ..case })
    };
    vec![
        of(Software, Shape::ncl(6, 9, 64)),
        of(Software, Shape::ncl(4, 9, 52)),
        of(Tiles, Shape::ncl(16, 12, 49)),
        of(Tiles, Shape::ncl(24, 3, 1_024)),
        of(Tiles, Shape::nc(12, 264)),
        of(Gpu, Shape::ncl(3, 9, 20_001)),
        of(Software, Shape::channels_last(333, 7)),
        of(Software, Shape::channels_last(333, 8)),
        of(Gpu, Shape::channels_last(9_001, 12)),
        tiled(Shape::channels_last(521, 64)),
        tiled(Shape::ncl(33, 12, 48)),
    ]
}

/// Quads that are whole come first: drivers compile the others ten times as long. Where pairs are whole, too, most would
/// be strips, lines and runs.
fn tiles() -> Vec<Planned> {
    vec![
        planned(Tiles, QUADS, Shape::channels_last(521, 64)),
        planned(Tiles, QUADS, Shape::ncl(70, 6, 36)),
        (Tiles, Case { mean: 1e4, offset: QUADS, ..Case::new(Shape::ncl(140, 5, 64)) }),
        planned(WideTiles, QUADS, Shape::channels_last(333, 64)),
        planned(WideTiles, QUADS, Shape::channels_last(8_209, 64)),
        // As many quads as an invocation may have, in more than one group of blocks.
        planned(Tiles, QUADS, Shape::channels_last(300, 1020)),
        planned(Tiles, QUADS, Shape::ncl(21, 50, 48)),
        // Of fewer rows than a block.
        planned(TilePieces, QUADS, Shape::ncl(11, 256, 49)),
        // One column more than fours, and three.
        planned(Tiles, QUADS, Shape::ncl(37, 6, 49)),
        planned(Tiles, QUADS, Shape::ncl(37, 6, 51)),
        planned(Tiles, 1, Shape::ncl(20, 50, 49)),
        planned(Tiles, 3, Shape::channels_last(5_000, 7)),
    ]
}

fn fused_tiles() -> Vec<Planned> {
    let cases: Vec<Planned> = tiles().into_iter().take(3).collect();
    // Split, so that what is written beyond one split is another's.
    let shape = Shape::channels_last(36_997, 32);
    let over = (SplitGrids, Case { in_place: true, offset: QUADS, ..Case::new(shape) });
    let in_tiles = |(_, case): &Planned| case.offset == QUADS;
    let renormalized = renormalized().into_iter().filter(in_tiles).collect();
    [fused(cases), renormalized, vec![over]].concat()
}

/// Rows that are one of the tensor's or several, as many as are one group, more than a part; one pair a thread, and up
/// to sixteen, since more take the compiler longer; strips that are alone or side by side.
fn strips() -> Vec<Planned> {
    vec![
        planned(Tiles, 0, Shape::channels_last(1_040, 64)),
        (Tiles, Case { mean: 1e4, ..Case::new(Shape::nc(70, 512)) }),
        planned(Tiles, 0, Shape::channels_last(2_200, 256)),
        planned(Tiles, 0, Shape::channels_last(520, 32)),
        planned(Tiles, 0, Shape::nc(600, 192)),
        planned(Tiles, 0, Shape::nc(131, 64)),
        planned(TilePieces, 0, Shape::channels_last(2_000, 64)),
        // Of which some threads have no last pair, or not the last two.
        planned(NarrowStrips, 0, Shape::nc(67, 1_056)),
        planned(Tiles, 0, Shape::nc(67, 1_000)),
        // Side by side, of shared rows; and of a few whole channels.
        planned(NarrowStrips, 0, Shape::nc(200, 1_056)),
        (Tiles, Case { momentum: Momentum::Cumulative, ..Case::new(Shape::nc(12, 264)) }),
        planned(TilePieces, 0, Shape::channels_last(990, 24)),
        // Of which some short rows are left over.
        planned(Tiles, 0, Shape::channels_last(2_861, 7)),
        // Quads of several channels, one of which counts batches, and of lines.
        planned(Tiles, 0, Shape::channels_last(66_560, 3)),
        planned(TilePieces, 0, Shape::channels_last(2_080, 12)),
        (
            NarrowStrips,
            Case { momentum: Momentum::Cumulative, ..Case::new(Shape::ncl(74, 128, 9)) },
        ),
    ]
}

/// Of a thread's lines in two pairs a round and in halves of pairs, in one group and more, of one part and
/// more; a last band of few channels.
fn lines() -> Vec<Planned> {
    vec![
        planned(Tiles, 0, Shape::ncl(6, 20, 256)),
        (Tiles, Case { mean: 1e4, ..Case::new(Shape::ncl(8, 20, 132)) }),
        planned(Tiles, 0, Shape::ncl(16, 8, 1_003)),
        planned(Tiles, 0, Shape::ncl(8, 8, 272)),
        planned(Tiles, 0, Shape::ncl(8, 11, 136)),
        planned(Tiles, 0, Shape::ncl(8, 9, 128)),
        planned(Tiles, 0, Shape::ncl(7, 12, 200)),
        planned(Tiles, 0, Shape::ncl(9, 10, 4_500)),
        // Bands as wide as any, of which the last is narrower.
        planned(Tiles, 0, Shape::ncl(8, 200, 132)),
        // As many channels as a row of the state has values.
        planned(Tiles, 0, Shape::ncl(8, 64, 136)),
        planned(TileGrids, 0, Shape::ncl(8, 600, 132)),
        // The last band shares its channels with none.
        planned(Tiles, 0, Shape::ncl(3, 24, 1_060)),
        planned(TilePieces, 0, Shape::ncl(40, 12, 516)),
        // That end anywhere; in bands of 32; whose moments are taken line by line; and in pieces.
        planned(Tiles, 0, Shape::ncl(3, 136, 1_027)),
        planned(Tiles, 0, Shape::ncl(7, 12, 1_006)),
        planned(Tiles, 0, Shape::ncl(9, 12, 5_006)),
        planned(TilePieces, 0, Shape::ncl(17, 8, 1_005)),
        // Several samples as one, of which the band has some channels twice.
        planned(Tiles, 0, Shape::ncl(18, 12, 1_003)),
        planned(Tiles, 0, Shape::ncl(24, 3, 1_024)),
        planned(Tiles, 0, Shape::ncl(8, 33, 132)),
    ]
}

fn runs() -> Vec<Planned> {
    vec![
        planned(Tiles, 0, Shape::ncl(8, 40, 49)),
        (Tiles, Case { mean: 1e4, ..Case::new(Shape::ncl(40, 48, 35)) }),
        planned(Tiles, 0, Shape::ncl(9, 72, 33)),
        planned(Tiles, 0, Shape::ncl(17, 40, 999)),
        // The last piece has one sample.
        planned(TilePieces, 0, Shape::ncl(41, 40, 49)),
        // Of so few channels that a workgroup has runs of several splits.
        planned(Tiles, 0, Shape::ncl(45, 24, 65)),
        planned(WideTiles, 0, Shape::ncl(8, 264, 65)),
        // Of two segments a line, where moments are taken and where gradients are summed.
        planned(Tiles, 0, Shape::ncl(8, 40, 8_203)),
        planned(WideTiles, 0, Shape::ncl(8, 64, 8_203)),
        // Of 24 channels a run, but for the last.
        planned(Tiles, 0, Shape::ncl(131, 376, 33)),
        // As many channels as a row of the state has values.
        planned(Tiles, 0, Shape::ncl(8, 64, 49)),
        planned(TileGrids, 0, Shape::ncl(8, 1_040, 49)),
        // Several samples as one.
        planned(Tiles, 0, Shape::ncl(16, 12, 49)),
        planned(TilePieces, 0, Shape::ncl(66, 12, 49)),
        // Moments alone, of a last band of one run.
        planned(Tiles, 0, Shape::ncl(8, 200, 132)),
    ]
}

/// Cases as they are, and some of them fused, renormalized and of halves.
fn in_order(cases: Vec<Planned>) -> Vec<Planned> {
    let few: Vec<Planned> = cases.iter().take(3).cloned().collect();
    let renormalized = |(plan, case): Planned| {
        let descriptor = BatchNormDescriptor { renormalize: true, ..case.descriptor.clone() };
        (plan, Case { descriptor, ..case })
    };
    let renormalized = few.iter().take(1).cloned().map(renormalized).collect();
    [cases, fused(few.clone()), renormalized, of_halves(few)].concat()
}

fn of_halves(cases: Vec<Planned>) -> Vec<Planned> {
    let of = |(plan, case): Planned| {
        [Element::F16, Element::BF16].map(|element| {
            let descriptor = BatchNormDescriptor { element, ..case.descriptor.clone() };
            (plan, Case { descriptor, mean: 0.5, ..case.clone() })
        })
    };
    cases.into_iter().flat_map(of).collect()
}

/// Split, so that what is written beyond one split is another's; and side by side, of whole channels.
fn strip_grids() -> Vec<Planned> {
    let of = |shape| (SplitGrids, Case { in_place: true, ..Case::new(shape) });
    vec![of(Shape::channels_last(3_000, 50)), of(Shape::nc(40, 8_200))]
}

fn line_grids() -> Vec<Planned> {
    let of = |shape| (TileGrids, Case { in_place: true, ..Case::new(shape) });
    vec![of(Shape::ncl(67, 8, 1_024)), of(Shape::ncl(130, 10, 1_028))]
}

fn run_grids() -> Vec<Planned> {
    let of = |shape| (TileGrids, Case { in_place: true, ..Case::new(shape) });
    vec![of(Shape::ncl(67, 40, 257)), of(Shape::ncl(9, 1_104, 33))]
}

fn pieces() -> Vec<Planned> {
    let case = |shape, weights| (Pieces, Case { weights, ..Case::new(shape) });
    vec![
        case(Shape::ncl(40, 7, 99), Weighting::Nothing),
        case(Shape::ncl(3, 5, 4_001), Weighting::Position),
        case(Shape::ncl(2, 1, 40_000), Weighting::Nothing),
        case(Shape::channels_last(5_000, 7), Weighting::Position),
        case(Shape::channels_last(20_000, 5), Weighting::Nothing),
    ]
}

/// That of a file, or all of them.
fn activations_of(file: &str) -> impl Iterator<Item = Activation> {
    let name = |activation: &Activation| match activation {
        Activation::LeakyRelu(_) => "leaky_relu".to_string(),
        Activation::GeluTanh => "gelu_tanh".into(),
        Activation::HardSwish => "hard_swish".into(),
        other => format!("{other:?}").to_lowercase(),
    };
    let wanted = file.strip_prefix("activation/").map(str::to_string);
    let all = [&ACTIVATIONS[..], &[Activation::Identity]].concat().into_iter();
    all.filter(move |activation| wanted.as_ref().is_none_or(|wanted| name(activation) == *wanted))
}

fn activations(file: &str) -> Vec<Planned> {
    let case = |activation| {
        let descriptor = BatchNormDescriptor { activation, ..Default::default() };
        let case = Case { descriptor, residual: true, ..Case::new(Shape::ncl(60, 9, 64)) };
        (Software, case)
    };
    activations_of(file).map(case).collect()
}

fn halves(element: Element) -> Vec<Planned> {
    let of = |plan, shape, offset| {
        let descriptor = BatchNormDescriptor { element, ..Default::default() };
        (plan, Case { descriptor, offset, ..Case::new(shape) })
    };
    let mut cases = vec![
        of(Software, Shape::ncl(6, 9, 64), 0),
        of(Software, Shape::ncl(4, 6, 49), 1),
        // In words of 32 bits everywhere.
        of(Gpu, Shape::ncl(6, 9, 64), 0),
    ];
    // A probe would find that a mutant is not exact.
    let is_exact = device::context().is_some_and(crate::exact::is_known_to_convert);
    if element == Element::F16 && is_exact {
        for plan in [Exact, ExactGpu] {
            cases.push(of(plan, Shape::ncl(6, 9, 64), 0));
            cases.push(of(plan, Shape::ncl(4, 6, 49), 1));
        }
    }
    // Small ones, and large: up to the ends of a half's range.
    for mean in [1e4, -100.0, 0.0] {
        let (plan, case) = of(Software, Shape::channels_last(333, 12), 0);
        cases.push((plan, Case { mean, ..case }));
    }
    cases
}

fn halves_alone() -> Vec<Planned> {
    let descriptor = BatchNormDescriptor {
        element: Element::F16,
        activation: Activation::Silu,
        ..Default::default()
    };
    let mut cases = Vec::new();
    for (shape, offset) in [
        (Shape::ncl(4, 6, 49), 1),
        (Shape::channels_last(333, 7), 0),
        (Shape::channels_last(100, 6), 1),
        (Shape::ncl(31, 5, 3), 2),
        (Shape::ncl(6, 9, 64), 7),
    ] {
        for in_place in [false, true] {
            let case = Case { in_place, offset, residual: true, ..Case::new(shape) };
            cases.push((Software, Case { descriptor: descriptor.clone(), ..case }));
        }
    }
    cases
}
