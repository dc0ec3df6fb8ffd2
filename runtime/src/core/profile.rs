//! Where the time of a program goes.

use std::fmt;
use std::time::Duration;

use comfy_table::{CellAlignment, ContentArrangement, Table, TableStyle};

/// The steps of a compiled function and what each of them cost; printed as a table, the slowest first.
#[derive(Clone, Debug)]
pub struct Profile {
    /// In the order in which they run.
    pub steps: Vec<ProfiledStep>,
    /// Of one call, without what the caller's side of it costs.
    pub total: Duration,
    /// Bytes of the arena for intermediate values, which the program keeps between calls.
    pub arena_bytes: usize,
    /// Bytes of intermediate values that are alive at once, at most: with less, no order of memory would do.
    pub peak_bytes: usize,
    /// How many calls were measured.
    pub runs: usize,
}

/// A step of a [`Profile`].
#[derive(Clone, Debug)]
pub struct ProfiledStep {
    /// What it does: primitives, those of a fused kernel with their number.
    pub name: String,
    /// The path of the module that it comes from, or the line of the program.
    pub source: String,
    /// The shortest of the measured times.
    pub time: Duration,
    /// Floating-point operations.
    pub flops: u64,
    /// Bytes read and written.
    pub bytes: u64,
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
                step.source.clone(),
            ]);
        }
        table.column_iter_mut().take(4).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        writeln!(f, "{table}")?;
        let (total, steps) = (self.total.as_secs_f64() * 1e6, self.steps.len());
        let [arena, peak] = [self.arena_bytes, self.peak_bytes].map(|bytes| bytes as f64 / 1e6);
        write!(f, "{total:.1} µs in {steps} steps, the least of {} runs; ", self.runs)?;
        write!(f, "an arena of {arena:.1} MB for at most {peak:.1} MB of values at once")
    }
}

impl Profile {
    /// The time of all steps of a module and its submodules.
    pub fn time_in(&self, path: &str) -> Duration {
        let inside = |source: &str| {
            source.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.steps.iter().filter(|step| inside(&step.source)).map(|step| step.time).sum()
    }
}
