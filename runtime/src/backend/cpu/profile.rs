//! Runs a program several times and measures each step.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::passes::tile_batch::Sliced;
use super::program::{Kind, Program};
use crate::array::Array;
use crate::core::{Graph, Profile, ProfiledStep};
use crate::error::Result;

impl Program {
    /// Runs the program several times and measures each step.
    pub(crate) fn profile(&self, args: &[Array], runs: usize) -> Result<Profile> {
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
            name: name(&origin.kind),
            source: match &origin.path {
                Some(path) => path.to_string(),
                None => origin.location.to_string(),
            },
            time,
            flops: origin.flops,
            bytes: origin.bytes,
        });
        let (kept_bytes, needed_bytes) = (self.kept_bytes(), self.needed_bytes());
        Ok(Profile { steps: steps.collect(), total, kept_bytes, needed_bytes, runs })
    }
}

fn name(kind: &Kind) -> String {
    match kind {
        Kind::Fused(fusion) => format!("fusion of {}", members(fusion.graph())),
        Kind::Epilogue(epilogue) => {
            format!("{}, then {}", epilogue.product().name(), members(epilogue.fusion().graph()))
        }
        Kind::Reshape => "reshape".to_owned(),
        Kind::Other(primitive) => match (&**primitive as &dyn std::any::Any).downcast_ref::<Sliced>() {
            Some(sliced) => format!("slices of {}", members(sliced.graph())),
            None => primitive.name().to_owned(),
        },
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
