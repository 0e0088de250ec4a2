// Formula: none; arithmetic with what a thread has of a row.
// A workgroup owns, reads, writes: nothing.
// Needs: strip/map.wgsl.

fn plus_pair(s: Pair, t: Pair) -> Pair {
    return Pair(s.low + t.low, s.high + t.high);
}

fn times_pair(s: Pair, t: Pair) -> Pair {
    return Pair(s.low * t.low, s.high * t.high);
}

fn plus(s: Pairs, t: Pairs) -> Pairs {
    return Pairs(
        plus_pair(s.a, t.a),
        plus_pair(s.b, t.b),
        plus_pair(s.c, t.c),
        plus_pair(s.d, t.d),
    );
}

fn times(s: Pairs, t: Pairs) -> Pairs {
    return Pairs(
        times_pair(s.a, t.a),
        times_pair(s.b, t.b),
        times_pair(s.c, t.c),
        times_pair(s.d, t.d),
    );
}

// By `select`, since a branch is run whether it is taken or not.
fn either_pair(s: Pair, t: Pair, is_t: bool) -> Pair {
    return Pair(select(s.low, t.low, is_t), select(s.high, t.high, is_t));
}

fn either(s: Pairs, t: Pairs, is_t: bool) -> Pairs {
    return Pairs(
        either_pair(s.a, t.a, is_t),
        either_pair(s.b, t.b, is_t),
        either_pair(s.c, t.c, is_t),
        either_pair(s.d, t.d, is_t),
    );
}
