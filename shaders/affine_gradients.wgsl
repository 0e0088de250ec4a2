// Formula: dβ = Σdz; dγ = r·inv_std·Σdz·(x − mean) + d·Σdz; then a step of the optimizer, if the layer
// has one.
// A workgroup owns: its channels; one thread a channel (or quad of channels) calls this.
// Reads: saved statistics, gamma, beta, optimizer state. Writes: dgamma, dbeta, gamma, beta,
// optimizer state.
// Needs: params.wgsl, a mapping file, gradient_sums.wgsl, optimizer.wgsl.

// Adds 1 to the steps of the optimizer, and returns them.
fn next_step(p: Place) -> vec4f {
    let steps = state_words(ROW_STEPS, p) + 1u;
    set_state_words(ROW_STEPS, p, steps);
    return vec4f(steps);
}

fn record_gradients(p: Place, s: Statistics, sums: Sums) {
    if !AFFINE {
        return;
    }
    var dgamma = sums.dz_x * s.inv_std;
    var dbeta = sums.dz;
    if !FROZEN && RENORMALIZE {
        dgamma = dgamma * work_row(ROW_R, p) + sums.dz * work_row(ROW_D, p);
    }
    if has(FLAG_ACCUMULATE) {
        dgamma += state_row(ROW_DGAMMA, p);
        dbeta += state_row(ROW_DBETA, p);
    }
    set_state_row(ROW_DGAMMA, p, dgamma);
    set_state_row(ROW_DBETA, p, dbeta);
    if OPTIMIZE {
        let steps = next_step(p);
        if has(FLAG_GAMMA) {
            step(p, ROW_GAMMA, ROW_GAMMA_FIRST, ROW_GAMMA_SECOND, dgamma, steps);
        }
        if has(FLAG_BETA) {
            step(p, ROW_BETA, ROW_BETA_FIRST, ROW_BETA_SECOND, dbeta, steps);
        }
    }
}
