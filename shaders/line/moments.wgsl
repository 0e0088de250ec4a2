// Formula: the moments of a channel's lines in a band (../moments.wgsl), in groups of rounds, and parts of
// groups, so that no chain of roundings is long. The pivot starts as the median of medians of values
// from all over the lines; after each group it may move.
// A workgroup owns: a band. Reads: x. Writes: nothing.
// Needs: params.wgsl, tensor/pairs.wgsl, line/cursor.wgsl, moments.wgsl, block_moments.wgsl,
// pairs/moments.wgsl.

// One of eight quads, from the first line's start to near the last one's end.
fn sample(b: Band, p: Place, j: u32) -> vec4f {
    let n = b.first_sample + j * (b.end_sample - 1u - b.first_sample) / 7u;
    return load_x(pair_from(line(n, p.channel)) + j * (local.inner / 64u) * 8u).low;
}

fn start_pivot(b: Band, p: Place) -> vec4f {
    return middle(middle_of_eight(
        sample(b, p, 0u),
        sample(b, p, 1u),
        sample(b, p, 2u),
        sample(b, p, 3u),
        sample(b, p, 4u),
        sample(b, p, 5u),
        sample(b, p, 6u),
        sample(b, p, 7u),
    ));
}

// Of what of a line no round has.
fn rest_moments(c: Cursor, pivot: vec4f) -> Moments {
    var m = Moments(f32(elements_of_rest()), pivot, vec4f(), vec4f());
    var i = first_of_rest(c);
    loop {
        m = add(m, pair_moments(within(c, i, deviations(load_x(i), pivot)), pivot));
        continuing {
            i = next_of_rest(c, i);
            break if i >= end_of_line(c);
        }
    }
    return m;
}

// Of the next group. Its pivot may move to a value of the last round; or, where the values are two, or
// drift, away from all of them.
fn group_moments(c: Cursor, pivot: vec4f) -> Moments {
    let end = end_of_group(c);
    var m = Moments(f32(end - c.at), pivot, vec4f(), vec4f());
    var last = pivot;
    var i = c.at;
    loop {
        let a = load_x(i);
        let round = pair_moments(deviations(a, pivot), pivot);
        let b = load_x(i + 8u);
        m = add(m, add(round, pair_moments(deviations(b, pivot), pivot)));
        last = a.low;
        continuing {
            i += round_step();
            break if i >= end;
        }
    }
    if has_rest(c) {
        m = add(m, rest_moments(c, pivot));
    }
    m = toward(m, middle(last), vec4<bool>(true));
    return toward(m, step_toward_mean(m), is_far_off(m));
}

fn moments_of(b: Band, p: Place) -> Moments {
    var total = Moments();
    if is_empty(b) {
        return total;
    }
    var c = cursor(b, p);
    var pivot = start_pivot(b, p);
    loop {
        var part = Moments();
        let groups = min(c.groups, GROUPS_A_PART);
        var group = 0u;
        loop {
            part = merge(part, group_moments(c, pivot));
            pivot = part.pivot;
            next_group(&c);
            continuing {
                group++;
                break if group >= groups;
            }
        }
        total = merge(total, part);
        continuing {
            break if c.groups == 0u;
        }
    }
    return total;
}
