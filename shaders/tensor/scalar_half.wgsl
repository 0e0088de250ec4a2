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

// All of it stays.
const NOTHING = Write(0u, 0xffffffffu, 0u);

struct Writes {
    first: Write,
    second: Write,
    third: Write,
    fourth: Write,
}

fn write_of(i: u32, half: u32) -> Write {
    let shift = 16u * (i & 1u);
    return Write(i / 2u, 0xffff0000u >> shift, half << shift);
}

// Two halves, of which the second takes the first with it where they share a word.
fn joined(first: Write, second: Write) -> array<Write, 2> {
    if first.at == second.at {
        let both = Write(first.at, first.keep & second.keep, first.bits | second.bits);
        return array(NOTHING, both);
    }
    return array(first, second);
}

// Without a loop: lavapipe ends all loops of an invocation after 65,535 rounds, these among them (docs/lavapipe.md).
fn writes_of(i: vec4u, valid: u32, value: vec4f) -> Writes {
    let halves = encode_halves(value);
    var all = Writes(write_of(i.x, halves.x), NOTHING, NOTHING, NOTHING);
    if valid > 1u {
        let pair = joined(all.first, write_of(i.y, halves.y));
        all.first = pair[0];
        all.second = pair[1];
    }
    if valid > 2u {
        let pair = joined(all.second, write_of(i.z, halves.z));
        all.second = pair[0];
        all.third = pair[1];
    }
    if valid > 3u {
        let pair = joined(all.third, write_of(i.w, halves.w));
        all.third = pair[0];
        all.fourth = pair[1];
    }
    return all;
}

fn set_y(w: Write) {
    if IN_PLACE {
        if w.keep == 0u {
            atomicStore(&x[w.at], w.bits);
        } else if w.keep != NOTHING.keep {
            atomicAnd(&x[w.at], w.keep);
            atomicOr(&x[w.at], w.bits);
        }
    } else {
        if w.keep == 0u {
            atomicStore(&y[w.at], w.bits);
        } else if w.keep != NOTHING.keep {
            atomicAnd(&y[w.at], w.keep);
            atomicOr(&y[w.at], w.bits);
        }
    }
}

fn store_y(q: Quad, value: vec4f) {
    let all = writes_of(q.at + local.y_at, q.valid, value);
    set_y(all.first);
    set_y(all.second);
    set_y(all.third);
    set_y(all.fourth);
}

fn set_dx(w: Write) {
    if IN_PLACE {
        if w.keep == 0u {
            atomicStore(&dy[w.at], w.bits);
        } else if w.keep != NOTHING.keep {
            atomicAnd(&dy[w.at], w.keep);
            atomicOr(&dy[w.at], w.bits);
        }
    } else {
        if w.keep == 0u {
            atomicStore(&dx[w.at], w.bits);
        } else if w.keep != NOTHING.keep {
            atomicAnd(&dx[w.at], w.keep);
            atomicOr(&dx[w.at], w.bits);
        }
    }
}

fn store_dx(q: Quad, value: vec4f) {
    let all = writes_of(q.at + local.dx_at, q.valid, value);
    set_dx(all.first);
    set_dx(all.second);
    set_dx(all.third);
    set_dx(all.fourth);
}

fn set_dresidual(w: Write) {
    if w.keep == 0u {
        atomicStore(&dresidual[w.at], w.bits);
    } else if w.keep != NOTHING.keep {
        atomicAnd(&dresidual[w.at], w.keep);
        atomicOr(&dresidual[w.at], w.bits);
    }
}

fn store_dresidual(q: Quad, value: vec4f) {
    let all = writes_of(q.at + local.dresidual_at, q.valid, value);
    set_dresidual(all.first);
    set_dresidual(all.second);
    set_dresidual(all.third);
    set_dresidual(all.fourth);
}
