// Formula: y over a band (../normalize.wgsl).
// A workgroup owns: a band. Reads: x, residual. Writes: y.
// Needs: params.wgsl, tensor/pairs.wgsl, line/map.wgsl, pairs/affine.wgsl, pairs/normalize.wgsl and what
// it needs.

// Of channels `k` and `k + 1` of the band.
fn normalize_lines(l: Lines, k: u32, thread: u32) {
    let first = affines[k];
    let second = affines[k + 1u];
    var i = l.first + 8u * thread;
    loop {
        let halves = is_second(l, i);
        let low = select(first, second, halves.x);
        let high = select(first, second, halves.y);
        store_y(i, normalized_pair(load_x(i), residual_of(i), spread(low), spread(high)));
        i += pair_step();
        if i >= l.end {
            break;
        }
    }
}

fn normalize(b: Band, thread: u32) {
    for (var n = b.first_sample; n < b.end_sample; n++) {
        var k = 0u;
        loop {
            normalize_lines(lines(b, n, k), k, thread);
            k += 2u;
            if k >= channels_of(b) {
                break;
            }
        }
    }
}
