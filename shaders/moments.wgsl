// Formula: count n, sum and sum of squares of a set of values of weight w, about a pivot. Without
// weights w = 1; the count is Σ w.
//   sum = Σ w·(x − pivot),  squares = Σ w·(x − pivot)²
//   about another pivot, at a distance d = pivot − other:  sum + n·d;  squares + d·(2·sum + n·d)
//   merge: about one pivot of the two, added
//   mean = pivot + r with r = sum/n;  M2 = Σ w·(x − mean)² = squares − r·(2·sum − n·r)
//   (shifted sums: T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample
//   variance: analysis and recommendations", 1983)
// A workgroup owns, reads, writes: nothing; these are the formulas.
// Needs: params.wgsl, a mapping file, weights.wgsl.
//
// The last line takes away what the pivot is off the mean, which costs M2 the factor
// 1 + ((mean − pivot)/σ)² in precision. So a pivot starts in the middle of a few values, and moves to one
// that is nearer to the mean wherever values are added or sets merged: neither an outlier nor the order
// of the values spoils it. And since it is one of the values, or in the middle between two, it has hardly
// more digits than they have: where they have few, as whole numbers do, the sums are exact.

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
    // Where the values are two, or drift, neither pivot may be within a standard deviation of the mean;
    // the middle between them is. Its last bit is cleared so that no compiler takes the distance to it
    // for half of that between the pivots, which it is only where nothing is rounded.
    let between_both = bitcast<vec4f>(bitcast<vec4u>(0.5 * (a.pivot + b.pivot)) & vec4u(0xfffffffeu));
    let total = across(m.sum);
    return toward(m, between_both, total * (total / m.count) > FAR_OFF * across(m.squares));
}

// What (mean − pivot)² is of Σ (x − pivot)²/n where the pivot is nearly a standard deviation off.
const FAR_OFF = 0.45;

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

// Written so that what the remainder is off counts squared: a GPU's division is. Below 0 is roundoff.
fn m2_of(m: Moments, count: f32) -> vec4f {
    let r = remainder_of(m, count);
    return abs(across(m.squares) - r * (2.0 * across(m.sum) - count * r));
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
fn moments_of_four(f: Four, pivot: vec4f) -> Moments {
    let d0 = f.x0 - pivot;
    let d1 = f.x1 - pivot;
    let d2 = f.x2 - pivot;
    let d3 = f.x3 - pivot;
    let s0 = weighed(f.w0, d0);
    let s1 = weighed(f.w1, d1);
    let s2 = weighed(f.w2, d2);
    let s3 = weighed(f.w3, d3);
    return Moments(
        f.count,
        pivot,
        (s0 + s1) + (s2 + s3),
        (s0 * d0 + s1 * d1) + (s2 * d2 + s3 * d3),
    );
}

// Of the same pivot.
fn add(a: Moments, b: Moments) -> Moments {
    return Moments(a.count + b.count, a.pivot, a.sum + b.sum, a.squares + b.squares);
}

// The moments of a block, about a value in the middle of it.
fn first_block(low: Four, high: Four) -> Moments {
    let pivot = middle(middle_of(low, high));
    return add(moments_of_four(low, pivot), moments_of_four(high, pivot));
}

// With a block more, which may have a value that is nearer to the mean of all.
fn with_block(m: Moments, low: Four, high: Four) -> Moments {
    let block = add(moments_of_four(low, m.pivot), moments_of_four(high, m.pivot));
    // Three that lie apart, as data may repeat along a row.
    let candidate = middle(median(low.x0, low.x3, high.x2));
    return toward(add(m, block), candidate, vec4<bool>(true));
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
