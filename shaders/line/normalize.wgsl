// Formula: y over a band (../normalize.wgsl).
// A workgroup owns: a band. Reads: x, residual. Writes: y.
// Needs: params.wgsl, tensor/pairs.wgsl, line/map.wgsl, pairs/affine.wgsl, pairs/cut.wgsl, pairs/normalize.wgsl and
// what it needs.

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

// Of channel `k`, what starts in its line, with what the last pair has of the next, which one thread has.
fn normalize_line(start: u32, k: u32, thread: u32) {
    let a = spread(affines[k]);
    let end = pair_of(start + local.inner);
    var i = pair_from(start) + 8u * thread;
    loop {
        store_y(i, normalized_pair(load_x(i), residual_of(i), a, a));
        i += pair_step();
        if i >= end {
            break;
        }
    }
    if i == end && i < start + local.inner {
        let next = spread(affines[k + 1u]);
        let low = chosen(next, a, is_within(start, i));
        let high = chosen(next, a, is_within(start, i + 4u));
        store_y(i, normalized_pair(load_x(i), residual_of(i), low, high));
    }
}

fn normalize(b: Band, thread: u32) {
    for (var n = b.first_sample; n < b.end_sample; n++) {
        var k = 0u;
        loop {
            if CUT {
                normalize_line(line(n, b.channel + k), k, thread);
            } else {
                normalize_lines(lines(b, n, k), k, thread);
            }
            k += select(2u, 1u, CUT);
            if k >= channels_of(b) {
                break;
            }
        }
    }
}
