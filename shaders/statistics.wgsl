// Formula: σ² = M2/m; inv_std = 1/√(σ² + ε)
//   running mean ← (1 − α)·running mean + α·mean
//   running variance ← (1 − α)·running variance + α·M2/(m or m − 1)
//   α = momentum, or 1/batches seen
// Batch renormalization (S. Ioffe, "Batch Renormalization", 2017), with the statistics before this
// batch:  r = σ/σ_running within 1/r_max..r_max;  d = (mean − mean_running)/σ_running within ±d_max
// A workgroup owns: its channels. One thread a channel (or quad of channels) calls `record`.
// Reads: running statistics, batch counts. Writes: saved and running statistics, batch counts.
// Needs: params.wgsl, a mapping file, moments.wgsl, normalize.wgsl, settings.wgsl.

struct Running {
    mean: vec4f,
    variance: vec4f,
}

// What a batch adds to, where running statistics are tracked.
struct Tracked {
    running: Running,
    batches: vec4u,
}

fn tracked(p: Place) -> Tracked {
    let running = Running(state_row(ROW_RUNNING_MEAN, p), state_row(ROW_RUNNING_VAR, p));
    return Tracked(running, state_words(ROW_BATCHES, p));
}

// As they were when the first of two dispatches saved them.
fn saved_running(p: Place) -> Running {
    return Running(work_row(ROW_MEAN_BEFORE, p), work_row(ROW_VAR_BEFORE, p));
}

// All that follows from a channel's moments.
struct Normalizer {
    affine: Affine,
    inv_std: vec4f,
    r: vec4f,
    d: vec4f,
}

fn count_of(m: Moments) -> f32 {
    return select(params.count, m.count, params.count == 0.0);
}

// What moments are divided by: those of a channel without any values are 0.
fn divisor_of(m: Moments) -> f32 {
    let count = count_of(m);
    return select(count, 1.0, count == 0.0);
}

fn normalizer(l: Learned, m: Moments, before: Running) -> Normalizer {
    let count = divisor_of(m);
    let remainder = remainder_of(m, count);
    let inv_std = 1.0 / sqrt(m2_of(m, count) / count + params.epsilon);
    var r = vec4f(1.0);
    var d = vec4f();
    if RENORMALIZE {
        let running_std = sqrt(before.variance + params.epsilon);
        let r_max = vec4f(setting(SETTING_R_MAX));
        let d_max = vec4f(setting(SETTING_D_MAX));
        r = clamp(1.0 / (inv_std * running_std), 1.0 / r_max, r_max);
        d = clamp(((m.pivot - before.mean) + remainder) / running_std, -d_max, d_max);
    }
    return Normalizer(affine(l, m.pivot, remainder, inv_std, r, d), inv_std, r, d);
}

fn record(p: Place, m: Moments, n: Normalizer, before: Tracked) {
    let count = count_of(m);
    let mean = n.affine.pivot + n.affine.remainder;
    set_work_row(ROW_MEAN, p, mean);
    set_work_row(ROW_INV_STD, p, n.inv_std);
    set_work_row(ROW_PIVOT, p, n.affine.pivot);
    set_work_row(ROW_REMAINDER, p, n.affine.remainder);
    set_work_row(ROW_SCALE, p, n.affine.scale);
    set_work_row(ROW_SHIFT, p, n.affine.shift);
    set_work_row(ROW_COUNT, p, vec4f(count));
    set_work_row(ROW_R, p, n.r);
    set_work_row(ROW_D, p, n.d);
    // A batch of nothing tells nothing.
    if has(FLAG_TRACK) && count > 0.0 {
        let batches = before.batches + 1u;
        let alpha = select(vec4f(params.momentum), 1.0 / vec4f(batches), has(FLAG_CUMULATIVE));
        // One value has no unbiased variance.
        let unbiased = has(FLAG_UNBIASED) && count > 1.0;
        let variance = m2_of(m, count) / select(count, count - 1.0, unbiased);
        set_state_words(ROW_BATCHES, p, batches);
        set_state_row(ROW_RUNNING_MEAN, p, (1.0 - alpha) * before.running.mean + alpha * mean);
        set_state_row(ROW_RUNNING_VAR, p, (1.0 - alpha) * before.running.variance + alpha * variance);
    }
}
