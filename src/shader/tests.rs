//! The WGSL as naga sees it against what Rust makes of it.

use super::pipeline::layout_entries;
use super::variant::{ActivationFile, Conversion, Words};
use super::*;
use crate::Element;
use crate::plan::{
    Access, BAND_CHANNELS, BLOCK, Kernel, MAX_COLUMNS, MAX_MISSING, MAX_PAIRS, MAX_QUADS,
    MAX_RUN_CHANNELS, Mapping, Params, RUN_CHANNELS,
};
use std::mem::offset_of;
use wgpu::naga;

/// Every way to load and store an element type.
fn memories(element: Element, access: Access) -> Vec<Memory> {
    let mut memories = Vec::new();
    for words in [Words::Bits32, Words::Bits64] {
        for f16 in [Conversion::ByBits, Conversion::Unpacked, Conversion::Native] {
            let memory = Memory { words, f16 }.of(element, access);
            if !memories.contains(&memory) {
                memories.push(memory);
            }
        }
    }
    memories
}

/// Every combination of files, for each pass that a kernel serves.
pub fn variants() -> Vec<Variant> {
    let kernels = [
        (Kernel::ForwardOnChip, Pass::Training),
        (Kernel::ForwardFused, Pass::Training),
        (Kernel::ForwardMoments, Pass::Training),
        (Kernel::ForwardNormalize, Pass::Training),
        (Kernel::Inference, Pass::Inference),
        (Kernel::BackwardOnChip, Pass::Backward),
        (Kernel::BackwardFused, Pass::Backward),
        (Kernel::BackwardSums, Pass::Backward),
        (Kernel::BackwardInput, Pass::Backward),
    ];
    let mut variants = Vec::new();
    let plain = |kernel, pass, mapping, access, element, features| Variant {
        kernel,
        pass,
        mapping,
        access,
        memory: Memory::default(),
        workgroup: 64,
        alone: false,
        tail: true,
        neighbours: false,
        kept: 16,
        pairs: 4,
        missing: 0,
        repeated: false,
        element,
        features,
    };
    for (kernel, pass) in kernels {
        let on_chip = [Kernel::ForwardOnChip, Kernel::BackwardOnChip].contains(&kernel);
        for mapping in [Mapping::Rows, Mapping::Columns, Mapping::Tiles] {
            // A tile is kept by nothing but the caches.
            if on_chip && mapping == Mapping::Tiles {
                continue;
            }
            for access in [Access::Vec4, Access::Scalar] {
                for element in [Element::F32, Element::F16, Element::BF16] {
                    let features = Features::plain();
                    let plain = plain(kernel, pass, mapping, access, element, features);
                    for memory in memories(element, access) {
                        variants.push(Variant { memory, ..plain });
                        if mapping == Mapping::Columns {
                            variants.push(Variant { memory, neighbours: true, ..plain });
                        }
                    }
                }
            }
        }
    }
    let on_chip = [Kernel::ForwardOnChip, Kernel::BackwardOnChip];
    let fused = [Kernel::ForwardFused, Kernel::BackwardFused];
    for (kernel, pass) in kernels.into_iter().filter(|(kernel, _)| !on_chip.contains(kernel)) {
        for mapping in [Mapping::Strips, Mapping::Lines, Mapping::Runs] {
            // Of threads that wait for no other only those of strips may own a channel.
            if fused.contains(&kernel) && mapping != Mapping::Strips {
                continue;
            }
            for element in [Element::F32, Element::F16, Element::BF16] {
                let (pairs, features) = (Access::Pairs, Features::plain());
                let plain = plain(kernel, pass, mapping, pairs, element, features);
                let memories = memories(element, pairs).into_iter();
                variants.extend(memories.map(|memory| Variant { memory, ..plain }));
                if mapping == Mapping::Lines {
                    let cut = Variant { access: Access::Cut, ..plain };
                    variants.extend([cut, Variant { repeated: true, ..cut }]);
                }
                if mapping != Mapping::Strips {
                    variants.push(Variant { repeated: true, ..plain });
                }
                if mapping == Mapping::Strips {
                    let neighbours = Variant { neighbours: true, ..plain };
                    for memory in self::memories(element, pairs) {
                        variants.push(Variant { memory, ..neighbours });
                    }
                    let most = MAX_PAIRS as u32;
                    variants.push(Variant { missing: 1, ..plain });
                    variants.push(Variant { pairs: most, missing: MAX_MISSING as u32, ..plain });
                }
                if mapping == Mapping::Strips && element == Element::F32 {
                    let others = [1, 13, MAX_PAIRS as u32];
                    variants.extend(others.map(|pairs| Variant { pairs, ..plain }));
                }
            }
        }
    }
    let (rows, vec4, f32) = (Mapping::Rows, Access::Vec4, Element::F32);
    for kernel in [Kernel::MergeMoments, Kernel::MergeSums, Kernel::RecordStatistics] {
        variants.push(plain(kernel, Pass::Merge, rows, vec4, f32, Features::plain()));
    }
    for activation in [
        ActivationFile::Relu,
        ActivationFile::LeakyRelu,
        ActivationFile::Sigmoid,
        ActivationFile::Tanh,
        ActivationFile::Silu,
        ActivationFile::Gelu,
        ActivationFile::GeluTanh,
        ActivationFile::HardSwish,
    ] {
        for (kernel, pass) in kernels {
            let features = Features { activation, ..Features::plain() };
            variants.push(plain(kernel, pass, rows, vec4, f32, features));
        }
    }
    variants
}

