// Formula: dx and dresidual over a run (../gradient_input.wgsl).
// A workgroup owns: a run. Reads: x, dy, residual. Writes: dx, dresidual.
// Needs: params.wgsl, tensor/pairs.wgsl, run/map.wgsl, pairs/cut.wgsl, pairs/corrections.wgsl,
// pairs/gradient_input.wgsl and what they need.

fn chosen_affine(a: u32, second: bool) -> vec4f {
    return select(affines[a], affines[a + 1u], second);
}

fn chosen_correction(a: u32, second: bool) -> vec2f {
    return select(corrections[a], corrections[a + 1u], second);
}

// Chosen of all eight by the bits of `k`: an array that is indexed by a variable is gathered lane by lane. After
// the last comes the first, which nothing is made of.
fn input_gradient_of_channel(k: u32) -> InputGradient {
    let odd = (k & 1u) != 0u;
    let two = (k & 2u) != 0u;
    let four = (k & 4u) != 0u;
    let a = select(chosen_affine(0u, odd), chosen_affine(2u, odd), two);
    let b = select(chosen_affine(4u, odd), chosen_affine(6u, odd), two);
    let c = select(chosen_correction(0u, odd), chosen_correction(2u, odd), two);
    let d = select(chosen_correction(4u, odd), chosen_correction(6u, odd), two);
    return spread_input(select(a, b, four), select(c, d, four));
}

// Of the pair at `i` of a sample of the run, which is of one channel, or of two.
fn differentiate_pair(sample: u32, i: u32) {
    let v = load_input(sample + i);
    // Half a value off any integer is enough to round right.
    let k = u32((f32(i) + 0.5) / f32(local.inner));
    let a = input_gradient_of_channel(k);
    let next = input_gradient_of_channel(k + 1u);
    let l = Line(0u, (k + 1u) * local.inner);
    let low = chosen_input(next, a, is_within(l, i));
    let high = chosen_input(next, a, is_within(l, i + 4u));
    store_gradients(sample + i, gradient_of_pair(v, low.affine, high.affine), low, high);
}

// Of a run's rounds, in each of which all threads have a pair.
fn elements_of_rounds() -> u32 {
    return SHARED_CHANNELS * local.inner / pair_step() * pair_step();
}

fn differentiate_rounds(sample: u32, thread: u32) {
    var i = 8u * thread;
    loop {
        differentiate_pair(sample, i);
        i += pair_step();
        if i >= elements_of_rounds() {
            break;
        }
    }
}

// What no round has: fewer pairs than there are threads.
fn has_rest() -> bool {
    return elements_of_rounds() < SHARED_CHANNELS * local.inner;
}

fn differentiate_rest(sample: u32) {
    var i = elements_of_rounds();
    loop {
        differentiate_pair(sample, i);
        i += 8u;
        if i >= SHARED_CHANNELS * local.inner {
            break;
        }
    }
}

// Threads write side by side: x, dy and dx of eight threads, each of a run of its own, are more streams than a
// core follows. The rest of a sample is one thread's, that of the next another's.
fn differentiate(r: Run, thread: u32) {
    var n = r.first_sample;
    loop {
        let own = n + thread;
        let end = min(n + WORKGROUP, r.end_sample);
        loop {
            differentiate_rounds(line(r, n, 0u).start, thread);
            n++;
            if n >= end {
                break;
            }
        }
        if has_rest() && own < end {
            differentiate_rest(line(r, own, 0u).start);
        }
        if n >= r.end_sample {
            break;
        }
    }
}
