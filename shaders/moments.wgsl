// Formula: count, mean and M2 = Σ(x − mean)² of a set of values, the mean as pivot + mean.
//   block:  mean_b = pivot + Σ(x − pivot)/n_b,  M2_b = Σ(x − mean_b)²
//   merge:  δ = mean_b − mean_a;  mean += δ·n_b/n;  M2 = M2_a + M2_b + δ²·n_a·n_b/n
//   (T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm for
//   computing sample variances", 1979)
// A workgroup owns, reads, writes: nothing; these are the formulas.
// Needs: params.wgsl, a mapping file.
//
// The pivot is the middle of a few values, so x − pivot is small, and exact where the mean is large.
// It is the mean of medians: neither an outlier nor the order of the values can spoil it.

struct Moments {
    count: u32,
    pivot: vec4f,
    // Relative to the pivot. In the rows mapping all components are equal.
    mean: vec4f,
    // In the rows mapping the components are parts of one sum.
    m2: vec4f,
}

fn merge(a: Moments, b: Moments) -> Moments {
    if b.count == 0u { return a; }
    if a.count == 0u { return b; }
    let count = a.count + b.count;
    let weight = f32(b.count) / f32(count);
    let delta = (b.pivot - a.pivot) + (b.mean - a.mean);
    let between = delta * delta * (f32(a.count) * weight / f32(VALUES_A_QUAD));
    return Moments(count, a.pivot, a.mean + delta * weight, (a.m2 + b.m2) + between);
}
