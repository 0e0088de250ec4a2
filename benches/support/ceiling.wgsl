// Formula: none; what the memory of an adapter allows: a kernel that only reads, two that copy,
// and one that does nothing.
// A workgroup owns: a contiguous range of `chunk` units.
// Reads: source. Writes: target; the reading kernel next to nothing, but so that reads are needed.
// Needs: `Unit`, a vector that is loaded and stored at once.

override WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<storage, read> source: array<Unit>;
@group(0) @binding(1) var<storage, read_write> target_: array<Unit>;
@group(0) @binding(2) var<uniform> chunk: vec4u;

fn linear(id: vec3u, grid: vec3u) -> u32 {
    return id.y * grid.x + id.x;
}

@compute @workgroup_size(WORKGROUP)
fn read_only(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let first = linear(id, grid) * chunk.x;
    let end = min(first + chunk.x, arrayLength(&source));
    var sum = Unit();
    var i = first + thread;
    for (; i + 3u * WORKGROUP < end; i += 4u * WORKGROUP) {
        let a = source[i];
        let b = source[i + WORKGROUP];
        let c = source[i + 2u * WORKGROUP];
        let d = source[i + 3u * WORKGROUP];
        sum += (a + b) + (c + d);
    }
    for (; i < end; i += WORKGROUP) {
        sum += source[i];
    }
    // Hardly ever true of data, and no compiler knows.
    if all(sum == Unit()) {
        target_[thread] = sum;
    }
}

@compute @workgroup_size(WORKGROUP)
fn copy(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let first = linear(id, grid) * chunk.x;
    let end = min(first + chunk.x, arrayLength(&source));
    var i = first + thread;
    for (; i + 3u * WORKGROUP < end; i += 4u * WORKGROUP) {
        let a = source[i];
        let b = source[i + WORKGROUP];
        let c = source[i + 2u * WORKGROUP];
        let d = source[i + 3u * WORKGROUP];
        target_[i] = a;
        target_[i + WORKGROUP] = b;
        target_[i + 2u * WORKGROUP] = c;
        target_[i + 3u * WORKGROUP] = d;
    }
    for (; i < end; i += WORKGROUP) {
        target_[i] = source[i];
    }
}

// The same, each unit stored before the next is loaded: on lavapipe 4 to 8 % faster, with four a round more surely than
// with one.
@compute @workgroup_size(WORKGROUP)
fn copy_in_turn(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let first = linear(id, grid) * chunk.x;
    let end = min(first + chunk.x, arrayLength(&source));
    var i = first + thread;
    for (; i + 3u * WORKGROUP < end; i += 4u * WORKGROUP) {
        target_[i] = source[i];
        target_[i + WORKGROUP] = source[i + WORKGROUP];
        target_[i + 2u * WORKGROUP] = source[i + 2u * WORKGROUP];
        target_[i + 3u * WORKGROUP] = source[i + 3u * WORKGROUP];
    }
    for (; i < end; i += WORKGROUP) {
        target_[i] = source[i];
    }
}

@compute @workgroup_size(WORKGROUP)
fn empty(@builtin(local_invocation_index) thread: u32) {
    if chunk.w == 1u {
        target_[thread] = source[thread];
    }
}
