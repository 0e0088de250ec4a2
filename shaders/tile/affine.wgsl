// Formula: none; what normalises each of a thread's columns (../normalize.wgsl).
// A workgroup owns: a tile. Reads and writes: memory of each thread's own.
// Needs: params.wgsl, tile/map.wgsl, normalize.wgsl.

var<private> affine_pivots: array<vec4f, MAX_QUADS>;
var<private> affine_remainders: array<vec4f, MAX_QUADS>;
var<private> affine_scales: array<vec4f, MAX_QUADS>;
var<private> affine_shifts: array<vec4f, MAX_QUADS>;

fn affine_of(k: u32) -> Affine {
    return Affine(affine_pivots[k], affine_remainders[k], affine_scales[k], affine_shifts[k]);
}

fn set_affine(k: u32, a: Affine) {
    affine_pivots[k] = a.pivot;
    affine_remainders[k] = a.remainder;
    affine_scales[k] = a.scale;
    affine_shifts[k] = a.shift;
}
