//! What may differ, and why: ε here is the unit roundoff of `f32`, 2⁻²⁴ ≈ 6.0e-8.

/// |have − want| ≤ atol + rtol·|want| for all values; a failure names the worst.
#[track_caller]
pub fn assert_close(what: &str, have: &[f32], want: &[f64], atol: f64, rtol: f64) {
    assert_within(what, have, want, |_, want| atol + rtol * want.abs());
}

/// |have − want| ≤ bound(index, want) for all values; a failure names the worst.
#[track_caller]
pub fn assert_within(what: &str, have: &[f32], want: &[f64], bound: impl Fn(usize, f64) -> f64) {
    assert_eq!(have.len(), want.len(), "{what}: number of values");
    let excess = |i: usize| {
        if have[i] as f64 == want[i] {
            return 0.0;
        }
        let error = (have[i] as f64 - want[i]).abs() / bound(i, want[i]);
        if error.is_nan() { f64::INFINITY } else { error }
    };
    let worst = (0..have.len()).max_by(|&a, &b| excess(a).total_cmp(&excess(b)));
    if let Some(i) = worst.filter(|&i| excess(i) > 1.0) {
        panic!(
            "{what}[{i}] of {}: {:e} instead of {:e}, {:.2} times the tolerance",
            have.len(),
            have[i],
            want[i],
            excess(i)
        );
    }
}

/// y for data of unit variance and |γ| ≤ 1. Of |x̂| ≤ 6: inv_std is off by at most 3 ulp (6ε), its
/// product with γ and x − pivot by ε each, the remainder of the mean by less than ε·m-independent sums
/// (2ε), its product with the scale and the shift by ε each, since the pivot is about a deviation off at most:
/// 6·(6 + 2)·ε·(typical fraction 1/2) + 4ε ≈ 1.7e-6.
pub const Y: f64 = 2e-6;

/// The mean as a pair, of the standard deviation: a group's n values are a deviation or less from the
/// pivot on average, so that each of the 16 additions at most that make its sum rounds by ε of n deviations at
/// most, up or down, and the mean is off by an nth of that: 3ε; merging groups and lanes adds as much again.
pub const MEAN: f64 = 3e-7;

/// inv_std: the sum σ² + ε, the root (2 ulp by Vulkan's rules) and the division (2.5 ulp), of which
/// 3 ulp are what a decent driver needs; an ulp is at most 2ε of the value.
pub const INV_STD: f64 = 3.0 * 2.0 * ROUNDOFF;

/// Running statistics, of the sum of |terms|: two products, a sum, and the batch value (2ε): 5ε.
pub const RUNNING: f64 = 3e-7;

/// dx, of the largest |dx|: dy − mean of dy (2ε of |dy|), x̂·dγ/m (6ε), the scale (4ε), spread over
/// the size of γ·inv_std·dy against dx: 64ε in all.
pub const DX: f64 = 4e-6;

/// dγ and dβ, of the sum of |terms|: groups of 8 blocks, or 16 rows, or 32 pairs, keep sums short, so that
/// roundings stay near ε; x̂ in the terms of dγ adds another.
pub const SUMS: f64 = 5e-8;

pub const ROUNDOFF: f64 = 1.0 / (1 << 24) as f64;
