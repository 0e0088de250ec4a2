// Formula: none; the weight of each of a quad's values. Without weights it is 1; 0 takes a position
// out: nothing of it is used, whatever is stored there.
// A workgroup owns: nothing. Reads: weights. Writes: nothing.
// Needs: params.wgsl, a mapping file.

@group(0) @binding(9) var<storage, read_write> weights: array<f32>;

fn weight_at(position: u32) -> f32 {
    let at = local.first_position + position;
    if local.weight_span == 1u {
        return weights[local.weights_at + at];
    }
    return weights[local.weights_at + at / local.weight_span];
}

fn weights_of(q: Quad) -> vec4f {
    if !WEIGHTED {
        return keep(q, vec4f(1.0));
    }
    let first = weight_at(q.position);
    var w = vec4f(first);
    if VALUES_A_QUAD > 1u {
        w.y = weight_at(q.position + 1u);
        w.z = weight_at(q.position + 2u);
        w.w = weight_at(q.position + 3u);
    }
    // What is below 0, or no number, counts as 0.
    return keep(q, select(vec4f(), w, w > vec4f()));
}

// v where there is weight, else `other`.
fn present(w: vec4f, v: vec4f, other: vec4f) -> vec4f {
    if WEIGHTED {
        return select(other, v, w > vec4f());
    }
    return v;
}

fn weighed(w: vec4f, v: vec4f) -> vec4f {
    if WEIGHTED {
        return w * v;
    }
    return v;
}

// What part of a whole has; nothing has no parts.
fn share_of(part: f32, whole: f32) -> f32 {
    if WEIGHTED && whole == 0.0 {
        return 0.0;
    }
    return part / whole;
}
