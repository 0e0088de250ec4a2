//! The way of the kernels over a tensor, by the parameter blocks of a plan.

use super::*;

/// The elements of a channel that the kernels of a step come to, as shaders/walk/map_rows.wgsl,
/// shaders/walk/map_columns.wgsl and the map.wgsl of shaders/tile, strip, line and run go about it. A channel of
/// several samples that are taken as one is as many.
fn elements_of(step: &Step, channel: u32) -> Vec<u32> {
    let p = step.params;
    let mut elements = Vec::new();
    for split in 0..p.splits {
        let unit = unit(step) as u32;
        let [first, end] = [split, split + 1].map(|split| split_start(&p, split) * unit);
        if step.mapping == Mapping::Rows {
            let length = p.outer * p.inner;
            let end = end.min(length.div_ceil(4));
            for first in (first..end).take(p.lanes as usize) {
                let mut inner = first * 4 % p.inner;
                let mut at = first * 4 / p.inner * p.outer_stride + channel * p.inner + inner;
                for quad in (first..end).step_by(p.lanes as usize) {
                    let (mut next, mut along) = (at, inner);
                    for _ in 0..(length - quad * 4).min(4) {
                        elements.push(next);
                        (next, along) = (next.wrapping_add(1), along + 1);
                        if along == p.inner {
                            (next, along) = (next.wrapping_add(p.outer_stride - p.inner), 0);
                        }
                    }
                    (at, inner) = (at.wrapping_add(p.step_at), inner + p.step_inner);
                    if inner >= p.inner {
                        inner -= p.inner;
                        at = at.wrapping_add(p.outer_stride - p.inner);
                    }
                }
            }
            continue;
        }
        for row in first..end.min(p.outer) {
            elements.extend((0..p.inner).map(|k| match step.mapping {
                Mapping::Tiles => {
                    let tile = channel / p.group * p.group;
                    let column = (channel - tile) * p.channel_step + k * p.column_step;
                    row * p.outer_stride + tile * p.inner + column
                }
                Mapping::Strips => {
                    row * p.outer_stride + channel * p.channel_step + k * p.column_step
                }
                _ => row * p.outer_stride + channel * p.inner + k,
            }));
        }
    }
    elements
}

#[test]
fn each_value_of_a_channel_is_visited_once() {
    plans(|_, shape, request, plan| {
        // Few of the plans, but each of the ways to cut a tensor.
        let few = shape.elements() <= 1_500 || shape == STRIP_OF_LINES;
        let small = few || shape.inner() > 1_000;
        if !small || !(request.weighted || request.in_parts || request.offsets == [0]) {
            return;
        }
        let (channels, inner) = (shape.channels() as u64, shape.inner());
        for step in &plan.steps {
            let (piece, p) = (&plan.pieces[step.piece], step.params);
            assert_eq!(
                [p.outer, p.channels, p.inner].map(u64::from),
                [piece.outer, piece.channels, piece.inner]
            );
            assert_eq!(p.first_channel as u64, piece.first_channel);
            assert_eq!(p.count, shape.count() as f32);
            let position = piece.start / (channels * inner) * inner + piece.start % inner;
            if !sweeps(plan) {
                assert_eq!(p.first_position as u64, position, "{shape}: {step:?}");
            }
            if step.kernel == Kernel::BackwardInput && !request.walks_twice() {
                continue;
            }
            for channel in [0, p.period / 2, p.period - 1] {
                let of_channel = |&element: &u64| {
                    let element = piece.start + element;
                    let of = (element / inner) % channels;
                    of == piece.first_channel + channel as u64
                };
                let wanted: Vec<u32> =
                    (0..piece.length).filter(of_channel).map(|e| e as u32).collect();
                let repeats = (channel..p.channels).step_by(p.period as usize);
                let mut visited: Vec<u32> = repeats.flat_map(|c| elements_of(step, c)).collect();
                visited.sort_unstable();
                assert!(visited == wanted, "{shape} {request:?}: channel {channel} of {step:?}");
            }
        }
    });
}

