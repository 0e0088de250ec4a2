// Formula: none; the weight of each of a quad's values. Without weights it is 1; 0 takes a position
// out: nothing of it is used, whatever is stored there.
// A workgroup owns: nothing. Reads: weights. Writes: nothing.
// Needs: params.wgsl, a mapping file.

@group(0) @binding(9) var<storage, read_write> weights: array<f32>;

fn weights_of(q: Quad) -> vec4f {
    if !WEIGHTED {
        return keep(q, vec4f(1.0));
    }
    var at = vec4u(local.first_position + q.position) + vec4u(0u, 1u, 2u, 3u);
    // Division is slow, and mostly by 1.
    if local.weight_span > 1u {
        at /= local.weight_span;
    }
    at += local.weights_at;
    var w = vec4f(weights[at.x]);
    if VALUES_A_QUAD > 1u {
        w.y = weights[at.y];
        w.z = weights[at.z];
        w.w = weights[at.w];
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
