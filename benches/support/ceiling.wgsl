// Formula: none; what the memory of an adapter allows: kernels that only read, kernels that copy, and one that does
// nothing. Of both kinds one loads four units at a time, for adapters whose threads wait for memory; one uses each unit
// before it loads the next, which on lavapipe takes 0.98 of the time to read, and 0.92 to 0.96 to copy; and one does
// the latter in several places of its range in turn, which from Mesa 25.2 on is faster still.
// A workgroup owns: a contiguous range of `chunk` units.
// Reads: source. Writes: target; the reading kernels next to nothing, but so that reads are needed.
// Needs: `Unit`, a vector that is loaded and stored at once.

override WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<storage, read> source: array<Unit>;
@group(0) @binding(1) var<storage, read_write> target_: array<Unit>;
@group(0) @binding(2) var<uniform> chunk: vec4u;

struct Range {
    start: u32,
    end: u32,
}

fn range(id: vec3u, grid: vec3u) -> Range {
    let start = (id.y * grid.x + id.x) * chunk.x;
    return Range(start, min(start + chunk.x, arrayLength(&source)));
}

// Hardly ever true of data, and no compiler knows.
fn keep(sum: Unit, thread: u32) {
    if all(sum == Unit()) {
        target_[thread] = sum;
    }
}

@compute @workgroup_size(WORKGROUP)
fn read_only(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let r = range(id, grid);
    var sum = Unit();
    var i = r.start + thread;
    for (; i + 3u * WORKGROUP < r.end; i += 4u * WORKGROUP) {
        let a = source[i];
        let b = source[i + WORKGROUP];
        let c = source[i + 2u * WORKGROUP];
        let d = source[i + 3u * WORKGROUP];
        sum += (a + b) + (c + d);
    }
    for (; i < r.end; i += WORKGROUP) {
        sum += source[i];
    }
    keep(sum, thread);
}

@compute @workgroup_size(WORKGROUP)
fn read_in_turn(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let r = range(id, grid);
    var sum = Unit();
    var i = r.start + thread;
    for (; i + 3u * WORKGROUP < r.end; i += 4u * WORKGROUP) {
        sum += source[i];
        sum += source[i + WORKGROUP];
        sum += source[i + 2u * WORKGROUP];
        sum += source[i + 3u * WORKGROUP];
    }
    for (; i < r.end; i += WORKGROUP) {
        sum += source[i];
    }
    keep(sum, thread);
}

// In four places, a quarter of the range apart.
@compute @workgroup_size(WORKGROUP)
fn read_apart(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let r = range(id, grid);
    let part = (r.end - min(r.start, r.end)) / 4u;
    var sum = Unit();
    for (var i = r.start + thread; i < r.start + part; i += WORKGROUP) {
        sum += source[i];
        sum += source[i + part];
        sum += source[i + 2u * part];
        sum += source[i + 3u * part];
    }
    for (var i = r.start + 4u * part + thread; i < r.end; i += WORKGROUP) {
        sum += source[i];
    }
    keep(sum, thread);
}

@compute @workgroup_size(WORKGROUP)
fn copy(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let r = range(id, grid);
    var i = r.start + thread;
    for (; i + 3u * WORKGROUP < r.end; i += 4u * WORKGROUP) {
        let a = source[i];
        let b = source[i + WORKGROUP];
        let c = source[i + 2u * WORKGROUP];
        let d = source[i + 3u * WORKGROUP];
        target_[i] = a;
        target_[i + WORKGROUP] = b;
        target_[i + 2u * WORKGROUP] = c;
        target_[i + 3u * WORKGROUP] = d;
    }
    for (; i < r.end; i += WORKGROUP) {
        target_[i] = source[i];
    }
}

@compute @workgroup_size(WORKGROUP)
fn copy_in_turn(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let r = range(id, grid);
    var i = r.start + thread;
    for (; i + 3u * WORKGROUP < r.end; i += 4u * WORKGROUP) {
        target_[i] = source[i];
        target_[i + WORKGROUP] = source[i + WORKGROUP];
        target_[i + 2u * WORKGROUP] = source[i + 2u * WORKGROUP];
        target_[i + 3u * WORKGROUP] = source[i + 3u * WORKGROUP];
    }
    for (; i < r.end; i += WORKGROUP) {
        target_[i] = source[i];
    }
}

// In two places, half of the range apart: more are too many streams that are written.
@compute @workgroup_size(WORKGROUP)
fn copy_apart(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let r = range(id, grid);
    let part = (r.end - min(r.start, r.end)) / 2u;
    var i = r.start + thread;
    for (; i + WORKGROUP < r.start + part; i += 2u * WORKGROUP) {
        target_[i] = source[i];
        target_[i + part] = source[i + part];
        target_[i + WORKGROUP] = source[i + WORKGROUP];
        target_[i + WORKGROUP + part] = source[i + WORKGROUP + part];
    }
    for (; i < r.start + part; i += WORKGROUP) {
        target_[i] = source[i];
        target_[i + part] = source[i + part];
    }
    for (i = r.start + 2u * part + thread; i < r.end; i += WORKGROUP) {
        target_[i] = source[i];
    }
}

@compute @workgroup_size(WORKGROUP)
fn empty(@builtin(local_invocation_index) thread: u32) {
    if chunk.w == 1u {
        target_[thread] = source[thread];
    }
}
