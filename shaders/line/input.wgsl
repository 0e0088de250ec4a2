// Formula: dx and dresidual over a band (../gradient_input.wgsl).
// A workgroup owns: a band. Reads: x, dy, residual. Writes: dx, dresidual.
// Needs: params.wgsl, tensor/pairs.wgsl, line/map.wgsl, pairs/corrections.wgsl, pairs/cut.wgsl,
// pairs/gradient_input.wgsl and what they need.

// Of channels `k` and `k + 1` of the band.
fn differentiate_lines(l: Lines, k: u32, thread: u32) {
    let first = affines[k];
    let second = affines[k + 1u];
    let first_c = corrections[k];
    let second_c = corrections[k + 1u];
    var i = l.first + 8u * thread;
    loop {
        let v = load_input(i);
        let halves = is_second(l, i);
        let low = spread_input(
            select(first, second, halves.x), select(first_c, second_c, halves.x),
        );
        let high = spread_input(
            select(first, second, halves.y), select(first_c, second_c, halves.y),
        );
        store_gradients(i, gradient_of_pair(v, low.affine, high.affine), low, high);
        i += pair_step();
        if i >= l.end {
            break;
        }
    }
}

// Of channel `k`, what starts in its line, with what the last pair has of the next, which one thread has.
fn differentiate_line(start: u32, k: u32, thread: u32) {
    let a = spread_input(affines[k], corrections[k]);
    let end = pair_of(start + local.inner);
    var i = pair_from(start) + 8u * thread;
    loop {
        store_gradients(i, gradient_of_pair(load_input(i), a.affine, a.affine), a, a);
        i += pair_step();
        if i >= end {
            break;
        }
    }
    if i == end && i < start + local.inner {
        let v = load_input(i);
        let next = spread_input(affines[k + 1u], corrections[k + 1u]);
        let low = chosen_input(next, a, is_within(start, i));
        let high = chosen_input(next, a, is_within(start, i + 4u));
        store_gradients(i, gradient_of_pair(v, low.affine, high.affine), low, high);
    }
}

fn differentiate(b: Band, thread: u32) {
    for (var n = b.first_sample; n < b.end_sample; n++) {
        var k = 0u;
        loop {
            if CUT {
                differentiate_line(line(n, b.channel + k), k, thread);
            } else {
                differentiate_lines(lines(b, n, k), k, thread);
            }
            k += select(2u, 1u, CUT);
            if k >= channels_of(b) {
                break;
            }
        }
    }
}
