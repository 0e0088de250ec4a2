// Formula: backward, whole: Σdz and Σdz·(x − mean) (gradient_sums.wgsl), dγ, dβ and dx
// (gradient_input.wgsl).
// A workgroup owns: all values of its channels, and its threads keep dz and x − pivot in registers,
// a block of quads each at most. So x and dy are read once.
// Reads: x, dy, residual, gamma, saved statistics. Writes: dx, dresidual, dgamma, dbeta.
// Needs: params.wgsl, a tensor file, a mapping file of walks, quads/gradient_sums.wgsl, quads/gradient_input.wgsl,
// affine_gradients.wgsl, walk/block.wgsl, walk/missing.wgsl, walk/add_lanes.wgsl, and what these need.

// What is missing is 0. Of a thread without any quad the first is the tensor's first, of which nobody uses anything.
fn gradient_if(q: Quad, is_there: bool, first: Quad, a: Affine) -> Gradient {
    let g = gradient_of(or_other(q, is_there, first), a);
    return Gradient(
        select(vec4f(), keep(q, g.dz), is_there),
        select(vec4f(), keep(q, g.deviation), is_there),
    );
}

fn store_if(q: Quad, is_there: bool, g: Gradient, i: InputGradient) {
    if is_there {
        store_gradients(q, g, dx_of(q, g, i));
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_on_chip(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    local = params;
    let p = place(id.y * grid.x + id.x, thread);
    // Read before the barriers in `add_lanes`: after them lane 0 may step γ and β.
    var s = Statistics();
    if is_live(p) {
        s = statistics(p);
    }
    var c = cursor(p);
    let quads = c.blocks * BLOCK + c.tail;
    let b = quads_of_block(&c);
    let a = s.affine;
    let g0 = gradient_if(b.q0, 0u < quads, b.q0, a);
    let g1 = gradient_if(b.q1, 1u < quads, b.q0, a);
    let g2 = gradient_if(b.q2, 2u < quads, b.q0, a);
    let g3 = gradient_if(b.q3, 3u < quads, b.q0, a);
    let g4 = gradient_if(b.q4, 4u < quads, b.q0, a);
    let g5 = gradient_if(b.q5, 5u < quads, b.q0, a);
    let g6 = gradient_if(b.q6, 6u < quads, b.q0, a);
    let g7 = gradient_if(b.q7, 7u < quads, b.q0, a);
    let low = add(
        add(sums_of_one(g0, a), sums_of_one(g1, a)),
        add(sums_of_one(g2, a), sums_of_one(g3, a)),
    );
    let high = add(
        add(sums_of_one(g4, a), sums_of_one(g5, a)),
        add(sums_of_one(g6, a), sums_of_one(g7, a)),
    );
    let sums = add_lanes(thread, p.lane, add(low, high));
    if !is_live(p) {
        return;
    }
    if p.lane == 0u {
        record_gradients(p, s, sums);
    }
    if !differentiates() {
        return;
    }
    let i = input_gradient(p, s, sums);
    store_if(b.q0, 0u < quads, g0, i);
    store_if(b.q1, 1u < quads, g1, i);
    store_if(b.q2, 2u < quads, g2, i);
    store_if(b.q3, 3u < quads, g3, i);
    store_if(b.q4, 4u < quads, g4, i);
    store_if(b.q5, 5u < quads, g5, i);
    store_if(b.q6, 6u < quads, g6, i);
    store_if(b.q7, 7u < quads, g7, i);
}
