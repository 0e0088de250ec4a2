// Formula: none; sums of a split, as they wait in the work buffer for the second dispatch.
// A workgroup owns, reads and writes: the partials of its channels.
// Needs: params.wgsl, a mapping file, gradient_sums.wgsl.

const ROWS_A_PARTIAL = 2u;

fn set_partial(p: Place, sums: Sums) {
    store_partial(params.first_slot + p.split, p, sums);
}

fn store_partial(slot: u32, p: Place, sums: Sums) {
    let row = ROW_PARTIALS + ROWS_A_PARTIAL * slot;
    set_work_row(row, p, sums.dz);
    set_work_row(row + 1u, p, sums.dz_x);
}

// A partial is a whole sum; in the rows mapping each component takes its part, exactly.
fn partial(slot: u32, p: Place) -> Sums {
    let row = ROW_PARTIALS + ROWS_A_PARTIAL * slot;
    let scale = 1.0 / f32(VALUES_A_QUAD);
    return Sums(work_row(row, p) * scale, work_row(row + 1u, p) * scale);
}

// A lane's share of the partials of its channels; add_lanes joins the shares.
fn add_partials(p: Place) -> Sums {
    var total = Sums();
    if is_live(p) {
        // A few at a time, so that no chain of roundings is long.
        let step = partials_a_group() * params.lanes;
        for (var first = p.lane; first < params.slots; first += step) {
            var group = Sums();
            let end = min(first + step, params.slots);
            for (var slot = first; slot < end; slot += params.lanes) {
                group = add(group, partial(params.part + slot, p));
            }
            total = add(total, group);
        }
    }
    return total;
}
