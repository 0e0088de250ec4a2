// Formula: the moments of all lanes of a channel (../moments.wgsl, merge), pairwise.
// A workgroup owns: its channels' split; `lanes` threads merge to one result, in a fixed order.
// Reads and writes: workgroup memory.
// Needs: params.wgsl, a mapping file of walks, moments.wgsl.

var<workgroup> shared_count: array<f32, WORKGROUP>;
var<workgroup> shared_pivot: array<PerChannel, WORKGROUP>;
var<workgroup> shared_sum: array<PerChannel, WORKGROUP>;
var<workgroup> shared_squares: array<PerChannel, WORKGROUP>;

fn share(thread: u32, m: Moments) {
    shared_count[thread] = m.count;
    shared_pivot[thread] = per_channel(m.pivot);
    shared_sum[thread] = per_channel(across(m.sum));
    shared_squares[thread] = per_channel(across(m.squares));
}

// In rows every component is the same, which compilers then compute once.
fn shared_moments(thread: u32) -> Moments {
    return Moments(
        shared_count[thread],
        in_quad(shared_pivot[thread]),
        in_quad(shared_sum[thread]) / f32(VALUES_A_QUAD),
        in_quad(shared_squares[thread]) / f32(VALUES_A_QUAD),
    );
}

// The moments of all lanes of a channel, the same for every lane.
fn merge_lanes(thread: u32, lane: u32, own: Moments) -> Moments {
    // As `shared_moments` would be: nobody else has any.
    if ALONE {
        let values = f32(VALUES_A_QUAD);
        return Moments(own.count, own.pivot, across(own.sum) / values, across(own.squares) / values);
    }
    share(thread, own);
    for (var reach = params.lanes / 2u; reach > 0u; reach /= 2u) {
        // The other lane's moments must have been shared.
        workgroupBarrier();
        if lane < reach {
            share(thread, merge(shared_moments(thread), shared_moments(thread + reach * lane_step())));
        }
    }
    // Lane 0 must have shared the result.
    workgroupBarrier();
    return shared_moments(thread - lane * lane_step());
}
