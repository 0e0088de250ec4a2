//! Devices with less than others: enough for a right result, or an error that says what is missing.
//! Never a panic, and nothing that reaches the device's uncaptured-error handler.

use crate::cases::Random;
use crate::device;
use crate::step::Step;
use std::sync::{Arc, Mutex};
use wgpu_batchnorm::{BatchNorm, BatchNormDescriptor, Context, Error, Shape, wgpu};

const SHAPES: [Shape; 5] = [
    // One workgroup.
    Shape::nc(64, 1),
    Shape::nchw(4, 6, 5, 5),
    Shape::ncl(3, 2, 3_000),
    Shape::channels_last(700, 40),
    Shape::nc(64, 300),
];

/// A training step of each shape, as `new`, `bind_*` and running it give it.
fn steps(context: &Context) -> Result<(), Error> {
    let bn = BatchNorm::new(context.device(), &BatchNormDescriptor::default())?;
    for shape in SHAPES {
        let n = shape.elements() as usize;
        let (x, dy) = (Random(1).normals(n, 3.0), Random(2).normals(n, 0.0));
        let step = Step::bind(context, &bn, shape, &x, &dy)?;
        let what = format!("{shape}, {:?}", bn.adapter());
        step.run()?.assert_right(&what, shape, &x, &dy);
    }
    Ok(())
}

/// What `steps` gives on a device with these limits, and what its handler hears.
fn with(change: impl Fn(&mut wgpu::Limits)) -> Option<(Result<(), Error>, Vec<String>)> {
    let mut limits = wgpu::Limits::default();
    change(&mut limits);
    let context = device::with_limits(&[limits])?.pop().expect("a device");
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = heard.clone();
    context.device().on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        sink.lock().expect("no panic while it is held").push(error.to_string());
    }));
    let result = steps(&context);
    let heard = std::mem::take(&mut *heard.lock().expect("no panic"));
    Some((result, heard))
}

type Change = (&'static str, fn(&mut wgpu::Limits));

/// What the kernels cannot do without.
#[test]
fn too_little_is_an_error() {
    let changes: [Change; 10] = [
        ("4 storage buffers", |l| l.max_storage_buffers_per_shader_stage = 4),
        ("no uniform buffer", |l| l.max_uniform_buffers_per_shader_stage = 0),
        ("16 bytes of a uniform buffer", |l| l.max_uniform_buffer_binding_size = 16),
        ("no bind group", |l| l.max_bind_groups = 0),
        ("3 bindings of a bind group", |l| l.max_bindings_per_bind_group = 3),
        ("no invocation", |l| l.max_compute_invocations_per_workgroup = 0),
        ("no width of a workgroup", |l| l.max_compute_workgroup_size_x = 0),
        ("no workgroup memory", |l| l.max_compute_workgroup_storage_size = 0),
        ("64 bytes of a storage buffer", |l| l.max_storage_buffer_binding_size = 64),
        ("64 bytes of a buffer", |l| l.max_buffer_size = 64),
    ];
    for (what, change) in changes {
        let Some((result, heard)) = with(change) else { return };
        let Err(error) = result else { panic!("{what} is enough; {heard:?}") };
        assert!(matches!(error, Error::LimitExceeded { .. } | Error::Wgpu(_)), "{what}: {error:?}");
        assert!(heard.is_empty(), "{what}: {heard:?}");
    }
}

#[test]
fn no_workgroup_is_an_error() {
    let Some((result, heard)) = with(|l| l.max_compute_workgroups_per_dimension = 0) else {
        return;
    };
    assert!(matches!(result, Err(Error::LimitExceeded { .. })), "{result:?}, {heard:?}");
}

#[test]
fn the_error_names_the_limit() {
    let Some((result, _)) = with(|l| l.max_storage_buffers_per_shader_stage = 4) else { return };
    let what = "storage buffers of a kernel";
    assert_eq!(result.unwrap_err(), Error::LimitExceeded { what, need: 8, limit: 4 });
}

/// What makes plans small, and right.
#[test]
fn little_is_enough() {
    let changes: [Change; 4] = [
        ("100 invocations", |l| l.max_compute_invocations_per_workgroup = 100),
        ("900 bytes of workgroup memory", |l| l.max_compute_workgroup_storage_size = 900),
        ("40 workgroups", |l| l.max_compute_workgroups_per_dimension = 40),
        ("64 KiB of a storage buffer", |l| l.max_storage_buffer_binding_size = 64 << 10),
    ];
    for (what, change) in changes {
        let Some((result, heard)) = with(change) else { return };
        assert_eq!(result, Ok(()), "{what}");
        assert!(heard.is_empty(), "{what}: {heard:?}");
    }
}

/// A GPU takes any. A software adapter wants workgroups as wide as its vectors: in narrower ones Mesa's
/// leaves loops too early, and skips elements.
#[test]
fn a_workgroup_is_as_wide_as_a_vector() {
    let Some(info) = device::context().map(|context| context.adapter_info()) else { return };
    let is_cpu = info.device_type == wgpu::DeviceType::Cpu;
    let need = if is_cpu { info.subgroup_max_size } else { 1 };
    for limit in [1, 2, 4, 7, 8, 15, 16, 31] {
        let changes: [&dyn Fn(&mut wgpu::Limits); 2] =
            [&|l| l.max_compute_invocations_per_workgroup = limit, &|l| {
                l.max_compute_workgroup_size_x = limit
            }];
        for change in changes {
            let Some((result, heard)) = with(change) else { return };
            let what = "invocations of a workgroup";
            let (limit, need) = (limit as u64, need as u64);
            let error = Error::LimitExceeded { what, need, limit };
            let want = if limit < need { Err(error) } else { Ok(()) };
            assert_eq!(result, want, "{limit} of {need}");
            assert!(heard.is_empty(), "{limit} of {need}: {heard:?}");
        }
    }
}