pub fn parse(variant: &Variant) -> (naga::Module, naga::valid::ModuleInfo) {
    let source = variant.source();
    let module = naga::front::wgsl::parse_str(&source)
        .unwrap_or_else(|e| panic!("{variant:?}: {}", e.emit_to_string(&source)));
    let flags = naga::valid::ValidationFlags::all();
    // The kernels need nothing beyond the core of WebGPU, but for words of 64 bits and 16-bit types.
    let mut capabilities = naga::valid::Capabilities::empty();
    let Memory { words, f16 } = variant.memory;
    capabilities.set(naga::valid::Capabilities::SHADER_INT64, words == Words::Bits64);
    // All but a few old adapters unpack.
    let unpacks = f16 != Conversion::ByBits;
    capabilities.set(naga::valid::Capabilities::SHADER_FLOAT16_IN_FLOAT32, unpacks);
    capabilities.set(naga::valid::Capabilities::SHADER_FLOAT16, f16 == Conversion::Native);
    let mut validator = naga::valid::Validator::new(flags, capabilities);
    let info = validator.validate(&module).unwrap_or_else(|e| panic!("{variant:?}: {e:?}"));
    (module, info)
}

/// What `cargo xtask mutate` asks of the modules with a mutant, which starts with that word:
/// whether they are valid, and whether they say anything new.
#[cfg(wgpu_batchnorm_mutate)]
#[test]
fn modules_in_short() {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut variants = variants();
    variants.retain(|variant| variant.source().contains("// mutant\n"));
    if variants.is_empty() {
        // It is in an activation, which the table leaves out.
        use ActivationFile::*;
        let all = [Relu, LeakyRelu, Sigmoid, Tanh, Silu, Gelu, GeluTanh, HardSwish];
        let with = |variant: Variant, activation| Variant {
            features: Features { activation, ..variant.features },
            ..variant
        };
        let table = self::variants().into_iter().step_by(6);
        variants = table.flat_map(|v| all.map(|activation| with(v, activation))).collect();
        variants.retain(|variant| variant.source().contains("// mutant\n"));
    }
    if variants.is_empty() {
        println!("modules: none");
        return;
    }
    let mut hasher = DefaultHasher::new();
    for variant in &variants {
        let (mut module, _) = parse(variant);
        naga::compact::compact(&mut module, naga::compact::KeepUnused::No);
        format!("{:?}{:?}", module.functions, module.entry_points).hash(&mut hasher);
        format!("{:?}{:?}", module.overrides, module.global_variables).hash(&mut hasher);
        format!("{:?}{:?}", module.constants, module.global_expressions).hash(&mut hasher);
    }
    println!("modules: {:x}", hasher.finish());
}

#[test]
fn bindings_are_those_of_the_layout() {
    for variant in variants() {
        let (module, info) = parse(&variant);
        let bound: Vec<u32> =
            layout_entries(variant.pass).iter().map(|entry| entry.binding).collect();
        let used = info.get_entry_point(0);
        for (handle, global) in module.global_variables.iter() {
            let Some(binding) = &global.binding else { continue };
            assert_eq!(binding.group, 0);
            let is_uniform = global.space == naga::AddressSpace::Uniform;
            assert_eq!(is_uniform, binding.binding == Binding::Params as u32);
            if !used[handle].is_empty() {
                assert!(bound.contains(&binding.binding), "{variant:?}: {:?}", global.name);
            }
        }
    }
}

