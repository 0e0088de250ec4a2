// Formula: γ ← γ − rate·dγ; β ← β − rate·dβ
// A workgroup owns: 64 channels, one a thread.
// Reads: the rows γ, β, dγ and dβ of a batch norm's state. Writes: γ, β. All four are bound as
// read_write: they are parts of one buffer, which has one usage in a dispatch.

@group(0) @binding(0) var<storage, read_write> gamma: array<f32>;
@group(0) @binding(1) var<storage, read_write> beta: array<f32>;
@group(0) @binding(2) var<storage, read_write> dgamma: array<f32>;
@group(0) @binding(3) var<storage, read_write> dbeta: array<f32>;
@group(0) @binding(4) var<uniform> rate: f32;

@compute @workgroup_size(64)
fn affine(@builtin(global_invocation_id) id: vec3u) {
    let c = id.x;
    if c < arrayLength(&gamma) {
        gamma[c] -= rate * dgamma[c];
        beta[c] -= rate * dbeta[c];
    }
}
