// Formula: none; what normalises each of the channels that a thread writes (../normalize.wgsl), in four values.
// A workgroup owns: its channels. Reads and writes: memory of each thread's own.
// Needs: line/map.wgsl or run/map.wgsl, normalize.wgsl.

// And one beyond, which nothing is made of.
var<private> affines: array<vec4f, MAX_CHANNELS + 1u>;

fn set_affine(k: u32, a: Affine) {
    affines[k] = vec4f(a.pivot.x, a.remainder.x, a.scale.x, a.shift.x);
}

// In every component.
fn spread(a: vec4f) -> Affine {
    return Affine(a.xxxx, a.yyyy, a.zzzz, a.wwww);
}