#[test]
fn entry_points_and_constants_are_named_alike() {
    for variant in variants() {
        let (module, _) = parse(&variant);
        assert_eq!(module.entry_points.len(), 1);
        assert_eq!(module.entry_points[0].name, variant.kernel.name());
        for (name, _) in variant.constants() {
            let declared = module.overrides.iter().any(|(_, o)| o.name.as_deref() == Some(name));
            assert!(declared, "{variant:?}: {name}");
        }
    }
}

#[test]
fn the_parameter_block_is_laid_out_alike() {
    let (module, _) = parse(&variants()[0]);
    let (_, ty) = module.types.iter().find(|(_, t)| t.name.as_deref() == Some("Params")).unwrap();
    let naga::TypeInner::Struct { members, span } = &ty.inner else { panic!("a struct") };
    assert_eq!(*span as usize, size_of::<Params>());
    macro_rules! fields {
        ($($field:ident),*) => { [$((stringify!($field), offset_of!(Params, $field))),*] };
    }
    let fields = fields!(
        outer,
        channels,
        period,
        inner,
        outer_stride,
        first_channel,
        row_stride,
        x_at,
        y_at,
        dy_at,
        dx_at,
        residual_at,
        dresidual_at,
        weights_at,
        first_position,
        weight_span,
        lanes,
        units,
        splits,
        first_slot,
        slots,
        group,
        channel_step,
        column_step,
        step_at,
        step_inner,
        flags,
        epsilon,
        momentum,
        count,
        slope,
        part,
        half_word
    );
    assert_eq!(members.len(), fields.len());
    for (member, (name, offset)) in members.iter().zip(fields) {
        assert_eq!(member.name.as_deref(), Some(name));
        assert_eq!(member.offset as usize, offset, "{name}");
    }
}

