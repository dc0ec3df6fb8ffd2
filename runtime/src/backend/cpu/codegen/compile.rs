//! Compiles the loops of kernels, or reads them from the cache on disk.

use std::hash::Hash as _;
use std::sync::OnceLock;

use rustc_hash::FxHashSet;

use super::assembled::Assembled;
use super::run::Fused;
use super::tile_program::Draft;
use crate::backend::cpu::code_cache::{self, Writer};
use crate::core::CacheLookup;
use crate::kernels::simd::{self, Level};
use crate::kernels::threads;

impl Fused {
    /// Compiles the loops of kernels that have none yet: on all threads, into memory that they share.
    ///
    /// What is not compiled here is when it is run first. So passes may make kernels that others take the place of.
    /// Where there is a cache on disk, all of them are looked for there; returns what it had.
    pub(crate) fn compile<'a>(kernels: impl IntoIterator<Item = &'a Fused>) -> Option<CacheLookup> {
        if !simd::has_jit() {
            return None;
        }
        let level = Level::chosen();
        let mut known: FxHashSet<*const Fused> = FxHashSet::default();
        let mut kernels: Vec<&Fused> =
            kernels.into_iter().filter(|kernel| known.insert(std::ptr::from_ref(*kernel))).collect();
        if kernels.iter().all(|kernel| kernel.is_compiled(level)) {
            return None;
        }
        let Some(cache) = code_cache::current() else {
            kernels.retain(|kernel| !kernel.is_compiled(level));
            Fused::compile_for(level, &kernels);
            return None;
        };
        let key = code_cache::key(level, |mut key| {
            for Fused { spec, program, .. } in &kernels {
                spec.hash(&mut key);
                program.parts.iter().map(|part| part.size).collect::<Vec<_>>().hash(&mut key);
            }
        });
        let (lookup, stored) = cache.read(&key, kernels.len());
        if let Some(stored) = stored {
            let pieces: Vec<&[u8]> = stored.pieces().collect();
            let drafts = Fused::drafts(level, &kernels, |i| Assembled::decode(pieces[i]));
            Fused::link(level, &kernels, drafts);
        } else {
            // All of them, also those that the program shares with others: the file is for a process that has none.
            let drafts = Fused::drafts(level, &kernels, |_| None);
            let encoded = |draft: &Option<Draft>| {
                let mut writer = Writer::default();
                draft.iter().for_each(|draft| draft.loops.encode(&mut writer));
                writer.0
            };
            cache.write(&key, &drafts.iter().map(encoded).collect::<Vec<_>>());
            Fused::link(level, &kernels, drafts);
        }
        Some(lookup)
    }

    pub(super) fn compile_for(level: Level, kernels: &[&Fused]) {
        Fused::link(level, kernels, Fused::drafts(level, kernels, |_| None));
    }

    /// The programs with loops, on all threads; those of kernel `i` are `known(i)`, or else assembled.
    fn drafts(
        level: Level,
        kernels: &[&Fused],
        known: impl Fn(usize) -> Option<Assembled> + Sync,
    ) -> Vec<Option<Draft>> {
        let drafts: Vec<OnceLock<Option<Draft>>> = kernels.iter().map(|_| OnceLock::new()).collect();
        threads::parallel(kernels.len(), &|i| {
            let Fused { spec, program, .. } = kernels[i];
            drafts[i].get_or_init(|| program.jit(spec, level, None, known(i)));
        });
        drafts.into_iter().map(|draft| draft.into_inner().flatten()).collect()
    }

    /// Gives kernels their programs.
    fn link(level: Level, kernels: &[&Fused], drafts: Vec<Option<Draft>>) {
        for (kernel, program) in kernels.iter().zip(Draft::link(drafts)) {
            // Of several threads that compile a kernel at once, all take what the first has kept.
            kernel.compiled(level).inspect(|compiled| drop(compiled.set(program.map(Box::new))));
        }
    }
}
