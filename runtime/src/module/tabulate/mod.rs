//! `tabulate`: a model as a table of its calls and variables.

pub(crate) mod record;
mod render;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use record::{Recorder, Row};

use super::autoref::Observed;
use super::running::{ModelRun, OutputOnly, VariablesOnly};
use super::{Layer, Module};
use crate::core::Tensor;
use crate::error::Result;
use crate::scope::{Rngs, Settings};
use crate::transform::eval_shape;
use crate::tree;
use crate::variables::{Dict, Filter, Value, Variables};

/// A summary of a model to come, by [`Module::tabulate`].
///
/// ```
/// use flaxen::prelude::*;
///
/// let model = sequential![|x: &Tensor| x + 1.0];
/// let summary = model.tabulate(key(0)).call(&Tensor::ones([16, 9]))?;
/// assert!(summary.to_string().contains("Sequential Summary"));
/// assert_eq!(summary.rows()[0].module(), "Sequential");
/// # Ok::<(), flaxen::Error>(())
/// ```
#[must_use = "nothing is summarised before `call` or `run`"]
pub struct Tabulate<'m, M> {
    module: &'m M,
    settings: Settings,
    depth: Option<usize>,
    show_repeated: bool,
    flops: bool,
    vjp_flops: bool,
}

/// A model as a table: a row for each call of a compact method, in the order of the calls; printed as Flax prints it.
#[derive(Clone, Debug)]
pub struct Summary {
    model: &'static str,
    collections: Vec<String>,
    rows: Vec<SummaryRow>,
    flops: bool,
    vjp_flops: bool,
}

/// One call of a compact method.
#[derive(Clone, Debug)]
pub struct SummaryRow {
    call: Row,
    /// The variables of the module itself, without those of submodules that have rows of their own.
    variables: Variables,
    /// The variables that count for this row: with a limited depth, also those of submodules not shown.
    counted: Variables,
    flops: Option<u64>,
    vjp_flops: Option<u64>,
}

impl<'m, M: Module> Tabulate<'m, M> {
    pub(super) fn new(module: &'m M, rngs: Rngs) -> Tabulate<'m, M> {
        let settings = Settings::init(rngs);
        Tabulate { module, settings, depth: None, show_repeated: false, flops: false, vjp_flops: false }
    }

    /// How deep submodules are shown; the variables of deeper ones count in the row of the module they are in.
    pub fn depth(mut self, depth: usize) -> Tabulate<'m, M> {
        self.depth = Some(depth);
        self
    }

    /// Shows every call of a module, not only its first one.
    pub fn show_repeated(mut self) -> Tabulate<'m, M> {
        self.show_repeated = true;
        self
    }

    /// Which collections are made and shown; all but `intermediates` otherwise.
    pub fn mutable(mut self, filter: impl Into<Filter>) -> Tabulate<'m, M> {
        self.settings.mutable = filter.into();
        self
    }

    /// Adds a column with the floating-point operations of each call.
    pub fn compute_flops(mut self) -> Tabulate<'m, M> {
        self.flops = true;
        self
    }

    /// Adds a column with the floating-point operations of each call and its gradient.
    pub fn compute_vjp_flops(mut self) -> Tabulate<'m, M> {
        self.vjp_flops = true;
        self
    }

    /// Summarises a run of any method, or any function, of the model; nothing is computed but shapes.
    ///
    /// # Errors
    /// What `f` returns.
    pub fn run<T>(self, f: impl Fn(&M) -> Result<T>) -> Result<Summary> {
        let recorder = Arc::new(Recorder::default());
        let variables = self.shapes_of_init(&recorder, &f)?;
        let mut calls = recorder.rows();
        if self.flops || self.vjp_flops {
            self.count(&variables, &mut calls, &f)?;
        }
        Ok(self.summary(&variables, calls))
    }

    /// Summarises a run of the layer's `call`.
    ///
    /// # Errors
    /// What `call` returns.
    pub fn call(self, x: &Tensor) -> Result<Summary>
    where
        M: Layer,
    {
        self.run(|module| module.call(x))
    }

    fn shapes_of_init<T>(&self, recorder: &Arc<Recorder>, f: &impl Fn(&M) -> Result<T>) -> Result<Variables> {
        let init = |()| {
            let run = ModelRun::<M, VariablesOnly>::new(self.module, self.settings.clone());
            run.recorded(recorder).run(f)
        };
        eval_shape(init, &())
    }

    /// The calls of an `apply`, which makes no parameters, with the operations of each.
    fn count<T>(&self, variables: &Variables, calls: &mut [Row], f: &impl Fn(&M) -> Result<T>) -> Result<()> {
        let recorder = Arc::new(Recorder::default());
        let graph = crate::transform::graph_of(
            |(variables, rngs): (Variables, Rngs)| {
                let mut settings = Settings::apply(variables);
                settings.rngs = rngs;
                settings.mutable = self.settings.mutable.clone();
                ModelRun::<M, OutputOnly>::new(self.module, settings).recorded(&recorder).run(f)?;
                Ok(())
            },
            &(variables.clone(), self.settings.rngs.clone()),
        )?;
        for (call, counted) in calls.iter_mut().zip(recorder.rows()) {
            call.flops = self.flops.then(|| graph.flops(counted.equations.clone()));
            call.vjp_flops = if self.vjp_flops {
                Some(crate::transform::vjp_flops(&graph, counted.equations)?)
            } else {
                None
            };
        }
        Ok(())
    }

    fn summary(&self, variables: &Variables, calls: Vec<Row>) -> Summary {
        let paths: BTreeSet<Vec<String>> = calls.iter().map(|call| call.path.clone()).collect();
        let mut visited = BTreeSet::new();
        let mut rows = Vec::new();
        for call in calls {
            let is_new = visited.insert(call.path.clone());
            if self.depth.is_some_and(|depth| call.path.len() > depth) || !(is_new || self.show_repeated) {
                continue;
            }
            let (mut own, mut counted) = (Variables::new(), Variables::new());
            if is_new {
                let all = variables_at(variables, &call.path);
                own = without_submodules(&all, &call.path, &paths);
                counted = if self.depth == Some(call.path.len()) { all } else { own.clone() };
            }
            let (flops, vjp_flops) = (call.flops, call.vjp_flops);
            rows.push(SummaryRow { call, variables: own, counted, flops, vjp_flops });
        }
        let mut collections: Vec<String> = variables.collections().map(str::to_owned).collect();
        // What people look for first, then the others by name.
        collections.sort_by_key(|name| name != "params");
        Summary {
            model: self.module.type_name(),
            collections,
            rows,
            flops: self.flops,
            vjp_flops: self.vjp_flops,
        }
    }
}

