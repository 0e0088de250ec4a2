// Formula: Σdy and Σdy·(x − mean) of a channel; dβ = Σdy, dγ = inv_std·Σdy·(x − mean).
// A workgroup owns: its channels. Reads: gamma, saved or running statistics. Writes: nothing.
// Needs: params.wgsl, a mapping file.

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
