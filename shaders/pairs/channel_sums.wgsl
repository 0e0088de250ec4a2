// Formula: none; Σdz and Σdz·(x − mean) of each of a thread's channels, line after line, and in parts of lines, so
// that no chain of roundings is long.
// A workgroup owns: its channels. Reads and writes: memory of each thread's own.
// Needs: line/map.wgsl or run/map.wgsl, gradient_sums.wgsl.

// Of the part of each channel's lines at hand, and of those before.
var<private> part_sums: array<vec2f, MAX_CHANNELS>;
var<private> all_sums: array<vec2f, MAX_CHANNELS>;

fn add_sums(k: u32, more: Sums) {
    let sums = whole(more);
    part_sums[k] += vec2f(sums.dz.x, sums.dz_x.x);
}

fn join_parts() {
    for (var k = 0u; k < MAX_CHANNELS; k++) {
        all_sums[k] += part_sums[k];
        part_sums[k] = vec2f();
    }
}

fn sums_of(k: u32) -> Sums {
    return Sums(all_sums[k].xxxx, all_sums[k].yyyy);
}