fn variables_at(variables: &Variables, path: &[String]) -> Variables {
    let at = |(name, dict): (&str, &Dict)| Some((name.to_owned(), dict.dict(path).ok()?.clone()));
    variables.iter().filter_map(at).collect()
}

fn without_submodules(all: &Variables, path: &[String], paths: &BTreeSet<Vec<String>>) -> Variables {
    let is_submodule = |name: &str| paths.contains(&[path, &[name.to_owned()]].concat());
    let own = |dict: &Dict| -> Dict {
        dict.iter()
            .filter(|(name, _)| !is_submodule(name))
            .map(|(name, value)| (name, value.clone()))
            .collect()
    };
    all.iter().map(|(name, dict)| (name, own(dict))).collect()
}

impl Summary {
    /// The rows, in the order of the calls.
    pub fn rows(&self) -> &[SummaryRow] {
        &self.rows
    }

    /// The collections that have a column.
    pub fn collections(&self) -> &[String] {
        &self.collections
    }

    /// The number of elements and bytes in a collection, all rows together.
    pub fn total(&self, collection: &str) -> (usize, usize) {
        let sizes = self.rows.iter().map(|row| row.size(collection));
        sizes.fold((0, 0), |(count, bytes), (c, b)| (count + c, bytes + b))
    }
}

impl SummaryRow {
    /// The names from the model to the module.
    pub fn path(&self) -> &[String] {
        &self.call.path
    }

    /// The name of the module's type.
    pub fn module(&self) -> &'static str {
        self.call.class
    }

    /// The name of the method.
    pub fn method(&self) -> &'static str {
        self.call.method
    }

    /// The arguments with their names; tensors have shapes and no values.
    pub fn inputs(&self) -> &[(&'static str, Observed)] {
        &self.call.inputs
    }

    /// The output; tensors have shapes and no values.
    pub fn output(&self) -> &Observed {
        &self.call.output
    }

    /// The module's own variables; tensors have shapes and no values.
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// The number of elements and bytes that count for this row.
    pub fn size(&self, collection: &str) -> (usize, usize) {
        let leaves = self.counted.collection(collection).map(tree::leaves).unwrap_or_default();
        let size = |leaf: &&Tensor| (leaf.size(), leaf.size() * leaf.dtype().size());
        leaves.iter().map(size).fold((0, 0), |(count, bytes), (c, b)| (count + c, bytes + b))
    }

    /// The floating-point operations of the call, if they were asked for.
    pub fn flops(&self) -> Option<u64> {
        self.flops
    }

    /// The floating-point operations of the call and its gradient, if they were asked for.
    pub fn vjp_flops(&self) -> Option<u64> {
        self.vjp_flops
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render::table(self))
    }
}

/// The paths of all modules that a run calls, each with the name of the module's type.
pub(super) fn module_paths<M: Module, T>(
    module: &M,
    rngs: Rngs,
    f: impl Fn(&M) -> Result<T>,
) -> Result<std::collections::BTreeMap<String, &'static str>> {
    let recorder = Arc::new(Recorder::default());
    Tabulate::new(module, rngs).shapes_of_init(&recorder, &f)?;
    Ok(recorder.rows().into_iter().map(|row| (row.path.join("/"), row.class)).collect())
}

/// Only for [`render`]: a collection's part of a row, if there is something to show.
fn shown<'a>(row: &'a SummaryRow, collection: &str) -> Option<&'a Dict> {
    row.variables.collection(collection).filter(|dict| !dict.is_empty())
}

/// The shape of a value's tensors, for [`record`].
fn shapes(value: &Value) -> Result<Value> {
    tree::map(value, |leaf| Ok(Tensor::abstract_value(leaf.aval().clone())))
}
