// Formula: count, mean and M2 = Σ(x − mean)² of a set of values, the mean as pivot + mean.
//   block:  mean_b = pivot + Σ(x − pivot)/n_b,  M2_b = Σ(x − mean_b)²
//   merge:  δ = mean_b − mean_a;  mean = mean_a + δ·n_b/n;  M2 = M2_a + M2_b + δ²·n_a·n_b/n
//   (T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm for
//   computing sample variances", 1979)
// A workgroup owns, reads, writes: nothing; these are the formulas.
// Needs: params.wgsl, a mapping file.
//
// The pivot is the middle of a few values, so x − pivot is small, and exact where the mean is large.
// It is the mean of medians: neither an outlier nor the order of the values can spoil it. What is
// left after the last block takes a value of its own.

struct Moments {
    count: u32,
    pivot: vec4f,
    // Relative to the pivot. In the rows mapping all components are equal.
    mean: vec4f,
    // In the rows mapping the components are parts of one sum.
    m2: vec4f,
}

// Of the two pivots it keeps the one that is nearer to the mean.
fn merge(a: Moments, b: Moments) -> Moments {
    if b.count == 0u { return a; }
    if a.count == 0u { return b; }
    let count = a.count + b.count;
    let weight = f32(b.count) / f32(count);
    let rest = f32(a.count) / f32(count);
    let delta = (b.pivot - a.pivot) + (b.mean - a.mean);
    let from_a = a.mean + delta * weight;
    let from_b = b.mean - delta * rest;
    let nearer = abs(from_b) < abs(from_a);
    let between = delta * delta * (f32(a.count) * weight / f32(VALUES_A_QUAD));
    return Moments(
        count,
        select(a.pivot, b.pivot, nearer),
        select(from_a, from_b, nearer),
        (a.m2 + b.m2) + between,
    );
}

// Mean relative to the pivot, and M2, of a set whose size is known.
struct Part {
    mean: vec4f,
    m2: vec4f,
}

// Of four quads: few enough to stay in registers.
fn part_of(x0: vec4f, x1: vec4f, x2: vec4f, x3: vec4f, pivot: vec4f) -> Part {
    let d0 = x0 - pivot;
    let d1 = x1 - pivot;
    let d2 = x2 - pivot;
    let d3 = x3 - pivot;
    let mean = across((d0 + d1) + (d2 + d3)) * (1.0 / f32(4u * VALUES_A_QUAD));
    let e0 = d0 - mean;
    let e1 = d1 - mean;
    let e2 = d2 - mean;
    let e3 = d3 - mean;
    return Part(mean, (e0 * e0 + e1 * e1) + (e2 * e2 + e3 * e3));
}

// Of two parts of four quads each: a block.
fn block_of(a: Part, b: Part) -> Part {
    let delta = b.mean - a.mean;
    return Part(a.mean + delta * 0.5, (a.m2 + b.m2) + delta * delta * 2.0);
}

// A value near the middle of eight: the mean of medians of three, which an outlier does not move.
fn middle_of_eight(
    x0: vec4f, x1: vec4f, x2: vec4f, x3: vec4f, x4: vec4f, x5: vec4f, x6: vec4f, x7: vec4f,
) -> vec4f {
    let low = median(x0, x1, x2) + median(x2, x3, x4);
    let high = median(x3, x4, x5) + median(x5, x6, x7);
    return (low + high) * 0.25;
}
