//! The calls of a run, in the order in which they began.

use std::ops::Range;
use std::sync::Mutex;

use super::super::ModuleInfo;
use super::super::autoref::Observed;
use super::super::instance::lock;
use crate::core::trace;

/// The calls of a run, in the order in which they began.
#[derive(Default)]
pub struct Recorder(Mutex<Vec<RecordedCall>>);

enum RecordedCall {
    /// A call that has not ended, and the number of equations staged before it.
    Begun(usize),
    Ended(Box<Row>),
}

/// One call of a compact method.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub path: Vec<String>,
    pub class: &'static str,
    pub method: &'static str,
    pub inputs: Vec<(&'static str, Observed)>,
    pub output: Observed,
    /// The equations the call staged, submodules' included.
    pub equations: Range<usize>,
    pub flops: Option<u64>,
    pub vjp_flops: Option<u64>,
}

impl Recorder {
    /// Begins a call: the number of its row.
    pub fn enter(&self) -> usize {
        let mut rows = lock(&self.0);
        rows.push(RecordedCall::Begun(trace::staged_equations()));
        rows.len() - 1
    }

    /// Ends a call.
    pub fn exit(
        &self,
        row: usize,
        module: &ModuleInfo<'_>,
        method: &'static str,
        inputs: &[(&'static str, Observed)],
        output: Observed,
    ) {
        let inputs = inputs.iter().map(|(name, input)| (*name, shapes(input.clone()))).collect();
        let (path, class, output) = (module.path(), module.type_name(), shapes(output));
        let end = trace::staged_equations();
        let mut rows = lock(&self.0);
        if let RecordedCall::Begun(start) = rows[row] {
            let equations = start..end;
            let ended = Row { path, class, method, inputs, output, equations, flops: None, vjp_flops: None };
            rows[row] = RecordedCall::Ended(Box::new(ended));
        }
    }

    /// The calls that have ended.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let ended = |entry: &RecordedCall| match entry {
            RecordedCall::Begun(_) => None,
            RecordedCall::Ended(row) => Some((**row).clone()),
        };
        lock(&self.0).iter().filter_map(ended).collect()
    }
}

/// The values are not kept, which belong to a transform and may be large.
fn shapes(observed: Observed) -> Observed {
    match observed {
        Observed::Tree(value) => super::shapes(&value).map_or(Observed::Opaque("?"), Observed::Tree),
        other => other,
    }
}
