//! Where the pivots of sums are, and data for which a pivot may be unlucky: outliers, borders, drifts,
//! values of next to no weight.

use crate::accuracy::{self, LARGE, Outcome, check, layer, layers, tiles};
use crate::cases::Random;
use crate::device;
use wgpu_batchnorm::plan::Adapter;
use wgpu_batchnorm::reference;
use wgpu_batchnorm::{BatchNorm, Shape};

/// The index of an element by its position within its channel.
fn index(shape: Shape, channel: u32, position: u64) -> usize {
    shape.index(position / shape.inner(), channel, position % shape.inner()) as usize
}

/// A tensor of what `f` makes of a channel, a position in it, and what is there in `x`.
fn changed(shape: Shape, x: &[f32], f: impl Fn(u32, u64, f32) -> f32) -> Vec<f32> {
    let mut x = x.to_vec();
    for c in 0..shape.channels() {
        for position in 0..shape.count() {
            let x = &mut x[index(shape, c, position)];
            *x = f(c, position, *x);
        }
    }
    x
}

/// A training step, of which only what is saved of x matters.
fn train(bn: &BatchNorm, shape: Shape, x: &[f32], weights: Option<&[f32]>) -> Outcome {
    let context = device::context().expect("an adapter, as there is a layer");
    accuracy::train_weighted(context, bn, shape, x, &vec![0.0; x.len()], weights)
}

#[test]
fn no_pivot_is_unlucky() {
    unlucky_for_pivots(&LARGE);
    unlucky_for_pivots(&[
        Shape::ncl(16, 40, 63),
        Shape::ncl(32, 64, 49),
        Shape::ncl(8, 40, 1_225),
        Shape::ncl(8, 40, 30_001),
        Shape::ncl(16, 8, 75_001),
    ]);
}

pub fn unlucky_for_pivots(shapes: &[Shape]) {
    let Some(context) = device::context() else { return };
    let layers = layers(context);
    for &shape in shapes {
        let n = shape.elements() as usize;
        let normals = Random(3).normals(n, 5.0);
        // f maps a position within the channel to its value.
        let by_position = |f: &dyn Fn(usize) -> f32| {
            changed(shape, &normals, |_, position, _| f(position as usize))
        };
        let m = shape.count() as usize;
        let first = by_position(&|i| if i == 0 { 1005.0 } else { normals[i] });
        check("first value far away", &layers, shape, &first, [1e-7, 1e-6, 2e-6]);
        let sorted = by_position(&|i| i as f32 / m as f32 * 3.5 - 1.7);
        check("sorted", &layers, shape, &sorted, [3e-7, 1e-6, 2e-6]);
        let outlier = by_position(&|i| if i == m / 2 { 1e6 } else { normals[i] });
        check("one huge outlier", &layers, shape, &outlier, [1e-6, 1e-6, f64::INFINITY]);
        let clusters = by_position(&|i| if i % 100 == 0 { 1000.0 } else { normals[i] });
        check("two clusters", &layers, shape, &clusters, [3e-7, 1e-6, 3e-6]);
        let two = by_position(&|i| if (i * 7919) % 16 < 8 { 0.3 } else { 1.9 });
        check("two values", &layers, shape, &two, [3e-7, 1e-6, 3e-6]);
        // As an image with a border, or what ReLU leaves: blocks of one value, then the rest.
        let border = by_position(&|i| if i < m / 256 { 0.0 } else { 100.0 + normals[i] });
        check("a border", &layers, shape, &border, [3e-7, 1e-6, 3e-6]);
        if shape.inner() >= 16 {
            let start = |i: usize| (i as u64 % shape.inner()) < 4;
            let padded = by_position(&|i| if start(i) { 0.0 } else { 1000.0 + normals[i] });
            check("the start of each line", &layers, shape, &padded, [3e-7, 1e-6, 3e-6]);
        }
        println!("unlucky values, {shape}: done");
    }
}

