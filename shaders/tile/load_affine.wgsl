// Formula: none; what normalises each of a thread's columns, where a kernel before this one left it.
// A workgroup owns: a tile. Reads: state, saved statistics. Writes: memory of each thread's own.
// Needs: params.wgsl, tile/map.wgsl, normalize.wgsl, tile/affine.wgsl, and `known_affine` of a channel.
//
// A channel is read once a column, so that no thread waits for another: on lavapipe inference
// without a barrier takes about a seventh less time.

// Of four columns side by side, each of one channel.
fn side_by_side(a0: Affine, a1: Affine, a2: Affine, a3: Affine) -> Affine {
    return Affine(
        vec4f(a0.pivot.x, a1.pivot.x, a2.pivot.x, a3.pivot.x),
        vec4f(a0.remainder.x, a1.remainder.x, a2.remainder.x, a3.remainder.x),
        vec4f(a0.scale.x, a1.scale.x, a2.scale.x, a3.scale.x),
        vec4f(a0.shift.x, a1.shift.x, a2.shift.x, a3.shift.x),
    );
}

fn load_affine(w: Tile, thread: u32) {
    let quads = quads(w, thread);
    for (var k = 0u; k < quads; k++) {
        let channels = w.channel + channels_of(w, first_column(k, thread));
        set_affine(k, side_by_side(
            known_affine(Place(channels.x, 0u, 0u)),
            known_affine(Place(channels.y, 0u, 0u)),
            known_affine(Place(channels.z, 0u, 0u)),
            known_affine(Place(channels.w, 0u, 0u)),
        ));
    }
}
