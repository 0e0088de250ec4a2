// Formula: σ² = M2/m; inv_std = 1/√(σ² + ε)
//   running mean ← (1 − α)·running mean + α·mean
//   running variance ← (1 − α)·running variance + α·M2/(m or m − 1)
//   α = momentum, or 1/batches seen
// A workgroup owns: its channels. One thread a channel (or quad of channels) calls `record`.
// Reads: running statistics, batch counts. Writes: saved and running statistics, batch counts.
// Needs: params.wgsl, a mapping file, moments.wgsl.

fn inv_std_of(m: Moments) -> vec4f {
    return 1.0 / sqrt(across(m.m2) / params.count + params.epsilon);
}

fn record(p: Place, m: Moments) {
    let mean = m.pivot + m.mean;
    set_work_row(ROW_MEAN, p, mean);
    set_work_row(ROW_INV_STD, p, inv_std_of(m));
    set_work_row(ROW_PIVOT, p, m.pivot);
    set_work_row(ROW_REMAINDER, p, m.mean);
    if has(FLAG_TRACK) {
        let batches = count_batch(p);
        let alpha = select(vec4f(params.momentum), 1.0 / batches, has(FLAG_CUMULATIVE));
        let variance = across(m.m2) / params.running_divisor;
        set_state_row(ROW_RUNNING_MEAN, p,
            (1.0 - alpha) * state_row(ROW_RUNNING_MEAN, p) + alpha * mean);
        set_state_row(ROW_RUNNING_VAR, p,
            (1.0 - alpha) * state_row(ROW_RUNNING_VAR, p) + alpha * variance);
    }
}
