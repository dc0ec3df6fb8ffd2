//! The calls of a run, in the order in which they began.

use std::sync::Mutex;

use super::ModuleInfo;
use super::call::avals;
use super::instance::lock;
use super::probe::Observed;

/// The calls of a run, in the order in which they began.
#[derive(Default)]
pub(crate) struct Recorder(Mutex<Vec<Option<Row>>>);

/// One call of a compact method.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub path: Vec<String>,
    pub class: &'static str,
    pub method: &'static str,
    pub inputs: Vec<(&'static str, Observed)>,
    pub output: Observed,
}

impl Recorder {
    /// Begins a call: the number of its row.
    pub fn enter(&self) -> usize {
        let mut rows = lock(&self.0);
        rows.push(None);
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
        lock(&self.0)[row] = Some(Row { path, class, method, inputs, output });
    }

    /// The calls that have ended.
    pub fn rows(&self) -> Vec<Row> {
        lock(&self.0).iter().flatten().cloned().collect()
    }
}

/// The numbers are not kept, which may belong to a transform and be large.
fn shapes(observed: Observed) -> Observed {
    match observed {
        Observed::Tree(value) => avals(&value).map_or(Observed::Opaque("?"), Observed::Tree),
        other => other,
    }
}
