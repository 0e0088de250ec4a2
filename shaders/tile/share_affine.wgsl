// Formula: none; what normalises a channel, from the thread that has it to those of its columns.
// A workgroup owns: a tile. Reads and writes: workgroup memory.
// Needs: params.wgsl, tile/map.wgsl, normalize.wgsl, tile/affine.wgsl.

// Leaves what a channel's columns need at its first column.
fn share_affine(c: u32, a: Affine) {
    column[c * params.channel_step] = vec4f(a.pivot.x, a.remainder.x, a.scale.x, a.shift.x);
}

// What all channels have left there.
fn take_affine(w: Tile, thread: u32) {
    let quads = quads(w, thread);
    for (var k = 0u; k < quads; k++) {
        let home = homes(w, first_column(k, thread));
        let all = transpose(mat4x4f(column[home.x], column[home.y], column[home.z], column[home.w]));
        set_affine(k, Affine(all[0], all[1], all[2], all[3]));
    }
}
