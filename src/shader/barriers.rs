//! Between a write to workgroup memory and a read of it there is a barrier, on every path through
//! every kernel. A driver that runs the subgroups of a workgroup in turn hides the lack of some.

use super::tests::{parse, variants};
use crate::plan::{Kernel, Mapping};
use std::collections::BTreeSet;
use wgpu::naga::{AddressSpace, Block, Expression, Function, Handle, Module, Statement};

/// A walk through a kernel: what was written since the last barrier, as bits by global variable.
struct Walk<'m> {
    module: &'m Module,
    /// What is written where the loop at hand is left.
    at_breaks: u64,
    /// Functions that read what some thread has written since the last barrier.
    unguarded: BTreeSet<&'m str>,
}

impl<'m> Walk<'m> {
    fn functions_without_barrier(module: &'m Module) -> BTreeSet<&'m str> {
        let mut walk = Self { module, at_breaks: 0, unguarded: BTreeSet::new() };
        let function = &module.entry_points[0].function;
        walk.block(function, &function.body, 0);
        walk.unguarded
    }

    /// The workgroup memory that a pointer is to, as a bit; 0 for other memory.
    fn shared(&self, function: &Function, mut pointer: Handle<Expression>) -> u64 {
        loop {
            match function.expressions[pointer] {
                Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => {
                    pointer = base;
                }
                Expression::GlobalVariable(global) => {
                    let space = self.module.global_variables[global].space;
                    return if space == AddressSpace::WorkGroup { 1 << global.index() } else { 0 };
                }
                _ => return 0,
            }
        }
    }

    /// What is written after a block, if `written` is before it. Paths that leave early are taken to
    /// go on as well, which finds too much rather than too little.
    fn block(&mut self, function: &'m Function, block: &'m Block, mut written: u64) -> u64 {
        for statement in block {
            match statement {
                Statement::Emit(range) => {
                    for handle in range.clone() {
                        if let Expression::Load { pointer } = function.expressions[handle] {
                            if self.shared(function, pointer) & written != 0 {
                                let name = function.name.as_deref();
                                self.unguarded.insert(name.unwrap_or("the entry point"));
                            }
                        }
                    }
                }
                Statement::Store { pointer, .. } => written |= self.shared(function, *pointer),
                Statement::ControlBarrier(_) => written = 0,
                Statement::Call { function, .. } => {
                    let function = &self.module.functions[*function];
                    written = self.block(function, &function.body, written);
                }
                Statement::Block(inner) => written = self.block(function, inner, written),
                Statement::If { accept, reject, .. } => {
                    let accepted = self.block(function, accept, written);
                    written = accepted | self.block(function, reject, written);
                }
                Statement::Switch { cases, .. } => {
                    let before = written;
                    for case in cases {
                        written |= self.block(function, &case.body, before);
                    }
                }
                Statement::Loop { body, continuing, .. } => {
                    let outside = std::mem::take(&mut self.at_breaks);
                    // What one turn leaves, the next finds.
                    for _ in 0..2 {
                        let turned = self.block(function, body, written);
                        written |= self.block(function, continuing, turned);
                    }
                    written = std::mem::replace(&mut self.at_breaks, outside);
                }
                Statement::Break => self.at_breaks |= written,
                _ => {}
            }
        }
        written
    }
}

#[test]
fn a_barrier_is_between_a_write_and_a_read_of_workgroup_memory() {
    for variant in variants() {
        let (module, _) = parse(&variant);
        let unguarded = Walk::functions_without_barrier(&module);
        // A tile's channels are threads' own: each reads its channel's columns, and then writes the
        // first of them, before it goes on to its next channel.
        let own: &[&str] = match (variant.mapping, variant.kernel) {
            (Mapping::Tiles, Kernel::ForwardFused) => &["fold_moments"],
            (Mapping::Tiles, Kernel::BackwardFused) => &["fold_sums"],
            _ => &[],
        };
        assert_eq!(unguarded, own.iter().copied().collect(), "{variant:?}");
    }
}
