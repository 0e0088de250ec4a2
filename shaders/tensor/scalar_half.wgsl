// Formula: none; loads and stores of tensors of 16-bit elements, one at a time.
// A workgroup owns: nothing. Reads and writes: the quads it is asked for.
// Needs: params.wgsl, an element file. Serves every offset and extent; elements beyond `valid` repeat
// the first.
//
// Memory is words, and the other half of a word may be another thread's, or another tensor's. So a
// lone half is cleared and set by atomic operations, which leave the other half as it is at any time.
// Stores are written out for each tensor, since WGSL passes no pointer to storage.

@group(0) @binding(3) var<storage, read_write> x: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> y: array<atomic<u32>>;
@group(0) @binding(5) var<storage, read_write> dy: array<atomic<u32>>;
@group(0) @binding(6) var<storage, read_write> dx: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> residual: array<atomic<u32>>;
@group(0) @binding(8) var<storage, read_write> dresidual: array<atomic<u32>>;

// Whether a quad can hold fewer than four elements.
const RAGGED = true;

// The half that an element is, in the lower half.
fn half_of(word: u32, i: u32) -> u32 {
    return (word >> (16u * (i & 1u))) & 0xffffu;
}

fn load_x(q: Quad) -> vec4f {
    let i = q.at + local.x_at;
    return decode_halves(vec4u(
        half_of(atomicLoad(&x[i.x / 2u]), i.x),
        half_of(atomicLoad(&x[i.y / 2u]), i.y),
        half_of(atomicLoad(&x[i.z / 2u]), i.z),
        half_of(atomicLoad(&x[i.w / 2u]), i.w),
    ));
}

fn load_dy(q: Quad) -> vec4f {
    let i = q.at + local.dy_at;
    return decode_halves(vec4u(
        half_of(atomicLoad(&dy[i.x / 2u]), i.x),
        half_of(atomicLoad(&dy[i.y / 2u]), i.y),
        half_of(atomicLoad(&dy[i.z / 2u]), i.z),
        half_of(atomicLoad(&dy[i.w / 2u]), i.w),
    ));
}

fn load_residual(q: Quad) -> vec4f {
    let i = q.at + local.residual_at;
    return decode_halves(vec4u(
        half_of(atomicLoad(&residual[i.x / 2u]), i.x),
        half_of(atomicLoad(&residual[i.y / 2u]), i.y),
        half_of(atomicLoad(&residual[i.z / 2u]), i.z),
        half_of(atomicLoad(&residual[i.w / 2u]), i.w),
    ));
}

// A word of a quad: where it is, what of it stays, and the bits of the rest.
struct Write {
    at: u32,
    keep: u32,
    bits: u32,
}

struct Writes {
    count: u32,
    words: array<Write, 4>,
}

fn writes_of(i: vec4u, valid: u32, value: vec4f) -> Writes {
    let halves = encode_halves(value);
    var all = Writes();
    var last = Write(i.x / 2u, 0xffffffffu, 0u);
    for (var k = 0u; k < valid; k++) {
        if i[k] / 2u != last.at {
            all.words[all.count] = last;
            all.count++;
            last = Write(i[k] / 2u, 0xffffffffu, 0u);
        }
        let shift = 16u * (i[k] & 1u);
        last.keep &= 0xffff0000u >> shift;
        last.bits |= halves[k] << shift;
    }
    all.words[all.count] = last;
    all.count++;
    return all;
}

fn set_y(w: Write) {
    if IN_PLACE {
        if w.keep == 0u {
            atomicStore(&x[w.at], w.bits);
        } else {
            atomicAnd(&x[w.at], w.keep);
            atomicOr(&x[w.at], w.bits);
        }
    } else {
        if w.keep == 0u {
            atomicStore(&y[w.at], w.bits);
        } else {
            atomicAnd(&y[w.at], w.keep);
            atomicOr(&y[w.at], w.bits);
        }
    }
}

fn store_y(q: Quad, value: vec4f) {
    let all = writes_of(q.at + local.y_at, q.valid, value);
    for (var k = 0u; k < all.count; k++) {
        set_y(all.words[k]);
    }
}

fn set_dx(w: Write) {
    if IN_PLACE {
        if w.keep == 0u {
            atomicStore(&dy[w.at], w.bits);
        } else {
            atomicAnd(&dy[w.at], w.keep);
            atomicOr(&dy[w.at], w.bits);
        }
    } else {
        if w.keep == 0u {
            atomicStore(&dx[w.at], w.bits);
        } else {
            atomicAnd(&dx[w.at], w.keep);
            atomicOr(&dx[w.at], w.bits);
        }
    }
}

fn store_dx(q: Quad, value: vec4f) {
    let all = writes_of(q.at + local.dx_at, q.valid, value);
    for (var k = 0u; k < all.count; k++) {
        set_dx(all.words[k]);
    }
}

fn set_dresidual(w: Write) {
    if w.keep == 0u {
        atomicStore(&dresidual[w.at], w.bits);
    } else {
        atomicAnd(&dresidual[w.at], w.keep);
        atomicOr(&dresidual[w.at], w.bits);
    }
}

fn store_dresidual(q: Quad, value: vec4f) {
    let all = writes_of(q.at + local.dresidual_at, q.valid, value);
    for (var k = 0u; k < all.count; k++) {
        set_dresidual(all.words[k]);
    }
}