/// Where the first values tell little of the others a pivot has to move. In tiles one thread sees all
/// rows of a channel.
#[test]
pub fn pivots_move() {
    let Some(context) = device::context() else { return };
    let mut layers = layers(context);
    // Of few lanes, each of which has more than a group of blocks in the last shape.
    layers.push(layer(context, |adapter| {
        let subgroup = adapter.subgroup.min(16);
        Adapter { is_cpu: true, subgroup, ..adapter }
    }));
    for shape in [
        Shape::nc(12, 512),
        Shape::nc(16, 512),
        Shape::nc(24, 512),
        Shape::nc(128, 64),
        Shape::nc(1000, 32),
        Shape::nc(256, 64),
        Shape::nc(128, 320),
        Shape::nc(192, 640),
        Shape::nc(1200, 256),
        Shape::ncl(2, 3, 40_000),
        Shape::ncl(1, 64, 10_240),
        Shape::ncl(16, 8, 2_048),
        Shape::ncl(40, 10, 196),
        Shape::ncl(40, 48, 49),
        Shape::ncl(8, 40, 2_047),
        Shape::ncl(16, 16, 5_329),
        Shape::ncl(16, 8, 50_653),
    ] {
        let m = shape.count();
        let normals = Random(9).normals(shape.elements() as usize, 0.0);
        // f maps a position within a channel to the mean there.
        let around =
            |f: &dyn Fn(u64) -> f32| changed(shape, &normals, |_, position, x| x + f(position));
        let block = around(&|p| if p < 8 { 0.0 } else { 1000.0 });
        check("a block elsewhere", &layers, shape, &block, [5e-7, 5e-7, 2e-6]);
        let half = around(&|p| if p < m / 2 { 0.0 } else { 1000.0 });
        check("two halves", &layers, shape, &half, [5e-7, 5e-7, 2e-6]);
        let drift = around(&|p| 50.0 * p as f32 / m as f32);
        check("drift", &layers, shape, &drift, [5e-7, 5e-7, 2e-6]);
        println!("moves, {shape}: done");
    }
}

/// Values of next to no weight, however far away and wherever they are, are no pivot.
#[test]
pub fn light_values_do_not_count() {
    let Some(context) = device::context() else { return };
    let layers = layers(context);
    for shape in [Shape::nc(1024, 9), Shape::ncl(40, 9, 64), Shape::ncl(40, 3, 49)] {
        let m = shape.count() as usize;
        for (what, is_light) in [
            ("the first", &(|i: usize| i < 40) as &dyn Fn(usize) -> bool),
            ("three in eight", &|i| i % 8 < 3),
            ("all but the last", &|i| i + 1 < m && i % 64 != 5),
        ] {
            for light in [1e-8f32, 1e-4] {
                let weights: Vec<f32> =
                    (0..m).map(|i| if is_light(i) { light } else { 1.0 }).collect();
                let heavy = Random(6).normals(shape.elements() as usize, 0.0);
                let moved = |i: u64, x| if is_light(i as usize) { x + 1e4 } else { x };
                let x = changed(shape, &heavy, |_, position, x| moved(position, x));
                let extras =
                    reference::Extras { weights: Some(&weights), ..reference::Extras::default() };
                let want = reference::weighted_statistics(shape, &x, extras);
                for bn in &layers {
                    let have = train(bn, shape, &x, Some(&weights)).variance;
                    for (c, (&have, want)) in have.iter().zip(&want.variance).enumerate() {
                        let off = (have as f64 / want - 1.0).abs();
                        assert!(off <= 1e-6, "{what}, {light}, {shape}: σ²[{c}] is off by {off:e}");
                    }
                }
            }
        }
    }
}

/// The pivot is a value of some weight, whichever of a block's have it.
#[test]
pub fn only_weighty_values_are_pivots() {
    let Some(context) = device::context() else { return };
    let layers = layers(context);
    for shape in [Shape::nc(8, 20), Shape::nc(61, 20), Shape::ncl(1, 20, 32), Shape::ncl(3, 20, 49)]
    {
        let x = Random(12).normals(shape.elements() as usize, 0.0);
        let m = shape.count();
        let mut random = Random(13);
        for which in 0..40 {
            // One in 32 or in all, or about half of them.
            let mut is_heavy = |i| match which {
                0..32 => i % m.min(32) == which % m,
                _ => random.uniform() < 0.5,
            };
            let is_heavy: Vec<bool> = (0..m).map(&mut is_heavy).collect();
            let weights: Vec<f32> =
                is_heavy.iter().map(|&is| if is { 0.5 } else { 1e-4 }).collect();
            let x = changed(shape, &x, |_, i, x| if is_heavy[i as usize] { x } else { x + 1e3 });
            for bn in &layers {
                let have = train(bn, shape, &x, Some(&weights));
                for (c, pivot) in have.pivot.iter().enumerate() {
                    assert!(pivot.abs() < 6.0, "{shape}, {which}: the pivot of {c} is {pivot}");
                }
            }
        }
    }
}

/// A block of eight as shaders/block_moments.wgsl has it: the median of medians.
fn middle_of(x: [f32; 8]) -> f32 {
    let median = |mut of: [f32; 3]| {
        of.sort_by(f32::total_cmp);
        of[1]
    };
    median([median([x[0], x[1], x[2]]), median([x[3], x[4], x[5]]), median([x[5], x[6], x[7]])])
}

