//! Runs a program several times and measures each step.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::passes::fuse::is_reshape;
use super::program::Program;
use super::schedule::Step;
use crate::array::Array;
use crate::core::{Graph, Profile, ProfiledStep};
use crate::error::Result;

impl Program {
    /// Runs the program several times and measures each step.
    pub(super) fn measure(&self, args: &[Array], runs: usize) -> Result<Profile> {
        let mut times = vec![Duration::MAX; self.origins.len()];
        let mut total = Duration::MAX;
        for _ in 0..runs {
            let start = Instant::now();
            let around = |i: usize, step: &mut dyn FnMut() -> Result<()>| {
                let start = Instant::now();
                step()?;
                times[i] = times[i].min(start.elapsed());
                Ok(())
            };
            self.run_with(args.iter().cloned(), around, |outs| outs.for_each(drop))?;
            total = total.min(start.elapsed());
        }
        let steps = self.origins.iter().zip(times).map(|(origin, time)| ProfiledStep {
            name: name(&origin.step),
            source: match &origin.path {
                Some(path) => path.to_string(),
                None => origin.location.to_string(),
            },
            time,
            flops: origin.flops,
            bytes: origin.bytes,
        });
        let (arena_bytes, peak_bytes) = (self.arena_bytes(), self.peak_bytes());
        Ok(Profile { steps: steps.collect(), total, arena_bytes, peak_bytes, runs })
    }
}

fn name(step: &Step) -> String {
    match step {
        Step::Fused(fusion) => format!("fusion of {}", members(fusion.graph())),
        Step::Epilogue(epilogue) => {
            format!("{}, then {}", epilogue.product().name(), members(epilogue.fusion().graph()))
        }
        Step::BatchTiled(tiled) => format!("batch tiles of {}", members(tiled.graph())),
        Step::Primitive(primitive) if is_reshape(primitive.op()) => "reshape".to_owned(),
        Step::Primitive(primitive) => primitive.name().to_owned(),
    }
}

/// The primitives of a kernel, with their numbers.
fn members(graph: &Graph) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    graph.primitives().for_each(|name| *counts.entry(name).or_default() += 1);
    let text = |(name, count): (&str, usize)| match count {
        1 => name.to_owned(),
        _ => format!("{count} {name}"),
    };
    counts.into_iter().map(text).collect::<Vec<_>>().join(", ")
}
