// Formula: count n, sum and sum of squares of a set of values of weight w, about a pivot. Without
// weights w = 1; the count is Σ w.
//   sum = Σ w·(x − pivot),  squares = Σ w·(x − pivot)²
//   about another pivot, at a distance d = pivot − other:  sum + n·d;  squares + d·(2·sum + n·d)
//   merge: about one pivot of the two, added
//   mean = pivot + r with r = sum/n;  M2 = Σ w·(x − mean)² = squares − r·(2·sum − n·r)
//   (shifted sums: T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample
//   variance: analysis and recommendations", 1983)
// A workgroup owns, reads, writes: nothing; these are the formulas.
// Needs: params.wgsl, a mapping file.
//
// The last line takes away what the pivot is off the mean, which costs M2 the factor
// 1 + ((mean − pivot)/σ)² in precision. So a pivot starts in the middle of a few values, and may move to one
// that is nearer to the mean after each block or part of values, and where sets are merged: neither an
// outlier nor the order of the values spoils it. And since it is one of the values, or in the middle between
// two, it has hardly more digits than they have: where they have few, as whole numbers do, the sums are exact.

struct Moments {
    count: f32,
    // The same in all components in the rows mapping.
    pivot: vec4f,
    // In the rows mapping the components are parts of one sum.
    sum: vec4f,
    squares: vec4f,
}

// What (mean − pivot)² is of Σ (x − pivot)²/n where the pivot is nearly a standard deviation off.
const FAR_OFF = 0.45;

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
    // the middle between them is.
    return toward(m, halfway(a.pivot, b.pivot), is_far_off(m));
}

fn is_far_off(m: Moments) -> vec4<bool> {
    let total = across(m.sum);
    return total * (total / m.count) > FAR_OFF * across(m.squares);
}

// The middle between two pivots.
fn halfway(a: vec4f, b: vec4f) -> vec4f {
    return unfolded(0.5 * (a + b));
}

// A pivot that is computed from others. Its last bit is cleared so that no compiler takes the distance to
// it for what it was computed from, which it is only where nothing is rounded.
fn unfolded(pivot: vec4f) -> vec4f {
    return bitcast<vec4f>(bitcast<vec4u>(pivot) & vec4u(0xfffffffeu));
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

// Written so that what the remainder is off counts squared: a GPU's division is. Below 0 is roundoff.
fn m2_of(m: Moments, count: f32) -> vec4f {
    let r = remainder_of(m, count);
    return abs(across(m.squares) - r * (2.0 * across(m.sum) - count * r));
}
