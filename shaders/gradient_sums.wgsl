// Formula: Σdy and Σdy·(x − mean) of a channel; dβ = Σdy, dγ = inv_std·Σdy·(x − mean).
// A workgroup owns: its channels. Reads: x, dy, gamma, saved or running statistics.
// Writes: for frozen statistics, which are constants, dx = γ·inv_std·dy on the way.
// Needs: params.wgsl, a tensor file, a mapping file.

// Differentiate through the running statistics, instead of those of the batch.
override FROZEN: bool = false;

struct Statistics {
    pivot: vec4f,
    remainder: vec4f,
    inv_std: vec4f,
}

// The statistics that the forward pass normalised with.
fn statistics(p: Place) -> Statistics {
    if FROZEN {
        let variance = state_row(ROW_RUNNING_VAR, p);
        return Statistics(state_row(ROW_RUNNING_MEAN, p), vec4f(), 1.0 / sqrt(variance + params.epsilon));
    }
    return Statistics(work_row(ROW_PIVOT, p), work_row(ROW_REMAINDER, p), work_row(ROW_INV_STD, p));
}

fn center(x_value: vec4f, s: Statistics) -> vec4f {
    return (x_value - s.pivot) - s.remainder;
}

fn scale_of(p: Place, s: Statistics) -> vec4f {
    if has(FLAG_GAMMA) {
        return s.inv_std * state_row(ROW_GAMMA, p);
    }
    return s.inv_std;
}

// In the rows mapping the components are parts of one sum.
struct Sums {
    dy: vec4f,
    dy_x: vec4f,
}

fn add(a: Sums, b: Sums) -> Sums {
    return Sums(a.dy + b.dy, a.dy_x + b.dy_x);
}

// The sums of four quads, few enough to stay in registers; frozen, also their dx.
fn sums_of_four(q0: Quad, q1: Quad, q2: Quad, q3: Quad, s: Statistics, scale: vec4f) -> Sums {
    let g0 = load_dy(q0);
    let g1 = load_dy(q1);
    let g2 = load_dy(q2);
    let g3 = load_dy(q3);
    if FROZEN {
        store_dx(q0, scale * g0);
        store_dx(q1, scale * g1);
        store_dx(q2, scale * g2);
        store_dx(q3, scale * g3);
    }
    let h0 = g0 * center(load_x(q0), s);
    let h1 = g1 * center(load_x(q1), s);
    let h2 = g2 * center(load_x(q2), s);
    let h3 = g3 * center(load_x(q3), s);
    return Sums((g0 + g1) + (g2 + g3), (h0 + h1) + (h2 + h3));
}
