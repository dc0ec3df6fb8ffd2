//! Where the time of a program goes.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, ContentArrangement, Table, TableStyle};

use super::graph::Graph;
use super::program::{Kind, Program};
use super::slices::Sliced;
use crate::error::Result;
use crate::tensor::Array;

/// The steps of a compiled function and what each of them cost; printed as a table, the slowest first.
#[derive(Clone, Debug)]
pub struct Profile {
    /// In the order in which they run.
    pub steps: Vec<ProfiledStep>,
    /// Of one call, without what the caller's side of it costs.
    pub total: Duration,
    /// Bytes of memory for intermediate values, which the program keeps between calls.
    pub kept_bytes: usize,
    /// Bytes of intermediate values that are alive at once, at most: with less, no order of memory would do.
    pub needed_bytes: usize,
    /// How many calls were measured.
    pub runs: usize,
}

/// A step of a [`Profile`].
#[derive(Clone, Debug)]
pub struct ProfiledStep {
    /// What it does: primitives, those of a fused kernel with their number.
    pub name: String,
    /// The path of the module that it comes from, or the line of the program.
    pub place: String,
    /// The shortest of the measured times.
    pub time: Duration,
    /// Floating-point operations.
    pub flops: u64,
    /// Bytes read and written.
    pub bytes: u64,
}

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
            place: match &origin.place {
                Some(place) => place.to_string(),
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

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(TableStyle::new()).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(["time µs", "%", "GFLOP/s", "GB/s", "step", "from"]);
        let mut steps: Vec<&ProfiledStep> = self.steps.iter().collect();
        steps.sort_by_key(|step| std::cmp::Reverse(step.time));
        let all: f64 = steps.iter().map(|step| step.time.as_secs_f64()).sum();
        for step in steps {
            let seconds = step.time.as_secs_f64().max(1e-9);
            table.add_row([
                format!("{:.1}", seconds * 1e6),
                format!("{:.1}", 100.0 * seconds / all),
                format!("{:.1}", step.flops as f64 / seconds / 1e9),
                format!("{:.1}", step.bytes as f64 / seconds / 1e9),
                step.name.clone(),
                step.place.clone(),
            ]);
        }
        table.column_iter_mut().take(4).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        writeln!(f, "{table}")?;
        let (total, steps) = (self.total.as_secs_f64() * 1e6, self.steps.len());
        let [kept, needed] = [self.kept_bytes, self.needed_bytes].map(|bytes| bytes as f64 / 1e6);
        write!(f, "{total:.1} µs in {steps} steps, the least of {} runs; ", self.runs)?;
        write!(f, "{kept:.1} MB are kept for {needed:.1} MB of values that are alive at once")
    }
}

impl Profile {
    /// The time of all steps of a module and its submodules.
    pub fn time_in(&self, path: &str) -> Duration {
        let inside = |place: &str| {
            place.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.steps.iter().filter(|step| inside(&step.place)).map(|step| step.time).sum()
    }
}
