// Formula: y over a band (../normalize.wgsl).
// A workgroup owns: a band. Reads: x, residual. Writes: y.
// Needs: params.wgsl, tensor/pairs.wgsl, line/rounds.wgsl, pairs/affine.wgsl, pairs/cut.wgsl, pairs/normalize.wgsl and
// what it needs.

// In the rounds of channels `k` and `k + 1`: one loop, which short lines end less often.
fn normalize_rounds(b: Band, sample: u32, k: u32, thread: u32) {
    let first = affines[k];
    let second = affines[k + 1u];
    let start = first_of_rounds(b, sample, k);
    let middle = start + elements_of_rounds();
    let gap = first_of_rounds(b, sample, k + 1u) - middle;
    let end = select(middle, middle + elements_of_rounds(), k + 1u < channels_of(b));
    var i = start + 8u * thread;
    loop {
        let is_second = i >= middle;
        let at = i + select(0u, gap, is_second);
        let a = spread(select(first, second, is_second));
        store_y(at, normalized_pair(load_x(at), residual_of(at), a, a));
        i += pair_step();
        if i >= end {
            break;
        }
    }
}

fn normalize_seams(b: Band, sample: u32, thread: u32) {
    var i = 0u;
    loop {
        let p = seam_pair(b, sample, i + thread);
        if p.exists {
            let a = spread(affines[p.k]);
            let next = spread(affines[p.k + 1u]);
            let low = chosen(next, a, is_within(p.start, p.at));
            let high = chosen(next, a, is_within(p.start, p.at + 4u));
            store_y(p.at, normalized_pair(load_x(p.at), residual_of(p.at), low, high));
        }
        i += WORKGROUP;
        if i >= pairs_of_seams(b) {
            break;
        }
    }
}

fn normalize(b: Band, thread: u32) {
    for (var n = b.first_sample; n < b.end_sample; n++) {
        var k = 0u;
        loop {
            normalize_rounds(b, n, k, thread);
            k += 2u;
            if k >= channels_of(b) {
                break;
            }
        }
        normalize_seams(b, n, thread);
    }
}