/// Of what a lane walks over, as `cursor` of both maps in shaders/walk divides it.
#[test]
fn a_walk_has_a_tail_where_a_lane_has_one() {
    let in_walks = |step: &&Step| matches!(step.mapping, Mapping::Rows | Mapping::Columns);
    plans(|_, shape, _, plan| {
        for step in plan.steps.iter().filter(in_walks) {
            let p = step.params;
            let (block, lanes) = (BLOCK as u32, p.lanes);
            let has_tail = (0..p.splits).any(|split| {
                let [first, end] =
                    [split, split + 1].map(|split| split_start(&p, split) * block * lanes);
                if step.mapping == Mapping::Columns {
                    return (end.min(p.outer) - first) % block != 0;
                }
                let length = p.outer as u64 * p.inner as u64;
                let end = end.min(length.div_ceil(4) as u32);
                (first..end).take(lanes as usize).any(|first| {
                    let quads = (end - first).div_ceil(lanes);
                    let last = first as u64 + (quads as u64 - 1) * lanes as u64;
                    quads % block != 0 || last * 4 + 4 > length
                })
            });
            assert_eq!(step.has_tail(), has_tail, "{shape}: {step:?}");
        }
    });
}

/// The pairs of a sample that the threads of a band come to, and the channels of it that each pair may have values of,
/// as shaders/line/rounds.wgsl shares them out.
fn pairs_of_band(inner: u32, channels: u32, workgroup: u32) -> Vec<(u32, [u32; 2])> {
    let step = 8 * workgroup;
    let cut = !inner.is_multiple_of(4);
    let (pair_of, pair_from) = (|i: u32| i / 8 * 8, |i: u32| i.next_multiple_of(8));
    let elements_of_rounds = (inner - if cut { 7 } else { 0 }) / step * step;
    let first_of_rounds = |k: u32| match k % 2 {
        0 => pair_from(k * inner),
        _ => pair_of((k + 1) * inner) - elements_of_rounds,
    };
    let mut pairs = Vec::new();
    for k in 0..channels {
        let first = first_of_rounds(k);
        pairs.extend((first..first + elements_of_rounds).step_by(8).map(|at| (at, [k; 2])));
    }
    let pairs_a_seam = (2 * inner).div_ceil(8) - 2 * elements_of_rounds / 8;
    for i in 0..channels.div_ceil(2) * pairs_a_seam {
        let k = i / pairs_a_seam * 2;
        let has_second = k + 1 < channels;
        let second = (k + 1) * inner;
        let end = if has_second { second + inner } else { second };
        let between = first_of_rounds(k) + elements_of_rounds + i % pairs_a_seam * 8;
        let is_beyond = has_second && between >= pair_of(end) - elements_of_rounds;
        let at = between + if is_beyond { elements_of_rounds } else { 0 };
        let k = if at >= second { k + 1 } else { k };
        if at < end {
            pairs.push((at, [k, k + 1]));
        }
    }
    pairs
}

/// For lines of quads and of any length, in bands that start and end with a pair.
#[test]
fn each_pair_of_a_band_is_visited_once() {
    for workgroup in [2, 4, 8, 16] {
        let fewest: u32 = 16 * workgroup;
        let extents = (fewest..fewest + 140).chain([784, 1_003, 1_225, 3_136, 5_041]);
        for inner in extents.filter(|inner| inner.is_multiple_of(4) || *inner >= fewest + 7) {
            for channels in (1..=16).filter(|channels| (channels * inner).is_multiple_of(8)) {
                let mut pairs = pairs_of_band(inner, channels, workgroup);
                pairs.sort_unstable();
                let visited: Vec<u32> = pairs.iter().map(|pair| pair.0).collect();
                let wanted: Vec<u32> = (0..channels * inner).step_by(8).collect();
                assert!(visited == wanted, "{inner}, {channels}, {workgroup}");
                for (at, [first, second]) in pairs {
                    let values = (at..at + 8).map(|i| i / inner);
                    let known = |k| k == first || k == second && k < channels;
                    assert!(values.clone().all(known), "{inner}, {channels}, {workgroup}: {at}");
                    assert_eq!(at / inner, first);
                }
            }
        }
    }
}
