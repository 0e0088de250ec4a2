//! What fuzzing found of `Plan::new`: see `fuzz/fuzz_targets/plan.rs`.

use wgpu_batchnorm::Shape;
use wgpu_batchnorm::plan::{Adapter, Pass, Plan, Request};

const GPU: Adapter = Adapter {
    is_cpu: false,
    cores: 2,
    tiles_from: 0,
    subgroup: 32,
    max_binding: 128 << 20,
    alignment: 256,
    max_workgroups: 65_535,
    max_invocations: 256,
    max_workgroup_memory: 16_384,
    exact_f16: false,
};

/// An empty tensor whose offset alone is more than a binding covers. Bindings of less than the
/// alignment of offsets are nothing that a device has, but `Adapter` can say so.
#[test]
fn an_empty_batch_is_planned_whatever_a_binding_covers() {
    let adapter = Adapter { max_binding: 128, ..GPU };
    let plan = Plan::new(&adapter, Shape::ncl(3, 4, 0), &Request::new(Pass::Inference, &[132]));
    assert!(plan.is_ok_and(|plan| plan.steps.is_empty()));
}

/// Channels that fit a few lanes each, on an adapter whose workgroups are narrower than these.
#[test]
fn lanes_are_within_a_narrow_workgroup() {
    for max_invocations in [1, 4] {
        let adapter = Adapter { max_invocations, ..GPU };
        for pass in [Pass::Training, Pass::Backward] {
            let plan = Plan::new(&adapter, Shape::ncl(6, 2, 3), &Request::new(pass, &[])).unwrap();
            assert!(plan.lanes <= plan.workgroup && plan.workgroup <= max_invocations, "{plan:?}");
        }
    }
}
