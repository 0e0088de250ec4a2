// Formula: dx and dresidual over a band (../gradient_input.wgsl).
// A workgroup owns: a band. Reads: x, dy, residual. Writes: dx, dresidual.
// Needs: params.wgsl, tensor/pairs.wgsl, line/rounds.wgsl, pairs/corrections.wgsl, pairs/cut.wgsl,
// pairs/gradient_input.wgsl and what they need.

// In the rounds of channel `k`.
fn differentiate_rounds(first: u32, k: u32, thread: u32) {
    let a = spread_input(affines[k], corrections[k]);
    let end = first + elements_of_rounds();
    var i = first + 8u * thread;
    loop {
        store_gradients(i, gradient_of_pair(load_input(i), a.affine, a.affine), a, a);
        i += pair_step();
        if i >= end {
            break;
        }
    }
}

fn differentiate_seams(b: Band, sample: u32, thread: u32) {
    var i = 0u;
    loop {
        let p = seam_pair(b, sample, i + thread);
        if p.exists {
            let v = load_input(p.at);
            let a = spread_input(affines[p.k], corrections[p.k]);
            let next = spread_input(affines[p.k + 1u], corrections[p.k + 1u]);
            let low = chosen_input(next, a, is_within(p.start, p.at));
            let high = chosen_input(next, a, is_within(p.start, p.at + 4u));
            store_gradients(p.at, gradient_of_pair(v, low.affine, high.affine), low, high);
        }
        i += WORKGROUP;
        if i >= pairs_of_seams(b) {
            break;
        }
    }
}

fn differentiate(b: Band, thread: u32) {
    for (var n = b.first_sample; n < b.end_sample; n++) {
        var k = 0u;
        loop {
            differentiate_rounds(first_of_rounds(b, n, k), k, thread);
            k++;
            if k >= channels_of(b) {
                break;
            }
        }
        differentiate_seams(b, n, thread);
    }
}
