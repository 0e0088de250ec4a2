// Formula: none; moments of a split, as they wait in the work buffer for the second dispatch:
// count, pivot, sum and sum of squares about it.
// A workgroup owns, reads and writes: the partials of its channels.
// Needs: params.wgsl, a mapping file, moments.wgsl.

const ROWS_A_PARTIAL = 4u;

fn set_partial(p: Place, m: Moments) {
    store_partial(params.first_slot + p.split, p, m);
}

fn store_partial(slot: u32, p: Place, m: Moments) {
    let row = ROW_PARTIALS + ROWS_A_PARTIAL * slot;
    set_work_row(row, p, vec4f(m.count));
    set_work_row(row + 1u, p, m.pivot);
    set_work_row(row + 2u, p, across(m.sum));
    set_work_row(row + 3u, p, across(m.squares));
}

fn partial(slot: u32, p: Place) -> Moments {
    let row = ROW_PARTIALS + ROWS_A_PARTIAL * slot;
    return Moments(
        work_row(row, p).x,
        work_row(row + 1u, p),
        work_row(row + 2u, p) / f32(VALUES_A_QUAD),
        work_row(row + 3u, p) / f32(VALUES_A_QUAD),
    );
}

// A lane's share of the partials of its channels; merge_lanes joins the shares.
fn merge_partials(p: Place) -> Moments {
    var total = Moments();
    if is_live(p) {
        // A few at a time, so that no chain of roundings is long.
        let step = partials_a_group() * params.lanes;
        for (var first = p.lane; first < params.slots; first += step) {
            var group = Moments();
            let end = min(first + step, params.slots);
            for (var slot = first; slot < end; slot += params.lanes) {
                group = merge(group, partial(params.part + slot, p));
            }
            total = merge(total, group);
        }
    }
    return total;
}

// The running statistics before this batch, which the second dispatch changes while it reads them.
fn save_running(p: Place) {
    if RENORMALIZE {
        set_work_row(ROW_MEAN_BEFORE, p, state_row(ROW_RUNNING_MEAN, p));
        set_work_row(ROW_VAR_BEFORE, p, state_row(ROW_RUNNING_VAR, p));
    }
}
