// Formula: y over a band (../normalize.wgsl).
// A workgroup owns: a band. Reads: x, residual. Writes: y.
// Needs: params.wgsl, tensor/pairs.wgsl, line/map.wgsl, line/affine.wgsl, pairs/normalize.wgsl and what
// it needs.

// The pairs that start in line `first` of channel `k` of the band.
fn normalize_line(first: u32, k: u32, thread: u32) {
    let low = affines[k];
    let next = affines[k + 1u];
    let end = first + local.inner;
    var i = pair_of(first + 7u) + 8u * thread;
    loop {
        let high = select(low, next, is_shared(i, end));
        store_y(i, normalized_pair(load_x(i), residual_of(i), spread(low), spread(high)));
        continuing {
            i += 8u * WORKGROUP;
            break if i >= end;
        }
    }
}

fn normalize(b: Band, thread: u32) {
    for (var n = b.first_sample; n < b.end_sample; n++) {
        for (var k = 0u; k < channels_of(b); k++) {
            normalize_line(line(n, b.channel + k), k, thread);
        }
    }
}