/// With values far away in every two and three places of the eight, which are a column of a tile, or of
/// a thread where they have weights: the heaviest value then stands in for those of less than a quarter of
/// its weight, and one of a quarter counts.
#[test]
pub fn the_pivot_of_a_block_is_a_median_of_medians() {
    let Some(context) = device::context() else { return };
    let far: Vec<u64> =
        (0..1u64 << 8).filter(|places| [2, 3].contains(&places.count_ones())).collect();
    let shape = Shape::nc(8, far.len() as u32);
    let x = Random(14).normals(shape.elements() as usize, 0.0);
    let x = changed(shape, &x, |c, position, x| {
        let sign = if (c as u64 + position).is_multiple_of(3) { -1.0 } else { 1.0 };
        if far[c as usize] >> position & 1 == 1 { x + 1e4 * sign } else { x }
    });
    let block = |c: usize| std::array::from_fn(|row| x[index(shape, c as u32, row as u64)]);
    let whole = layer(context, |adapter| adapter);
    let tiles = tiles(context);
    let have = train(&tiles, shape, &x, None);
    for (c, &pivot) in have.pivot.iter().enumerate() {
        assert_eq!(pivot, middle_of(block(c)), "the pivot of {:?}", block(c));
        assert!(far[c].count_ones() > 2 || pivot.abs() < 6.0, "{pivot} of {:?}", block(c));
    }
    for heaviest in 0..8 {
        for light in (0..8).filter(|&light| light != heaviest) {
            let weights: [f32; 8] = std::array::from_fn(|row| weight(row, heaviest, light));
            let have = train(&whole, shape, &x, Some(&weights));
            for (c, &pivot) in have.pivot.iter().enumerate() {
                let mut block = block(c);
                block[light] = block[heaviest];
                assert_eq!(pivot, middle_of(block), "{heaviest} over {light}: {block:?}");
            }
        }
    }
}

/// What is beside the light one has just a quarter of the most.
fn weight(position: usize, heaviest: usize, light: usize) -> f32 {
    match position {
        _ if position == heaviest => 0.5,
        _ if position == light => 0.124,
        _ if position == light + 1 => 0.125,
        _ => 0.3,
    }
}

/// Where a quad is four values of a channel, each component has such a middle, and the pivot is the median
/// of the first three.
#[test]
pub fn the_pivot_of_a_row_is_a_median_of_components() {
    let Some(context) = device::context() else { return };
    let shape = Shape::ncl(1, 200, 32);
    let mut random = Random(16);
    let x = random.normals(shape.elements() as usize, 0.0);
    let x = changed(shape, &x, |c, position, x| {
        if (7 * c as u64 + position * position).is_multiple_of(5) { x + 1e4 } else { x }
    });
    let bn = layer(context, |adapter| adapter);
    for heaviest in 0..32 {
        let light = (random.next_u64() % 32) as usize;
        let weights: [f32; 32] = std::array::from_fn(|position| weight(position, heaviest, light));
        let have = train(&bn, shape, &x, Some(&weights));
        for (c, &pivot) in have.pivot.iter().enumerate() {
            let mut row: [f32; 32] = std::array::from_fn(|i| x[index(shape, c as u32, i as u64)]);
            row[light] = row[heaviest];
            let middle =
                |component| middle_of(std::array::from_fn(|quad| row[4 * quad + component]));
            let mut middles = [0, 1, 2].map(middle);
            middles.sort_by(f32::total_cmp);
            assert_eq!(pivot, middles[1], "{heaviest} over {light}: {row:?}");
        }
    }
}

