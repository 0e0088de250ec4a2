// Formula: the moments of a channel's lines in a band (../moments.wgsl), in groups of rounds, and parts of
// groups, so that no chain of roundings is long. The pivot starts as the median of medians of values
// from all over the lines; after each group it may move.
// A workgroup owns: a band. Reads: x. Writes: nothing.
// Needs: params.wgsl, tensor/pairs.wgsl, line/cursor.wgsl, moments.wgsl, block_moments.wgsl.

// One of eight quads, from the first line's start to near the last one's end.
fn sample(b: Band, p: Place, j: u32) -> vec4f {
    let n = b.first_sample + j * (b.end_sample - 1u - b.first_sample) / 7u;
    return load_x(pair_of(line(n, p.channel) + 7u) + j * (local.inner / 64u) * 8u).low;
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

// Of a pair, uncounted.
fn pair_moments(c: Cursor, i: u32, pivot: vec4f, x_value: Pair) -> Moments {
    let d = within(c, i, Pair(x_value.low - pivot, x_value.high - pivot));
    return Moments(0.0, pivot, d.low + d.high, d.low * d.low + d.high * d.high);
}

// Of the next group. Its pivot may move to a value of the last round; or, where the values are two, or
// drift, away from all of them.
fn group_moments(c: Cursor, pivot: vec4f) -> Moments {
    let end = c.at + rounds_of(c) * round_step();
    let count = min(end, c.line + local.inner) - max(c.at, c.line);
    var m = Moments(f32(count), pivot, vec4f(), vec4f());
    var last = pivot;
    var i = c.at;
    loop {
        let a = load_x(i);
        var round = pair_moments(c, i, pivot, a);
        if !HALVES {
            round = add(round, pair_moments(c, i + 8u, pivot, load_x(i + 8u)));
        }
        m = add(m, round);
        last = select(last, a.low, !HALVES || i >= c.line);
        continuing {
            i += round_step();
            break if i >= end;
        }
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
