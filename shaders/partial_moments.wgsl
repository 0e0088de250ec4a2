// Formula: none; moments of a split, as they wait in the work buffer for the second dispatch:
// count, pivot, mean relative to it, M2.
// A workgroup owns, reads and writes: the partials of its channels.
// Needs: params.wgsl, a mapping file, moments.wgsl.

fn set_partial(p: Place, m: Moments) {
    let row = ROW_PARTIALS + 4u * (params.first_slot + p.split);
    set_work_row(row, p, bitcast<vec4f>(vec4u(m.count)));
    set_work_row(row + 1u, p, m.pivot);
    set_work_row(row + 2u, p, m.mean);
    set_work_row(row + 3u, p, across(m.m2));
}

fn partial(slot: u32, p: Place) -> Moments {
    let row = ROW_PARTIALS + 4u * slot;
    return Moments(
        bitcast<vec4u>(work_row(row, p)).x,
        work_row(row + 1u, p),
        work_row(row + 2u, p),
        work_row(row + 3u, p) / f32(VALUES_A_QUAD),
    );
}

// A lane's share of the partials of its channels; merge_lanes joins the shares.
fn merge_partials(p: Place) -> Moments {
    var total = Moments();
    if is_live(p) {
        for (var slot = p.lane; slot < params.slots; slot += params.lanes) {
            total = merge(total, partial(slot, p));
        }
    }
    return total;
}