/// Of values that are kept on chip, or are less than a block, the pivot is the one nearest to the mean.
#[test]
pub fn the_pivot_of_a_few_is_nearest_to_the_mean() {
    let Some(context) = device::context() else { return };
    // As there are many channels.
    let one_lane = layer(context, |adapter| Adapter { is_cpu: true, ..adapter });
    for (shape, weights) in [
        (Shape::nc(8, 2000), None),
        (Shape::nc(7, 2000), Some([0.5; 7].as_slice())),
        // As many weights as make one value.
        (Shape::nc(4, 2000), Some([0.25; 4].as_slice())),
        (Shape::ncl(1, 2000, 8), None),
        (Shape::ncl(1, 2000, 4), Some([0.5; 4].as_slice())),
        (Shape::ncl(1, 2000, 22), Some([0.5; 22].as_slice())),
    ] {
        let normals = Random(17).normals(shape.elements() as usize, 0.0);
        // The sum of values so large is not exact, but about a pivot it is.
        for (far_away, scale) in [(3.0, 1.0), (1.6e7, 40.0)] {
            let x: Vec<f32> = normals.iter().map(|&v| far_away + (scale * v)).collect();
            let mean = reference::statistics(shape, &x).mean;
            let have = train(&one_lane, shape, &x, weights);
            // What is kept is compared with the mean itself, rounded; the rest of a walk, with its distance.
            let rounding = if weights.is_none() { far_away * f32::EPSILON } else { 0.0 };
            let slack = (rounding + 1e-5 * scale) as f64;
            for (c, &pivot) in have.pivot.iter().enumerate() {
                let values = (0..shape.count()).map(|i| x[index(shape, c as u32, i)]);
                let far = |value: f32| (value as f64 - mean[c]).abs();
                let nearest = values.map(far).fold(f64::INFINITY, f64::min);
                let what = format!("{shape}: {pivot} of {c}, around {}", mean[c]);
                assert!(far(pivot) <= nearest + slack, "{what}, not {nearest:e}");
            }
        }
    }
}

/// Sets of one value each are merged about the middle, however near they are; of other sets a pivot stays,
/// so that it has no more digits than the values.
#[test]
pub fn merged_sets_keep_a_value_or_take_the_middle() {
    let Some(context) = device::context() else { return };
    // Two lanes of eight rows each.
    let gpu = layer(context, |adapter| Adapter { is_cpu: false, ..adapter });
    let shape = Shape::nc(16, 500);
    let x = Random(18).normals(shape.elements() as usize, 3.0);
    for apart in [100.0, 1.0, 0.01] {
        let halves = changed(shape, &x, |_, position, _| 0.3 + apart * (position / 8) as f32);
        let have = train(&gpu, shape, &halves, None);
        let middle = 0.3 + 0.5 * apart;
        for pivot in have.pivot {
            assert!((pivot - middle).abs() <= 2e-7 * middle, "{pivot}, {apart} apart");
        }
    }
    let have = train(&gpu, shape, &x, None);
    let is_value = |c: usize| (0..16).any(|i| x[index(shape, c as u32, i)] == have.pivot[c]);
    let values = (0..500).filter(|&c| is_value(c)).count();
    assert!(values >= 490, "{values} of 500 pivots are values");
}

/// Within a standard deviation or so where values drift or come in two kinds, and as near as the mean of
/// as many others where they have no order.
#[test]
fn pivots_are_near_the_mean() {
    near_the_mean(&[
        Shape::nc(8, 500),
        Shape::nc(16, 500),
        Shape::nc(64, 500),
        Shape::nc(1000, 64),
        Shape::ncl(1, 300, 32),
        Shape::ncl(5, 300, 49),
        Shape::ncl(8, 300, 64),
        Shape::ncl(8, 320, 49),
        Shape::ncl(16, 12, 49),
        Shape::ncl(2, 21, 10_000),
        Shape::channels_last(20_000, 20),
        Shape::channels_last(20_000, 32),
        Shape::nc(64, 768),
    ]);
}

pub fn near_the_mean(shapes: &[Shape]) {
    let Some(context) = device::context() else { return };
    let layers = layers(context);
    for &shape in shapes {
        let m = shape.count();
        let normals = Random(15).normals(shape.elements() as usize, 0.0);
        for (what, f) in [
            ("normal", &(|_| 0f32) as &dyn Fn(u64) -> f32),
            ("halves", &|p| if p < m / 2 { 0.0 } else { 10.0 }),
            ("drift", &|p| 20.0 * p as f32 / m as f32),
            ("alternating", &|p| if p % 2 == 0 { 0.0 } else { 10.0 }),
            ("a first block", &|p| if p < m / 4 { 0.0 } else { 10.0 }),
        ] {
            let x = changed(shape, &normals, |_, position, x| x + f(position));
            let want = reference::statistics(shape, &x);
            for (k, bn) in layers.iter().enumerate() {
                let have = train(bn, shape, &x, None);
                let far: Vec<f64> = (0..shape.channels() as usize)
                    .map(|c| (have.pivot[c] as f64 - want.mean[c]).abs() / want.variance[c].sqrt())
                    .collect();
                let most = far.iter().copied().fold(0f64, f64::max);
                let average = far.iter().sum::<f64>() / far.len() as f64;
                let near = if what == "normal" { 1.5 / (m as f64).sqrt() } else { 0.9 };
                println!(
                    "{what}, {shape}, plan {k}: {average:.4} σ off of {near:.4}, {most:.2} at most"
                );
                assert!(average <= near && most <= 1.2, "{what}, {shape}, plan {k}");
            }
        }
    }
}
