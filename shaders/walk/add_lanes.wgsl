// Formula: Σdz and Σdz·(x − mean) over the lanes of a channel, pairwise.
// A workgroup owns: its channels' split; `lanes` threads add up to one result, in a fixed order.
// Reads and writes: workgroup memory.
// Needs: params.wgsl, a mapping file of walks, gradient_sums.wgsl.

var<workgroup> shared_dz: array<PerChannel, WORKGROUP>;
var<workgroup> shared_dz_x: array<PerChannel, WORKGROUP>;

// The sums of all lanes of a channel, the same for every lane.
fn add_lanes(thread: u32, lane: u32, own: Sums) -> Sums {
    // Nobody else has any.
    if ALONE {
        return whole(own);
    }
    shared_dz[thread] = per_channel(across(own.dz));
    shared_dz_x[thread] = per_channel(across(own.dz_x));
    for (var reach = params.lanes / 2u; reach > 0u; reach /= 2u) {
        // The other lane's sums must have been shared.
        workgroupBarrier();
        if lane < reach {
            let other = thread + reach * lane_step();
            shared_dz[thread] += shared_dz[other];
            shared_dz_x[thread] += shared_dz_x[other];
        }
    }
    // Lane 0 must have shared the result.
    workgroupBarrier();
    let first = thread - lane * lane_step();
    return Sums(in_quad(shared_dz[first]), in_quad(shared_dz_x[first]));
}
