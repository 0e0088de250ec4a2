// Formula: y = relu(x)·wᵀ, or, where there is a bias, (relu(x), 1)·wᵀ: w has a row for each output,
// and the bias is its last column. With the ReLU at the input, it needs no kernel of its own;
// pixels are not negative and pass it unchanged. Three kernels: forward, input_gradient, update.
// A workgroup owns: 8 by 8 values of what it writes, one a thread.

struct Layer {
    batch: u32,
    inputs: u32,
    outputs: u32,
    // Of w: inputs, or inputs + 1 where there is a bias.
    columns: u32,
}

@group(0) @binding(0) var<uniform> layer: Layer;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> w_updated: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<uniform> rate: f32;

// Not max(x, 0), which may turn NaN into 0 and hide that a network has diverged.
fn relu(x: f32) -> f32 {
    return select(x, 0.0, x <= 0.0);
}

fn input(n: u32, i: u32) -> f32 {
    if i == layer.inputs {
        return 1.0;
    }
    return relu(x[n * layer.inputs + i]);
}

// Formula: y[n, o] = Σ_i w[o, i]·input(n, i)
// A workgroup owns: 8 outputs of 8 samples.
// Reads: x, w. Writes: y.
@compute @workgroup_size(8, 8)
fn forward(@builtin(global_invocation_id) id: vec3u) {
    let o = id.x;
    let n = id.y;
    if o >= layer.outputs || n >= layer.batch {
        return;
    }
    var sum = 0.0;
    for (var i = 0u; i < layer.columns; i++) {
        sum += w[o * layer.columns + i] * input(n, i);
    }
    y[n * layer.outputs + o] = sum;
}

// Formula: dx[n, i] = Σ_o dy[n, o]·w[o, i] where x[n, i] > 0, else 0
// A workgroup owns: 8 inputs of 8 samples.
// Reads: x, w, dy. Writes: dx.
@compute @workgroup_size(8, 8)
fn input_gradient(@builtin(global_invocation_id) id: vec3u) {
    let i = id.x;
    let n = id.y;
    if i >= layer.inputs || n >= layer.batch {
        return;
    }
    var sum = 0.0;
    for (var o = 0u; o < layer.outputs; o++) {
        sum += dy[n * layer.outputs + o] * w[o * layer.columns + i];
    }
    let at = n * layer.inputs + i;
    dx[at] = select(sum, 0.0, x[at] <= 0.0);
}

// Formula: w[o, i] ← w[o, i] − rate·Σ_n dy[n, o]·input(n, i)
// A workgroup owns: 8 columns of 8 rows of w.
// Reads: x, w, dy. Writes: w; record it after input_gradient, which needs w as it was.
@compute @workgroup_size(8, 8)
fn update(@builtin(global_invocation_id) id: vec3u) {
    let i = id.x;
    let o = id.y;
    if i >= layer.columns || o >= layer.outputs {
        return;
    }
    var gradient = 0.0;
    for (var n = 0u; n < layer.batch; n++) {
        gradient += dy[n * layer.outputs + o] * input(n, i);
    }
    w_updated[o * layer.columns + i] -= rate * gradient;
}
