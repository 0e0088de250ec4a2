//! Any shape on any adapter is planned or refused, never a panic; and a plan that is small enough to
//! look at covers every element once, within the limits of the adapter.
#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use wgpu_batchnorm::plan::{Adapter, Kernel, MAX_COLUMNS, Mapping, Pass, Path, Plan, Request};
use wgpu_batchnorm::{Element, Shape};

#[derive(Debug)]
struct Input {
    adapter: Adapter,
    shape: Shape,
    pass: Pass,
    offsets: Vec<u64>,
    element: Element,
    /// Weighted, input gradient, affine gradients, in parts.
    flags: [bool; 4],
}

impl Input {
    fn request(&self) -> Request<'_> {
        let [weighted, input_gradient, affine_gradients, in_parts] = self.flags;
        Request {
            pass: self.pass,
            element: self.element,
            offsets: &self.offsets,
            weighted,
            input_gradient,
            affine_gradients,
            in_parts,
        }
    }
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
            cores: number32(u)?,
            tiles_from: number(u)?,
            subgroup: number32(u)?,
            max_binding: number(u)?,
            alignment: *u.choose(&[4, 16, 32, 64, 256, 0, 4096])?,
            max_workgroups: number32(u)?,
            max_invocations: number32(u)?,
            max_workgroup_memory: number32(u)?,
            exact_f16: u.arbitrary()?,
        };
        let (outer, channels, inner) = (number(u)?, number32(u)?, number(u)?);
        let shape = match u.arbitrary()? {
            true => Shape::channels_first(outer, channels, inner),
            false => Shape::channels_last(outer, channels),
        };
        let passes = [Pass::Training, Pass::Inference, Pass::Backward, Pass::BackwardFrozen];
        let pass = *u.choose(&passes)?;
        let element = *u.choose(&[Element::F32, Element::F16, Element::BF16])?;
        let size = element.size();
        let offsets = (0..u.int_in_range(0..=3)?)
            .map(|_| Ok(number(u)? / size * size))
            .collect::<Result<_>>()?;
        Ok(Self { adapter, shape, pass, offsets, element, flags: u.arbitrary()? })
    }
}

fuzz_target!(|input: Input| {
    let Input { adapter, shape, element, .. } = input;
    let Ok(plan) = Plan::new(&adapter, shape, &input.request()) else { return };
    plan.work_words(shape.channels());
    assert!(plan.workgroup.is_power_of_two() && plan.lanes.is_power_of_two());
    assert!(plan.lanes <= plan.workgroup && plan.workgroup <= adapter.max_invocations.max(1));
    for step in &plan.steps {
        let lanes = step.params.lanes;
        assert!(lanes.is_power_of_two() && lanes <= plan.workgroup, "{step:?}");
        let limit = adapter.max_workgroups.max(1);
        assert!(step.workgroups.iter().all(|&n| (1..=limit).contains(&n)), "{step:?}");
    }

    // Every element is in one piece, and every piece in one binding.
    let mut end = 0;
    for piece in &plan.pieces {
        assert_eq!(piece.start, end, "{piece:?}");
        assert_eq!(piece.length, piece.outer * piece.channels * piece.inner, "{piece:?}");
        assert!(piece.length * element.size() <= adapter.max_binding, "{piece:?}");
        end += piece.length;
    }
    assert_eq!(end, shape.elements());

    // Every value of a piece is in one walk of one workgroup.
    for step in &plan.steps {
        let (piece, p) = (&plan.pieces[step.piece], &step.params);
        let (walk, items, owned) = match step.mapping {
            Mapping::Rows => {
                let owned = plan.workgroup / p.lanes;
                ((piece.outer * piece.inner).div_ceil(4), piece.channels, owned)
            }
            Mapping::Lines => {
                assert!(piece.channels * piece.inner % 8 == 0, "{piece:?}");
                let own = step.kernel == Kernel::ForwardMoments;
                (piece.outer, piece.channels, if own { plan.workgroup } else { p.group })
            }
            Mapping::Runs => {
                assert!(piece.channels % 8 == 0, "{piece:?}");
                let shared = step.kernel == Kernel::BackwardInput;
                let (channels, runs) = if shared { (8, 1) } else { (p.group, plan.workgroup) };
                // Those of a workgroup may be of several splits.
                let all = piece.channels.div_ceil(channels as u64) * p.splits as u64;
                let [x, y] = step.workgroups.map(u64::from);
                assert!(x * y * runs as u64 >= all, "{step:?}");
                continue;
            }
            Mapping::Strips => {
                let columns = piece.channels * piece.inner;
                let side = 8 * plan.workgroup as u64;
                let width = side as u32 * plan.pairs;
                let missing = columns.next_multiple_of(width as u64) - columns;
                assert_eq!(missing.div_ceil(side), plan.missing as u64, "{step:?}");
                assert!(plan.missing < plan.pairs, "{step:?}");
                (piece.outer, columns, width)
            }
            Mapping::Columns => {
                let owned = plan.workgroup / p.lanes;
                (piece.outer, (piece.channels * piece.inner).div_ceil(4), owned)
            }
            Mapping::Tiles => {
                assert!(p.group as u64 * piece.inner <= MAX_COLUMNS, "{step:?}");
                (piece.outer, piece.channels, p.group)
            }
        };
        let unit = match step.mapping {
            Mapping::Rows | Mapping::Columns => 8 * p.lanes as u64,
            Mapping::Tiles => 8,
            Mapping::Strips | Mapping::Lines | Mapping::Runs => 1,
        };
        assert_eq!(p.units as u64, walk.div_ceil(unit), "{step:?}");
        let [x, y] = step.workgroups.map(u64::from);
        let need = items.div_ceil(owned as u64) * p.splits as u64;
        assert!(x * y >= need && x * y < need + x.max(y), "{step:?}");
    }

    // Every partial result has a slot of its own.
    if plan.path == Path::Fused || plan.slots == 0 {
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
        let (period, splits) = (step.params.period as u64, step.params.splits as u64);
        // A strip leaves a partial result of each of a channel's columns, lines whose gradients are summed of each
        // invocation.
        let each = match (step.mapping, first) {
            (Mapping::Strips, _) => piece.inner,
            (Mapping::Lines, Kernel::BackwardSums) => plan.workgroup as u64,
            _ => 1,
        };
        // Where several samples are one, its channels repeat, and each time leaves results of its own.
        for c in 0..piece.channels {
            let (channel, time) = (piece.first_channel + c % period, c / period);
            let times = piece.channels / period;
            for partial in
                (0..splits).flat_map(|n| (0..each).map(move |k| (n * times + time) * each + k))
            {
                let slot = step.params.first_slot as u64 + partial;
                filled[(channel * plan.slots as u64 + slot) as usize] += 1;
            }
        }
    }
    assert!(filled.iter().all(|&n| n == 1));
});
