// Formula: y over a run (../normalize.wgsl).
// A workgroup owns: a run for each thread. Reads: x, residual. Writes: y.
// Needs: params.wgsl, tensor/pairs.wgsl, run/map.wgsl, pairs/affine.wgsl, pairs/cut.wgsl, pairs/normalize.wgsl
// and what it needs.

// Of channel `k`, with what its last pair has of the next.
fn normalize_line(l: Line, k: u32) {
    let a = spread(affines[k]);
    let end = end_pair(l);
    var i = first_pair(l);
    loop {
        store_y(i, normalized_pair(load_x(i), residual_of(i), a, a));
        i += 8u;
        if i >= end {
            break;
        }
    }
    if is_cut(l) {
        let next = spread(affines[k + 1u]);
        let low = chosen(next, a, is_within(l, i));
        let high = chosen(next, a, is_within(l, i + 4u));
        store_y(i, normalized_pair(load_x(i), residual_of(i), low, high));
    }
}

fn normalize(r: Run) {
    for (var n = r.first_sample; n < r.end_sample; n++) {
        var k = 0u;
        loop {
            normalize_line(line(r, n, k), k);
            k++;
            if k >= r.channels {
                break;
            }
        }
    }
}
