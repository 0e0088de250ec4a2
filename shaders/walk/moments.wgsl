// Formula: the moments of a thread's walk, by block (../moments.wgsl), and of the lanes of a channel.
// A workgroup owns: its channels' split; `lanes` threads merge to one result, in a fixed order.
// Reads: x. Writes: workgroup memory.
// Needs: params.wgsl, a tensor file, a mapping file, moments.wgsl.

// The moments of a thread's walk.
fn moments_of(start: Cursor) -> Moments {
    var c = start;
    var total = Moments();
    for (var left = c.blocks; left > 0u;) {
        // A group of blocks of equal counts: the merge of the k-th needs no counts. Each group has
        // a pivot of its own, so that what the data begins with does not matter for all of it.
        let blocks = min(left, BLOCKS_A_GROUP);
        var pivot = vec4f();
        var mean = vec4f();
        var m2 = vec4f();
        for (var k = 0u; k < blocks; k++) {
            let x0 = load_x(next(&c));
            let x1 = load_x(next(&c));
            let x2 = load_x(next(&c));
            let x3 = load_x(next(&c));
            if k == 0u {
                var ahead = c;
                let x4 = load_x(next(&ahead));
                let x5 = load_x(next(&ahead));
                let x6 = load_x(next(&ahead));
                let x7 = load_x(next(&ahead));
                pivot = middle(middle_of_eight(x0, x1, x2, x3, x4, x5, x6, x7));
            }
            let first = part_of(x0, x1, x2, x3, pivot);
            let x4 = load_x(next(&c));
            let x5 = load_x(next(&c));
            let x6 = load_x(next(&c));
            let x7 = load_x(next(&c));
            next_block(&c);
            let block = block_of(first, part_of(x4, x5, x6, x7, pivot));
            let weight = 1.0 / f32(k + 1u);
            let delta = block.mean - mean;
            mean += delta * weight;
            m2 += block.m2 + delta * delta * (f32(BLOCK * k) * weight);
        }
        total = merge(total, Moments(blocks * BLOCK * VALUES_A_QUAD, pivot, mean, m2));
        left -= blocks;
    }
    if c.tail > 0u {
        total = merge(total, moments_of_tail(c));
    }
    return total;
}

// The moments of the quads after the last block, as one block of its own: read twice, so that its
// mean is known before it is subtracted.
fn moments_of_tail(start: Cursor) -> Moments {
    var c = start;
    let first = next(&c);
    let pivot = middle_of_one(first, load_x(first));
    c = start;
    var count = 0u;
    var sum = vec4f();
    for (var left = start.tail; left > 0u; left--) {
        let q = next(&c);
        sum += keep(q, load_x(q) - pivot);
        count += values_in(q);
    }
    let mean = across(sum) / f32(count);
    var m2 = vec4f();
    c = start;
    for (var left = start.tail; left > 0u; left--) {
        let q = next(&c);
        let e = keep(q, (load_x(q) - pivot) - mean);
        m2 += e * e;
    }
    return Moments(count, pivot, mean, m2);
}

var<workgroup> shared_count: array<u32, WORKGROUP>;
var<workgroup> shared_pivot: array<vec4f, WORKGROUP>;
var<workgroup> shared_mean: array<vec4f, WORKGROUP>;
var<workgroup> shared_m2: array<vec4f, WORKGROUP>;

fn share(thread: u32, m: Moments) {
    shared_count[thread] = m.count;
    shared_pivot[thread] = m.pivot;
    shared_mean[thread] = m.mean;
    shared_m2[thread] = m.m2;
}

fn shared_moments(thread: u32) -> Moments {
    return Moments(
        shared_count[thread],
        shared_pivot[thread],
        shared_mean[thread],
        shared_m2[thread],
    );
}

// The moments of all lanes of a channel, the same for every lane.
fn merge_lanes(thread: u32, lane: u32, own: Moments) -> Moments {
    share(thread, own);
    for (var reach = params.lanes / 2u; reach > 0u; reach /= 2u) {
        // The other lane's moments must have been shared.
        workgroupBarrier();
        if lane < reach {
            share(thread, merge(shared_moments(thread), shared_moments(thread + reach * lane_step())));
        }
    }
    // Lane 0 must have shared the result.
    workgroupBarrier();
    return shared_moments(thread - lane * lane_step());
}
