//! What fuzzing found of `Plan::new`: see `fuzz/fuzz_targets/plan.rs`.

use wgpu_batchnorm::Shape;
use wgpu_batchnorm::plan::{Adapter, Pass, Plan, Request};

/// An empty tensor whose offset alone is more than a binding covers. Bindings of less than the
/// alignment of offsets are nothing that a device has, but `Adapter` can say so.
#[test]
fn an_empty_batch_is_planned_whatever_a_binding_covers() {
    let adapter = Adapter {
        is_cpu: false,
        cores: 2,
        tiles_from: 0,
        subgroup: 32,
        max_binding: 128,
        alignment: 256,
        max_workgroups: 65_535,
        max_invocations: 256,
        max_workgroup_memory: 16_384,
    };
    let plan = Plan::new(&adapter, Shape::ncl(3, 4, 0), &Request::new(Pass::Inference, &[132]));
    assert!(plan.is_ok_and(|plan| plan.steps.is_empty()));
}
