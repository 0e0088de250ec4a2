//! The univariate summary statistics of NIST's Statistical Reference Datasets (StRD,
//! <https://www.itl.nist.gov/div898/strd/univ/homepage.html>): all nine, against their certified
//! means and standard deviations.
//!
//! `f32` cannot hold 2.0018 or 1000000.2, and variance is about differences, so a set is taken times
//! a power of ten that makes it whole numbers below 2²⁴, which `f32` holds exactly. Mean and
//! deviation are certified for the set as it is, and scale with it. How exact the kernels are is
//! then seen free of the rounding of the data.

use crate::device;
use crate::step::{Step, layers};
use crate::tolerance;
use std::collections::HashSet;
use wgpu_batchnorm::plan::{Mapping, Pass, Plan, Request};
use wgpu_batchnorm::{Shape, reference};

/// Of the variance, relative: five roundings of 2⁻²⁴.
const VARIANCE: f64 = 3e-7;

struct Set {
    name: &'static str,
    /// The data times `scale` less `shift`.
    values: Vec<f64>,
    scale: f64,
    shift: f64,
    /// Certified, of the data as they are; the deviation is that of n − 1.
    mean: f64,
    deviation: f64,
}

impl Set {
    fn mean(&self) -> f64 {
        self.mean * self.scale - self.shift
    }

    fn variance(&self) -> f64 {
        (self.deviation * self.scale).powi(2)
    }
}

fn sets() -> Vec<Set> {
    let set = |name, values: Vec<f64>, scale, mean, deviation| Set {
        name,
        values,
        scale,
        shift: 0.0,
        mean,
        deviation,
    };
    let integers = |values: &[i32]| values.iter().map(|&v| v as f64).collect::<Vec<_>>();
    // π has an 8 there. The set has a 3, and was certified so: mean and deviation agree with it.
    let mut digits: Vec<f64> = pi_digits(5000).into_iter().map(f64::from).collect();
    assert_eq!(std::mem::replace(&mut digits[956], 3.0), 8.0);
    // One value, then 500 times one below it and one above it, a tenth each.
    let around = |middle: f64| {
        let mut values = vec![middle];
        (0..500).for_each(|_| values.extend([middle - 1.0, middle + 1.0]));
        values
    };
    // 100000001 to 100000003 need 27 bits, so of NumAcc4 a constant is subtracted as well, and what
    // is left ends at 2²⁴ − 1: the mean is 1.7e7 deviations, more than any `f32` data can have.
    let shift = 100_000_003.0 - ((1 << 24) - 1) as f64;
    vec![
        set("PiDigits", digits, 1.0, 4.5348, 2.86733906028871),
        set("Lottery", integers(&LOTTERY), 1.0, 518.958715596330, 291.699727470969),
        set("Lew", integers(&LEW), 1.0, -177.435, 277.332168044316),
        set("Mavro", integers(&MAVRO), 1e5, 2.001856, 0.000429123454003053),
        set("Michelso", integers(&MICHELSO), 100.0, 299.8524, 0.0790105478190518),
        set("NumAcc1", vec![10000001.0, 10000003.0, 10000002.0], 1.0, 10000002.0, 1.0),
        set("NumAcc2", around(12.0), 10.0, 1.2, 0.1),
        set("NumAcc3", around(10_000_002.0), 10.0, 1000000.2, 0.1),
        Set { shift, ..set("NumAcc4", around(100_000_002.0 - shift), 10.0, 10000000.2, 0.1) },
    ]
}

/// Sets side by side as channels, each turned by one value more, so that every place of the data is
/// the first once: forms of one channel and of enough for tiles, with the batch in either axis.
fn shapes(n: u64) -> Vec<Shape> {
    // The smallest divisor above 1 cuts the batch into samples.
    let samples = (2..=n).find(|d| n.is_multiple_of(*d)).expect("a divisor");
    let mut shapes = vec![Shape::channels_first(1, 1, n), Shape::channels_last(n, 1)];
    for channels in [5, 40] {
        shapes.push(Shape::channels_first(1, channels, n));
        shapes.push(Shape::channels_first(samples, channels, n / samples));
        shapes.push(Shape::channels_first(n / samples, channels, samples));
        shapes.push(Shape::channels_last(n, channels));
    }
    shapes
}

fn tensor(shape: Shape, values: &[f64]) -> Vec<f32> {
    let mut x = vec![0f32; shape.elements() as usize];
    for c in 0..shape.channels() {
        for outer in 0..shape.outer() {
            for inner in 0..shape.inner() {
                let position = (outer * shape.inner() + inner + c as u64) as usize % values.len();
                x[shape.index(outer, c, inner) as usize] = values[position] as f32;
            }
        }
    }
    x
}