fn constant_of(module: &naga::Module, name: &str) -> u32 {
    let mut constants = module.constants.iter().map(|(_, c)| c);
    let constant = constants.find(|c| c.name.as_deref() == Some(name));
    match module.global_expressions[constant.expect("a constant of that name").init] {
        naga::Expression::Literal(naga::Literal::U32(value)) => value,
        ref other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn constants_of_both_sides_agree() {
    let (module, _) = parse(&variants()[0]);
    let constant = |name: &str| constant_of(&module, name);
    use crate::{Row, Saved, plan::SAVED_ROWS};
    assert_eq!(constant("BLOCK") as u64, BLOCK);
    let settings = |name: &str| constant_of(&module, name) as u64;
    use crate::state::{SETTING_R_MAX, SETTING_RULE};
    assert_eq!(settings("SETTING_R_MAX"), SETTING_R_MAX);
    assert_eq!(settings("SETTING_D_MAX"), SETTING_R_MAX + 1);
    // In the order of `Optimizer::settings`.
    for (name, place) in [
        "SETTING_RULE",
        "SETTING_LEARNING_RATE",
        "SETTING_WEIGHT_DECAY",
        "SETTING_FIRST_DECAY",
        "SETTING_SECOND_DECAY",
        "SETTING_FIRST_RATE",
        "SETTING_SECOND_RATE",
        "SETTING_FIRST_LOG",
        "SETTING_SECOND_LOG",
        "SETTING_EPSILON",
        "SETTING_NESTEROV",
    ]
    .into_iter()
    .zip(SETTING_RULE..)
    {
        assert_eq!(settings(name), place, "{name}");
    }
    let (tiles, _) = parse(variants().iter().find(|v| v.mapping == Mapping::Tiles).unwrap());
    assert_eq!(constant_of(&tiles, "MAX_COLUMNS") as u64, MAX_COLUMNS);
    assert_eq!(constant_of(&tiles, "MAX_QUADS") as u64, MAX_QUADS);
    let (lines, _) = parse(variants().iter().find(|v| v.mapping == Mapping::Lines).unwrap());
    assert_eq!(constant_of(&lines, "MAX_CHANNELS") as u64, BAND_CHANNELS);
    let (runs, _) = parse(variants().iter().find(|v| v.mapping == Mapping::Runs).unwrap());
    assert_eq!(constant_of(&runs, "MAX_CHANNELS") as u64, MAX_RUN_CHANNELS);
    assert_eq!(constant_of(&runs, "SHARED_CHANNELS") as u64, RUN_CHANNELS);
    assert_eq!(constant("ROW_PARTIALS") as u64, SAVED_ROWS);
    for (name, row) in [
        ("ROW_GAMMA", Row::Gamma as u32),
        ("ROW_BETA", Row::Beta as u32),
        ("ROW_RUNNING_MEAN", Row::RunningMean as u32),
        ("ROW_RUNNING_VAR", Row::RunningVar as u32),
        ("ROW_BATCHES", Row::Batches as u32),
        ("ROW_DGAMMA", Row::DGamma as u32),
        ("ROW_DBETA", Row::DBeta as u32),
        ("ROW_SETTINGS", crate::state::ROW_SETTINGS as u32),
        ("ROW_STEPS", Row::Steps as u32),
        ("ROW_GAMMA_FIRST", Row::GammaFirst as u32),
        ("ROW_GAMMA_SECOND", Row::GammaSecond as u32),
        ("ROW_BETA_FIRST", Row::BetaFirst as u32),
        ("ROW_BETA_SECOND", Row::BetaSecond as u32),
        ("ROW_MEAN", Saved::Mean as u32),
        ("ROW_INV_STD", Saved::InvStd as u32),
        ("ROW_PIVOT", Saved::Pivot as u32),
        ("ROW_REMAINDER", Saved::Remainder as u32),
        ("ROW_SCALE", Saved::Scale as u32),
        ("ROW_SHIFT", Saved::Shift as u32),
        ("ROW_COUNT", Saved::Count as u32),
        ("ROW_R", Saved::RenormR as u32),
        ("ROW_D", Saved::RenormD as u32),
        ("FLAG_GAMMA", crate::plan::FLAG_GAMMA),
        ("FLAG_BETA", crate::plan::FLAG_BETA),
        ("FLAG_TRACK", crate::plan::FLAG_TRACK),
        ("FLAG_CUMULATIVE", crate::plan::FLAG_CUMULATIVE),
        ("FLAG_UNBIASED", crate::plan::FLAG_UNBIASED),
        ("FLAG_RECORD", crate::plan::FLAG_RECORD),
        ("FLAG_ACCUMULATE", crate::plan::FLAG_ACCUMULATE),
    ] {
        assert_eq!(constant(name), row, "{name}");
    }
}

/// The plan counts the rounds of loops over a tensor (`plan/rounds.rs`), and takes a load or a store for none.
#[test]
fn loads_and_stores_have_no_loops() {
    use naga::Statement::*;
    fn has_loop(module: &naga::Module, block: &naga::Block) -> bool {
        let has_loop = |block| has_loop(module, block);
        block.iter().any(|statement| match statement {
            Loop { .. } => true,
            Block(inner) => has_loop(inner),
            If { accept, reject, .. } => has_loop(accept) || has_loop(reject),
            Switch { cases, .. } => cases.iter().any(|case| has_loop(&case.body)),
            Call { function, .. } => has_loop(&module.functions[*function].body),
            _ => false,
        })
    }
    let moves = ["load_x", "load_dy", "load_residual", "store_y", "store_dx", "store_dresidual"];
    for variant in variants() {
        let (module, _) = parse(&variant);
        let functions = module.functions.iter().map(|(_, function)| function);
        let found: Vec<_> = functions
            .filter(|function| moves.iter().any(|&name| function.name.as_deref() == Some(name)))
            .collect();
        assert_eq!(found.len(), moves.len(), "{variant:?}");
        for function in found {
            assert!(!has_loop(&module, &function.body), "{variant:?}: {:?}", function.name);
        }
    }
}

/// Loops over the pairs of a strip that are marked so stand in its text once for each pair.
#[test]
fn marked_loops_are_written_out() {
    let strips = variants().into_iter().filter(|variant| variant.mapping == Mapping::Strips);
    for variant in strips {
        let source = variant.source();
        assert!(!source.contains("// unrolled"), "{variant:?}");
        // One at least is in every kernel, in what puts a pair at the end.
        let times = |k: u32| source.matches(&format!("{{ const k = {k}u;\n")).count();
        assert!(times(0) > 0 && times(variant.pairs) == 0, "{variant:?}");
        assert!((1..variant.pairs).all(|k| times(k) == times(0)), "{variant:?}");
    }
}
