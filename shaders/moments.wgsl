// Formula: count n, sum and sum of squares of a set of values of weight w, about a pivot. Without
// weights w = 1; the count is Σ w.
//   sum = Σ w·(x − pivot),  squares = Σ w·(x − pivot)²
//   merge, with b's pivot at a distance d = pivot_b − pivot_a, about a's:
//          sum = sum_a + (sum_b + n_b·d);  squares = squares_a + (squares_b + d·(2·sum_b + n_b·d))
//   mean = pivot + sum/n;  M2 = Σ w·(x − mean)² = squares − sum²/n
//   (shifted sums: T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample
//   variance: analysis and recommendations", 1983)
// A workgroup owns, reads, writes: nothing; these are the formulas.
// Needs: params.wgsl, a mapping file, weights.wgsl.
//
// The last line takes away what the pivot is off the mean, which costs M2 the factor
// 1 + ((mean − pivot)/σ)² in precision. So the pivot starts in the middle of a few values, and moves to
// one that is nearer to the mean wherever values are added or sets merged: neither an outlier nor the
// order of the values spoils it. And since it is one of the values, it has no more digits than they
// have: where no sum of theirs is rounded, nothing is.

struct Moments {
    count: f32,
    // The same in all components in the rows mapping.
    pivot: vec4f,
    // In the rows mapping the components are parts of one sum.
    sum: vec4f,
    squares: vec4f,
}

fn merge(a: Moments, b: Moments) -> Moments {
    if b.count == 0.0 { return a; }
    if a.count == 0.0 { return b; }
    let d = b.pivot - a.pivot;
    let moved_a = -d * (a.count / f32(VALUES_A_QUAD));
    let moved_b = d * (b.count / f32(VALUES_A_QUAD));
    let sum = a.sum + b.sum;
    let to_b = abs(across(sum + moved_a)) < abs(across(sum + moved_b));
    let between = d * select(2.0 * b.sum + moved_b, -(2.0 * a.sum + moved_a), to_b);
    let m = Moments(
        a.count + b.count,
        select(a.pivot, b.pivot, to_b),
        sum + select(moved_b, moved_a, to_b),
        (a.squares + b.squares) + between,
    );
    // Of sets far apart neither pivot is within a standard deviation of the mean; the middle between
    // them may be. Its last bit is cleared so that no compiler takes the distance to it for half of
    // that between the pivots, which it is only where nothing is rounded.
    let middle = bitcast<vec4f>(bitcast<vec4u>(0.5 * (a.pivot + b.pivot)) & vec4u(0xfffffffeu));
    let total = across(m.sum);
    return toward(m, middle, total * (total / m.count) > 0.5 * across(m.squares));
}

// About another pivot, if that is allowed and nearer to the mean.
fn toward(m: Moments, pivot: vec4f, allowed: vec4<bool>) -> Moments {
    let total = across(m.sum);
    let is_nearer = allowed & (abs(total + (m.pivot - pivot) * m.count) < abs(total));
    let d = select(vec4f(), m.pivot - pivot, is_nearer);
    let moved = d * (m.count / f32(VALUES_A_QUAD));
    return Moments(
        m.count,
        select(m.pivot, pivot, is_nearer),
        m.sum + moved,
        m.squares + d * (2.0 * m.sum + moved),
    );
}

// The mean less the pivot.
fn remainder_of(m: Moments, count: f32) -> vec4f {
    return across(m.sum) / count;
}

// What is less than 0 is so by roundoff; what is no number stays so.
fn m2_of(m: Moments, count: f32) -> vec4f {
    let m2 = across(m.squares) - across(m.sum) * remainder_of(m, count);
    return select(m2, vec4f(), m2 < vec4f());
}

// Four quads: few enough to stay in registers. Without weights only x and `count` are there.
struct Four {
    x0: vec4f,
    x1: vec4f,
    x2: vec4f,
    x3: vec4f,
    w0: vec4f,
    w1: vec4f,
    w2: vec4f,
    w3: vec4f,
    count: f32,
}

// What has no weight must be finite, as `filled` sees to.
fn with_four(m: Moments, f: Four) -> Moments {
    let d0 = f.x0 - m.pivot;
    let d1 = f.x1 - m.pivot;
    let d2 = f.x2 - m.pivot;
    let d3 = f.x3 - m.pivot;
    let s0 = weighed(f.w0, d0);
    let s1 = weighed(f.w1, d1);
    let s2 = weighed(f.w2, d2);
    let s3 = weighed(f.w3, d3);
    return Moments(
        m.count + f.count,
        m.pivot,
        m.sum + ((s0 + s1) + (s2 + s3)),
        m.squares + ((s0 * d0 + s1 * d1) + (s2 * d2 + s3 * d3)),
    );
}

// Another value for what has no weight.
fn filled(f: Four, other: vec4f) -> Four {
    return Four(
        present(f.w0, f.x0, other),
        present(f.w1, f.x1, other),
        present(f.w2, f.x2, other),
        present(f.w3, f.x3, other),
        f.w0, f.w1, f.w2, f.w3, f.count,
    );
}

// Of a block, a value in the middle: the median of medians of three, which no two outliers move.
fn middle_of(a: Four, b: Four) -> vec4f {
    return median(median(a.x0, a.x1, a.x2), median(a.x3, b.x0, b.x1), median(b.x1, b.x2, b.x3));
}

// Of the first three quads.
fn median_of(f: Four) -> vec4f {
    return median(f.x0, f.x1, f.x2);
}
