// Formula: Σdy and Σdy·(x − mean) over a thread's walk, and over the lanes of a channel
// (../gradient_sums.wgsl). Through frozen statistics, which are constants, also dx = γ·inv_std·dy
// on the way.
// A workgroup owns: its channels' split; `lanes` threads add up to one result, in a fixed order.
// Reads: x, dy. Writes: workgroup memory; frozen, dx.
// Needs: params.wgsl, a tensor file, a mapping file, gradient_sums.wgsl.

// The sums over a thread's walk; `scale` is γ·inv_std.
fn sums_of(start: Cursor, s: Statistics, scale: vec4f) -> Sums {
    var c = start;
    var total = Sums();
    for (var left = c.blocks; left > 0u;) {
        let blocks = min(left, BLOCKS_A_GROUP);
        var group = Sums();
        for (var k = 0u; k < blocks; k++) {
            let q0 = next(&c);
            let q1 = next(&c);
            let q2 = next(&c);
            let q3 = next(&c);
            let q4 = next(&c);
            let q5 = next(&c);
            let q6 = next(&c);
            let q7 = next(&c);
            next_block(&c);
            let g0 = load_dy(q0);
            let g1 = load_dy(q1);
            let g2 = load_dy(q2);
            let g3 = load_dy(q3);
            let g4 = load_dy(q4);
            let g5 = load_dy(q5);
            let g6 = load_dy(q6);
            let g7 = load_dy(q7);
            if FROZEN {
                store_dx(q0, scale * g0);
                store_dx(q1, scale * g1);
                store_dx(q2, scale * g2);
                store_dx(q3, scale * g3);
                store_dx(q4, scale * g4);
                store_dx(q5, scale * g5);
                store_dx(q6, scale * g6);
                store_dx(q7, scale * g7);
            }
            group.dy += ((g0 + g1) + (g2 + g3)) + ((g4 + g5) + (g6 + g7));
            let h0 = g0 * center(load_x(q0), s);
            let h1 = g1 * center(load_x(q1), s);
            let h2 = g2 * center(load_x(q2), s);
            let h3 = g3 * center(load_x(q3), s);
            let h4 = g4 * center(load_x(q4), s);
            let h5 = g5 * center(load_x(q5), s);
            let h6 = g6 * center(load_x(q6), s);
            let h7 = g7 * center(load_x(q7), s);
            group.dy_x += ((h0 + h1) + (h2 + h3)) + ((h4 + h5) + (h6 + h7));
        }
        total = add(total, group);
        left -= blocks;
    }
    for (var left = c.tail; left > 0u; left--) {
        let q = next(&c);
        let g = keep(q, load_dy(q));
        if FROZEN {
            store_dx(q, scale * g);
        }
        total = add(total, Sums(g, keep(q, g * center(load_x(q), s))));
    }
    return total;
}

var<workgroup> shared_dy: array<vec4f, WORKGROUP>;
var<workgroup> shared_dy_x: array<vec4f, WORKGROUP>;

// The sums of all lanes of a channel, the same for every lane.
fn add_lanes(thread: u32, lane: u32, own: Sums) -> Sums {
    shared_dy[thread] = own.dy;
    shared_dy_x[thread] = own.dy_x;
    for (var reach = params.lanes / 2u; reach > 0u; reach /= 2u) {
        // The other lane's sums must have been shared.
        workgroupBarrier();
        if lane < reach {
            let other = thread + reach * lane_step();
            shared_dy[thread] += shared_dy[other];
            shared_dy_x[thread] += shared_dy_x[other];
        }
    }
    // Lane 0 must have shared the result.
    workgroupBarrier();
    let first = thread - lane * lane_step();
    return Sums(across(shared_dy[first]), across(shared_dy_x[first]));
}
