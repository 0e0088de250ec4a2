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
            let half = sums_of_four(q0, q1, q2, q3, s, scale);
            group = add(group, add(half, sums_of_four(q4, q5, q6, q7, s, scale)));
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
