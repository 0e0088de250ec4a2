// Formula: x[n, i] = images[order[n], i]; labels[n] = all_labels[order[n]]
// A workgroup owns: 64 pixels of the mini-batch, which are one image.
// Reads: order (this mini-batch's part of it), images, all_labels. Writes: x, labels.

const PIXELS = 64u;

@group(0) @binding(0) var<storage, read> order: array<u32>;
@group(0) @binding(1) var<storage, read> images: array<f32>;
@group(0) @binding(2) var<storage, read> all_labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> x: array<f32>;
@group(0) @binding(4) var<storage, read_write> labels: array<u32>;

@compute @workgroup_size(PIXELS)
fn gather(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) i: u32) {
    let n = id.x;
    x[n * PIXELS + i] = images[order[n] * PIXELS + i];
    if i == 0u {
        labels[n] = all_labels[order[n]];
    }
}
