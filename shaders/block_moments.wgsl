// Formula: the moments of a block of eight quads (moments.wgsl), and where pivots come from. A first block
// has the median of medians of three of its values, which no two outliers move; a later one may move the
// pivot to a value of its own that is nearer to the mean, or by a step; of a few values it is the nearest.
// Of weighted values those of little weight have no say.
// A workgroup owns, reads, writes: nothing; these are the formulas.
// Needs: params.wgsl, a mapping file, weights.wgsl, moments.wgsl.

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

// Where no value is near the mean: a step towards it that has few digits, so that the pivot has hardly
// more of them than the values have.
fn step_toward_mean(m: Moments) -> vec4f {
    let step = bitcast<vec4u>(across(m.sum) / m.count) & vec4u(0xfffff000u);
    return unfolded(m.pivot + bitcast<vec4f>(step));
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

// The moments of a block of weighted values. Those of little weight have no say in its pivot: others
// stand in for them.
fn weighted_block(low: Four, high: Four) -> Moments {
    var h = Heaviest(low.w0, low.x0);
    h = heavier(h, low.w1, low.x1);
    h = heavier(h, low.w2, low.x2);
    h = heavier(h, low.w3, low.x3);
    h = heavier(h, high.w0, high.x0);
    h = heavier(h, high.w1, high.x1);
    h = heavier(h, high.w2, high.x2);
    h = heavier(h, high.w3, high.x3);
    h = heaviest_across(h);
    let pivot = middle(middle_of(weighty(low, h), weighty(high, h)));
    return add(
        moments_of_four(filled(low, pivot), pivot),
        moments_of_four(filled(high, pivot), pivot),
    );
}

fn weighty(f: Four, h: Heaviest) -> Four {
    let enough = 0.25 * h.w;
    var only = f;
    only.x0 = select(h.x, f.x0, f.w0 >= enough);
    only.x1 = select(h.x, f.x1, f.w1 >= enough);
    only.x2 = select(h.x, f.x2, f.w2 >= enough);
    only.x3 = select(h.x, f.x3, f.w3 >= enough);
    return only;
}

// A value in the middle of a block, of each component.
fn middle_of(a: Four, b: Four) -> vec4f {
    return middle_of_eight(a.x0, a.x1, a.x2, a.x3, b.x0, b.x1, b.x2, b.x3);
}

fn middle_of_eight(
    x0: vec4f, x1: vec4f, x2: vec4f, x3: vec4f, x4: vec4f, x5: vec4f, x6: vec4f, x7: vec4f,
) -> vec4f {
    return median(median(x0, x1, x2), median(x3, x4, x5), median(x5, x6, x7));
}

fn median(a: vec4f, b: vec4f, c: vec4f) -> vec4f {
    return max(min(a, b), min(max(a, b), c));
}

// Of the components: of one channel they are four values, of which it takes one in the middle.
fn middle(a: vec4f) -> vec4f {
    if VALUES_A_QUAD > 1u {
        return vec4f(median(a, a.yyyy, a.zzzz).x);
    }
    return a;
}

// Which of a and b is nearer to `to`.
fn nearer(to: vec4f, a: vec4f, b: vec4f) -> vec4f {
    return select(a, b, abs(b - to) < abs(a - to));
}

// Of the components likewise the one that is nearest to `to`.
fn nearest_across(to: vec4f, a: vec4f) -> vec4f {
    if VALUES_A_QUAD > 1u {
        return nearer(to, nearer(to, a.xxxx, a.yyyy), nearer(to, a.zzzz, a.wwww));
    }
    return a;
}

// A value of the greatest weight so far.
struct Heaviest {
    w: vec4f,
    x: vec4f,
}

fn heavier(h: Heaviest, w: vec4f, x: vec4f) -> Heaviest {
    let is_heavier = w > h.w;
    return Heaviest(select(h.w, w, is_heavier), select(h.x, x, is_heavier));
}

// Of the components likewise the heaviest.
fn heaviest_across(h: Heaviest) -> Heaviest {
    if VALUES_A_QUAD > 1u {
        let xy = heavier(Heaviest(h.w.xxxx, h.x.xxxx), h.w.yyyy, h.x.yyyy);
        let xyz = heavier(xy, h.w.zzzz, h.x.zzzz);
        return heavier(xyz, h.w.wwww, h.x.wwww);
    }
    return h;
}
