// Formula: s(z) = 1/(1 + e^−z), and e^a − 1.
// A workgroup owns, reads, writes: nothing. Needs: nothing.
//
// What is built on these has small relative errors where its value is small: nothing is taken from 1
// that is near 1, and no exponential overflows into a NaN.

fn sigmoid(z: vec4f) -> vec4f {
    return 1.0 / (1.0 + exp(-z));
}

// e^a − 1 for a ≥ 0, to a few units in the last place: by its series where the difference would cancel.
fn exp_minus_one(a: vec4f) -> vec4f {
    var series = vec4f(1.0 / 362880.0);
    series = series * a + 1.0 / 40320.0;
    series = series * a + 1.0 / 5040.0;
    series = series * a + 1.0 / 720.0;
    series = series * a + 1.0 / 120.0;
    series = series * a + 1.0 / 24.0;
    series = series * a + 1.0 / 6.0;
    series = series * a + 0.5;
    series = series * a + 1.0;
    return select(exp(a) - 1.0, series * a, a < vec4f(0.7));
}
