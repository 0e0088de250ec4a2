// Formula: dx and dresidual over a band (../gradient_input.wgsl).
// A workgroup owns: a band. Reads: x, dy, residual. Writes: dx, dresidual.
// Needs: params.wgsl, tensor/pairs.wgsl, line/map.wgsl, line/affine.wgsl, pairs/gradient_input.wgsl and
// what it needs.

// The means of dz, and slopes.
var<private> corrections: array<vec2f, MAX_CHANNELS + 1u>;

fn set_input_gradient(k: u32, i: InputGradient) {
    set_affine(k, i.affine);
    corrections[k] = vec2f(i.mean_dz.x, i.slope.x);
}

fn spread_input(a: vec4f, c: vec2f) -> InputGradient {
    return InputGradient(spread(a), c.xxxx, c.yyyy);
}

// The pairs that start in line `first` of channel `k` of the band.
fn differentiate_line(first: u32, k: u32, thread: u32) {
    let low = affines[k];
    let next = affines[k + 1u];
    let low_c = corrections[k];
    let next_c = corrections[k + 1u];
    let end = first + local.inner;
    var i = pair_of(first + 7u) + 8u * thread;
    loop {
        let high = select(low, next, is_shared(i, end));
        let high_c = select(low_c, next_c, is_shared(i, end));
        let g = gradient_of_pair(load_input(i), spread(low), spread(high));
        store_gradients(i, g, spread_input(low, low_c), spread_input(high, high_c));
        continuing {
            i += 8u * WORKGROUP;
            break if i >= end;
        }
    }
}

fn differentiate(b: Band, thread: u32) {
    for (var n = b.first_sample; n < b.end_sample; n++) {
        for (var k = 0u; k < channels_of(b); k++) {
            differentiate_line(line(n, b.channel + k), k, thread);
        }
    }
}
