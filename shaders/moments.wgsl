// Formula: count, mean and M2 = Σ w·(x − mean)² of a set of values of weight w, the mean as
// pivot + mean. Without weights w = 1; the count is Σ w.
//   block:  mean_b = pivot + Σ w·(x − pivot)/n_b,  M2_b = Σ w·(x − mean_b)²
//   merge:  δ = mean_b − mean_a;  mean = mean_a + δ·n_b/n;  M2 = M2_a + M2_b + δ²·n_a·n_b/n
//   (T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm for
//   computing sample variances", 1979)
// A workgroup owns, reads, writes: nothing; these are the formulas.
// Needs: params.wgsl, a mapping file, weights.wgsl.
//
// The pivot is the middle of a few values, so x − pivot is small, and exact where the mean is large.
// It is the mean of medians: neither an outlier nor the order of the values can spoil it. What is
// left after the last block takes a value of its own.

struct Moments {
    count: f32,
    pivot: vec4f,
    // Relative to the pivot. In the rows mapping all components are equal.
    mean: vec4f,
    // In the rows mapping the components are parts of one sum.
    m2: vec4f,
}

// Of the two pivots it keeps the one that is nearer to the mean.
fn merge(a: Moments, b: Moments) -> Moments {
    if b.count == 0.0 { return a; }
    if a.count == 0.0 { return b; }
    let count = a.count + b.count;
    let weight = b.count / count;
    let rest = a.count / count;
    let delta = (b.pivot - a.pivot) + (b.mean - a.mean);
    let from_a = a.mean + delta * weight;
    let from_b = b.mean - delta * rest;
    let nearer = abs(from_b) < abs(from_a);
    let between = delta * delta * (a.count * weight / f32(VALUES_A_QUAD));
    return Moments(
        count,
        select(a.pivot, b.pivot, nearer),
        select(from_a, from_b, nearer),
        (a.m2 + b.m2) + between,
    );
}

// Count, mean relative to a pivot that is known, and M2.
struct Part {
    count: f32,
    mean: vec4f,
    m2: vec4f,
}

struct FourWeights {
    w0: vec4f,
    w1: vec4f,
    w2: vec4f,
    w3: vec4f,
}

// Of four quads: few enough to stay in registers.
fn part_of(x0: vec4f, x1: vec4f, x2: vec4f, x3: vec4f, w: FourWeights, pivot: vec4f) -> Part {
    let d0 = present(w.w0, x0 - pivot, vec4f());
    let d1 = present(w.w1, x1 - pivot, vec4f());
    let d2 = present(w.w2, x2 - pivot, vec4f());
    let d3 = present(w.w3, x3 - pivot, vec4f());
    var count = f32(4u * VALUES_A_QUAD);
    if WEIGHTED {
        count = across((w.w0 + w.w1) + (w.w2 + w.w3)).x;
    }
    let sum = (weighed(w.w0, d0) + weighed(w.w1, d1)) + (weighed(w.w2, d2) + weighed(w.w3, d3));
    let mean = across(sum) * share_of(1.0, count);
    let e0 = d0 - mean;
    let e1 = d1 - mean;
    let e2 = d2 - mean;
    let e3 = d3 - mean;
    let low = weighed(w.w0, e0 * e0) + weighed(w.w1, e1 * e1);
    let high = weighed(w.w2, e2 * e2) + weighed(w.w3, e3 * e3);
    return Part(count, mean, low + high);
}

// Of two parts with the same pivot.
fn join_parts(a: Part, b: Part) -> Part {
    let count = a.count + b.count;
    let weight = share_of(b.count, count);
    let delta = b.mean - a.mean;
    let between = delta * delta * (a.count * weight / f32(VALUES_A_QUAD));
    return Part(count, a.mean + delta * weight, (a.m2 + b.m2) + between);
}

// A value near the middle of eight: the mean of medians of three, which an outlier does not move.
fn middle_of_eight(
    x0: vec4f, x1: vec4f, x2: vec4f, x3: vec4f, x4: vec4f, x5: vec4f, x6: vec4f, x7: vec4f,
) -> vec4f {
    let low = median(x0, x1, x2) + median(x2, x3, x4);
    let high = median(x3, x4, x5) + median(x5, x6, x7);
    return (low + high) * 0.25;
}
