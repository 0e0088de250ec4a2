//! How long invocations loop, counted by the parameter blocks of a plan.

use super::*;

/// As many as lavapipe lets all loops of an invocation have together, less those for pivots, which are counted of strips
/// alone. What is counted here are pairs, blocks and rows, the groups that these are summed in, the rounds in which a
/// loop finds that it has no more work, and partial results that are merged.
#[test]
fn no_invocation_loops_for_too_long() {
    // Of each part of a strip, over all quads of a thread.
    let pivots = |plan: &Plan, rows: u64| plan.pairs as u64 * 6 * (rows.div_ceil(512) + 6);
    let rounds = |plan: &Plan, step: &Step| {
        let p = step.params;
        let units = (p.units as u64).div_ceil(p.splits as u64);
        let line = |pairs: u64| pairs + pairs.div_ceil(32) + 3;
        let pairs = |invocations: u32| (p.inner as u64).div_ceil(8 * invocations as u64);
        let twice = if plan.path == Path::Split { 1 } else { 2 };
        match (step.mapping, step.kernel) {
            (Mapping::Rows | Mapping::Columns, _) => twice * (units + units.div_ceil(8) * 2),
            (Mapping::Tiles, _) => {
                let quads = (p.group as u64 * p.inner as u64).div_ceil(4 * plan.workgroup as u64);
                twice * (units * (quads + 2) + units.div_ceil(8) * (quads + 2))
            }
            (Mapping::Strips, _) => twice * (units + units.div_ceil(16) * 2) + pivots(plan, units),
            (Mapping::Lines, Kernel::ForwardMoments) => units * line(pairs(2)),
            // In segments, and parts of these, after which all channels of a band are joined.
            (Mapping::Lines, Kernel::BackwardSums) => {
                let pairs = pairs(plan.workgroup);
                let segments = pairs.div_ceil(16);
                let part = (16 / (segments + 3)).max(1);
                units * p.group as u64 * (pairs + segments + 3) + units.div_ceil(part) * 32
            }
            (Mapping::Lines, _) => units * p.group as u64 * line(pairs(plan.workgroup)),
            (Mapping::Runs, Kernel::BackwardInput) => units * line(8 * pairs(plan.workgroup)),
            (Mapping::Runs, _) => units * p.group as u64 * line(pairs(1)),
        }
    };
    let merges = |plan: &Plan, step: &Step| {
        let places = match (step.mapping, step.kernel) {
            (_, Kernel::ForwardMoments | Kernel::BackwardSums | Kernel::Inference) => 0,
            (Mapping::Rows | Mapping::Columns, _) => 1,
            (Mapping::Tiles, _) => step.params.group.div_ceil(plan.workgroup),
            (Mapping::Strips, _) => 2 * plan.pairs,
            (Mapping::Lines, _) => step.params.group + step.params.group.div_ceil(plan.workgroup),
            (Mapping::Runs, _) => step.params.group,
        };
        let slots = (plan.slots / plan.lanes) as u64;
        // In groups of eight, each of which finds its end.
        places as u64 * (slots + slots.div_ceil(8) * 2)
    };
    let check = |adapter: &Adapter, shape: Shape, request: &Request<'_>, plan: &Plan| {
        // Bindings of a few kilobytes would leave more pieces to merge than any device has.
        let is_real = adapter.is_cpu && adapter.max_binding >= LAVAPIPE.max_binding;
        for step in plan.steps.iter().filter(|_| is_real) {
            let merges_only = step.kernel == Kernel::BackwardInput && !request.walks_twice();
            let walks = if merges_only { 0 } else { rounds(plan, step) };
            let rounds = walks + merges(plan, step);
            assert!(rounds <= 65_000, "{shape} {request:?}: {rounds} in {step:?}");
        }
    };
    plans(check);
    let mut random = 1u64;
    let mut number = |bits: u32| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let size = (random >> 33) % bits as u64;
        (1 << size) + (random >> 40) % (1 << size)
    };
    for k in 0..20_000 {
        let (outer, channels, inner) = (number(14), number(13), number(24));
        // Some with the factors that ways of more than one element want.
        let (channels, inner) = match k % 4 {
            0 => (channels, inner),
            1 => (channels.next_multiple_of(8), inner),
            2 => (channels, inner.next_multiple_of(4)),
            _ => (channels.next_multiple_of(64), inner.next_multiple_of(16)),
        };
        if outer * channels * inner > 1 << 31 {
            continue;
        }
        for shape in [
            Shape::channels_first(outer, channels as u32, inner),
            Shape::channels_last(outer * inner, channels as u32),
        ] {
            for pass in PASSES {
                for element in [Element::F32, Element::F16] {
                    let request = Request { element, ..Request::new(pass, &[0]) };
                    if let Ok(plan) = Plan::new(&LARGE, shape, &request) {
                        check(&LARGE, shape, &request, &plan);
                    }
                }
            }
        }
    }
}