/// That the data are those that NIST certifies, and that none of them is rounded.
#[test]
fn the_reference_agrees_with_nist() {
    for set in sets() {
        let n = set.values.len();
        let x: Vec<f32> = set.values.iter().map(|&v| v as f32).collect();
        assert!(x.iter().zip(&set.values).all(|(&x, &v)| x as f64 == v), "{}", set.name);
        let have = reference::statistics(Shape::channels_last(n as u64, 1), &x);
        let variance = have.variance[0] * n as f64 / (n as f64 - 1.0);
        let off = (variance / set.variance() - 1.0).abs();
        // 15 digits of the deviation are certified.
        assert!(off <= 1e-13, "{}: σ² is {variance}, off by {off:e}", set.name);
        let off = (have.mean[0] - set.mean()).abs() / set.variance().sqrt();
        assert!(off <= 1e-8, "{}: the mean is off by {off:e} σ", set.name);
    }
}

/// What is worst of a set: its size and where it was.
#[derive(Default)]
struct Worst(f64, String);

impl Worst {
    fn take(&mut self, off: f64, what: impl Fn() -> String) {
        if off.is_nan() || off > self.0 {
            *self = Self(off, what());
        }
    }
}

#[test]
fn every_mapping_agrees_with_nist() {
    let Some(context) = device::context() else { return };
    let layers = layers(context);
    let mut mappings = HashSet::new();
    let mut missed = Vec::new();
    println!("{:10}{:>16}{:>16}", "", "σ², relative", "mean, of σ");
    for set in sets() {
        let (mut variance, mut mean) = (Worst::default(), Worst::default());
        for shape in shapes(set.values.len() as u64) {
            let x = tensor(shape, &set.values);
            let dy = vec![0.0; x.len()];
            for (kind, bn) in &layers {
                let plan = Plan::new(bn.adapter(), shape, &Request::new(Pass::Training, &[]))
                    .expect("a plan");
                mappings.insert(plan.mapping);
                let step = Step::bind(context, bn, shape, &x, &dy).expect("a step");
                let have = step.run().expect("a run");
                for c in 0..shape.channels() as usize {
                    let what = || format!("{} as {shape}, {kind}, channel {c}", set.name);
                    let off = have.running_var[c] as f64 / set.variance() - 1.0;
                    variance.take(off.abs(), what);
                    let off = (have.mean[c] - set.mean()).abs() / set.variance().sqrt();
                    mean.take(off, what);
                }
            }
        }
        println!("{:10}{:>16.2e}{:>16.2e}", set.name, variance.0, mean.0);
        if !(variance.0 <= VARIANCE && mean.0 <= tolerance::MEAN) {
            missed.push(format!("σ² by {:e}: {}", variance.0, variance.1));
            missed.push(format!("mean by {:e} σ: {}", mean.0, mean.1));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("; "));
    let mut want = HashSet::from([Mapping::Rows, Mapping::Columns]);
    // A workgroup of one narrower subgroup is too small for a tile; for runs and strips, and still more for lines of a
    // channel each, the sets are too few for one of wider ones.
    let subgroup = layers[0].1.adapter().subgroup;
    if subgroup >= 8 {
        want.insert(Mapping::Tiles);
    }
    if subgroup <= 8 {
        want.insert(Mapping::Lines);
    }
    if subgroup <= 16 {
        want.extend([Mapping::Runs, Mapping::Strips]);
    }
    assert_eq!(mappings, want);
}

/// The first digits of π, by Machin's formula, 16·atan(1/5) − 4·atan(1/239), in fixed point.
fn pi_digits(count: usize) -> Vec<u8> {
    const BASE: u64 = 1_000_000_000;
    // Numbers below 2³² in digits of that base, the first before the point, and two spare ones.
    let length = count.div_ceil(9) + 3;
    let divide = |number: &mut [u64], by: u64| {
        let mut rest = 0;
        for digit in number.iter_mut() {
            let whole = rest * BASE + *digit;
            (*digit, rest) = (whole / by, whole % by);
        }
    };
    let add = |to: &mut [u64], term: &[u64]| {
        let mut carry = 0;
        for (to, term) in to.iter_mut().zip(term).rev() {
            let sum = *to + term + carry;
            (*to, carry) = (sum % BASE, sum / BASE);
        }
    };
    let subtract = |from: &mut [u64], term: &[u64]| {
        let mut borrow = 0;
        for (from, term) in from.iter_mut().zip(term).rev() {
            let difference = BASE + *from - term - borrow;
            (*from, borrow) = (difference % BASE, 1 - difference / BASE);
        }
    };
    // factor·atan(1/x): factor/x − factor/(3·x³) + factor/(5·x⁵) − …
    let atan = |factor: u64, x: u64| {
        let mut power = vec![0; length];
        power[0] = factor;
        divide(&mut power, x);
        let mut sum = power.clone();
        for odd in (3u64..).step_by(2) {
            divide(&mut power, x * x);
            if power.iter().all(|&digit| digit == 0) {
                break;
            }
            let mut term = power.clone();
            divide(&mut term, odd);
            if odd % 4 == 3 { subtract(&mut sum, &term) } else { add(&mut sum, &term) }
        }
        sum
    };
    let mut pi = atan(16, 5);
    subtract(&mut pi, &atan(4, 239));
    let digits = pi[1..].iter().flat_map(|part| format!("{part:09}").into_bytes());
    std::iter::once(pi[0] as u8).chain(digits.map(|d| d - b'0')).take(count).collect()
}

const LEW: [i32; 200] = [
    -213, -564, -35, -15, 141, 115, -420, -360, 203, -338, -431, 194, -220, -513, 154, -125, -559,
    92, -21, -579, -52, 99, -543, -175, 162, -457, -346, 204, -300, -474, 164, -107, -572, -8, 83,
    -541, -224, 180, -420, -374, 201, -236, -531, 83, 27, -564, -112, 131, -507, -254, 199, -311,
    -495, 143, -46, -579, -90, 136, -472, -338, 202, -287, -477, 169, -124, -568, 17, 48, -568,
    -135, 162, -430, -422, 172, -74, -577, -13, 92, -534, -243, 194, -355, -465, 156, -81, -578,
    -64, 139, -449, -384, 193, -198, -538, 110, -44, -577, -6, 66, -552, -164, 161, -460, -344,
    205, -281, -504, 134, -28, -576, -118, 156, -437, -381, 200, -220, -540, 83, 11, -568, -160,
    172, -414, -408, 188, -125, -572, -32, 139, -492, -321, 205, -262, -504, 142, -83, -574, 0, 48,
    -571, -106, 137, -501, -266, 190, -391, -406, 194, -186, -553, 83, -13, -577, -49, 103, -515,
    -280, 201, 300, -506, 131, -45, -578, -80, 138, -462, -361, 201, -211, -554, 32, 74, -533,
    -235, 187, -372, -442, 182, -147, -566, 25, 68, -535, -244, 194, -351, -463, 174, -125, -570,
    15, 72, -550, -190, 172, -424, -385, 198, -218, -536, 96,
];

const LOTTERY: [i32; 218] = [
    162, 671, 933, 414, 788, 730, 817, 33, 536, 875, 670, 236, 473, 167, 877, 980, 316, 950, 456,
    92, 517, 557, 956, 954, 104, 178, 794, 278, 147, 773, 437, 435, 502, 610, 582, 780, 689, 562,
    964, 791, 28, 97, 848, 281, 858, 538, 660, 972, 671, 613, 867, 448, 738, 966, 139, 636, 847,
    659, 754, 243, 122, 455, 195, 968, 793, 59, 730, 361, 574, 522, 97, 762, 431, 158, 429, 414,
    22, 629, 788, 999, 187, 215, 810, 782, 47, 34, 108, 986, 25, 644, 829, 630, 315, 567, 919, 331,
    207, 412, 242, 607, 668, 944, 749, 168, 864, 442, 533, 805, 372, 63, 458, 777, 416, 340, 436,
    140, 919, 350, 510, 572, 905, 900, 85, 389, 473, 758, 444, 169, 625, 692, 140, 897, 672, 288,
    312, 860, 724, 226, 884, 508, 976, 741, 476, 417, 831, 15, 318, 432, 241, 114, 799, 955, 833,
    358, 935, 146, 630, 830, 440, 642, 356, 373, 271, 715, 367, 393, 190, 669, 8, 861, 108, 795,
    269, 590, 326, 866, 64, 523, 862, 840, 219, 382, 998, 4, 628, 305, 747, 247, 34, 747, 729, 645,
    856, 974, 24, 568, 24, 694, 608, 480, 410, 729, 947, 293, 53, 930, 223, 203, 677, 227, 62, 455,
    387, 318, 562, 242, 428, 968,
];

/// Times 10⁵.
const MAVRO: [i32; 50] = [
    200180, 200170, 200180, 200190, 200180, 200170, 200150, 200140, 200150, 200150, 200170, 200180,
    200180, 200190, 200190, 200210, 200200, 200160, 200140, 200130, 200130, 200150, 200150, 200160,
    200150, 200140, 200130, 200140, 200150, 200140, 200150, 200160, 200150, 200160, 200190, 200200,
    200200, 200210, 200220, 200230, 200240, 200250, 200270, 200260, 200260, 200260, 200270, 200260,
    200250, 200240,
];

/// Times 100.
const MICHELSO: [i32; 100] = [
    29985, 29974, 29990, 30007, 29993, 29985, 29995, 29998, 29998, 29988, 30000, 29998, 29993,
    29965, 29976, 29981, 30000, 30000, 29996, 29996, 29996, 29994, 29996, 29994, 29988, 29980,
    29985, 29988, 29990, 29984, 29983, 29979, 29981, 29988, 29988, 29983, 29980, 29979, 29976,
    29980, 29988, 29988, 29988, 29986, 29972, 29972, 29962, 29986, 29997, 29995, 29988, 29991,
    29985, 29987, 29984, 29984, 29985, 29984, 29984, 29984, 29989, 29981, 29981, 29982, 29980,
    29977, 29976, 29974, 29975, 29976, 29991, 29992, 29989, 29986, 29988, 29972, 29984, 29985,
    29985, 29978, 29989, 29984, 29978, 29981, 29976, 29981, 29979, 29981, 29982, 29985, 29987,
    29987, 29981, 29974, 29981, 29994, 29995, 29980, 29981, 29987,
];
