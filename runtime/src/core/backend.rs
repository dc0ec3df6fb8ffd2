//! What a backend is: it compiles graphs to executables.
//!
//! Nothing below this line of the source knows which backends there are: a compiled function holds the one it was given, and
//! the executable that came of it.

use std::fmt;
use std::sync::Arc;

use super::op::Op;
use super::primitive::Primitive;
use super::{Graph, Profile};
use crate::array::Array;
use crate::error::{Error, Result};

/// Compiles graphs: one match over [`Op`].
///
/// A new one needs no change anywhere else; [`Jit::on`](crate::Jit::on) compiles a function with it.
pub trait Backend: Send + Sync {
    /// Its name in errors and reports.
    fn platform(&self) -> &str;

    /// Whether a primitive runs as what it decomposes into, because the backend has nothing better for it.
    fn decomposes(&self, primitive: &dyn Primitive) -> bool {
        matches!(primitive.op(), Op::Custom)
    }

    /// A smaller graph that computes the same, which transforms work on from then on.
    fn simplify(&self, graph: Graph) -> Graph {
        graph
    }

    /// Whether its programs take an array where it is: unless a backend says otherwise, only in the memory of this process.
    fn takes(&self, array: &Array) -> bool {
        array.is_on_host()
    }

    /// Makes a graph ready to run many times. It holds no primitive that [`decomposes`](Backend::decomposes), also not in the programs
    /// within.
    ///
    /// # Errors
    /// If it holds what the backend cannot do.
    fn compile(&self, graph: &Graph, options: CompileOptions) -> Result<Arc<dyn Executable>>;

    /// What [`compile`](Backend::compile) makes of a graph, to be read.
    ///
    /// # Errors
    /// As [`compile`](Backend::compile).
    fn list(&self, graph: &Graph, _options: CompileOptions) -> Result<ProgramText> {
        Ok(ProgramText::of(graph, |primitive| primitive.name()))
    }

    /// One step of what [`compile`](Backend::compile) makes of a graph, as text on all levels that there are: from its equations
    /// down to machine code.
    ///
    /// # Errors
    /// As [`compile`](Backend::compile); if there is no such step.
    fn explain(&self, graph: &Graph, _options: CompileOptions, step: usize) -> Result<String> {
        explain(graph, step, |primitive| format!("{primitive:?}\n"))
    }
}

/// What [`Jit::on`](crate::Jit::on) takes: a backend that lives as long as the process, or a device.
pub trait IntoBackend {
    /// The backend.
    fn into_backend(self) -> &'static dyn Backend;
}

impl<B: Backend> IntoBackend for &'static B {
    fn into_backend(self) -> &'static dyn Backend {
        self
    }
}

impl IntoBackend for &'static dyn Backend {
    fn into_backend(self) -> &'static dyn Backend {
        self
    }
}

/// Refuses an array that a backend's programs do not take where it is; `tensor` says which it is.
///
/// # Errors
/// [`Error::Placement`].
pub(crate) fn check_placement(
    backend: &dyn Backend,
    array: &Array,
    op: &str,
    tensor: impl FnOnce() -> String,
) -> Result<()> {
    if backend.takes(array) {
        return Ok(());
    }
    Err(Error::Placement {
        op: op.into(),
        tensor: tensor().into(),
        found: array.device_buffer().map_or("the host", |buffer| buffer.device()).into(),
        expected: backend.platform().into(),
    })
}

/// The text of a step of a graph.
///
/// # Errors
/// If there is no such step.
pub(crate) fn explain<P>(graph: &Graph<P>, step: usize, text: impl Fn(&P) -> String) -> Result<String> {
    let eqns = graph.eqns();
    match eqns.get(step) {
        Some(eqn) => Ok(text(eqn.primitive())),
        None => {
            let text = format!("there is no step {step}, counted from 0, in a program of {}", eqns.len());
            Err(Error::argument("explain", text))
        }
    }
}

/// How a graph is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompileOptions {
    /// Whether equations may run together, in kernels of several.
    pub fuse: bool,
}

impl Default for CompileOptions {
    fn default() -> CompileOptions {
        CompileOptions { fuse: true }
    }
}

/// What a program found in the folder of [`compilation_cache`](crate::compilation_cache()) when it was compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheLookup {
    /// Its machine code.
    Hit,
    /// Nothing, so that its code was made, and stored.
    Miss,
    /// A file that is damaged, or that others may write to, so that its code was made, and stored in the place of that.
    Rejected,
}

/// A graph that is ready to run; several threads may run it at once.
pub trait Executable: Send + Sync {
    /// Runs it on arrays, as many as the graph has inputs, and hands the results, as many as it has, to `finish`, once.
    ///
    /// Both are taken one by one, so that a call needs no list of them. An argument that nobody else holds may be written into.
    ///
    /// # Errors
    /// If there is not enough memory, or what an operation says of its arguments.
    fn run(&self, args: &mut dyn Iterator<Item = Array>, finish: &mut Finish<'_>) -> Result<()>;

    /// Runs it several times and measures each of its steps.
    ///
    /// # Errors
    /// As [`run`](Executable::run); if the backend measures nothing.
    fn profile(&self, _args: &[Array], _runs: usize) -> Result<Profile> {
        Err(Error::msg("this backend measures no steps"))
    }

    /// Bytes of the memory for intermediate values that is kept between calls.
    fn arena_bytes(&self) -> usize {
        0
    }

    /// What was found of it in the persistent cache; none where there is no such cache, or nothing was looked for.
    fn cache_lookup(&self) -> Option<CacheLookup> {
        None
    }
}

/// Takes the results of an [`Executable`].
pub type Finish<'a> = dyn FnMut(&mut dyn Iterator<Item = Array>) + 'a;

/// A compiled program as text.
#[derive(Clone)]
pub struct ProgramText {
    steps: Vec<&'static str>,
    text: String,
    dot: String,
}

impl ProgramText {
    /// Of the equations of a graph; `name` says what each is called.
    pub fn of<P: fmt::Debug>(graph: &Graph<P>, name: impl Fn(&P) -> &'static str) -> ProgramText {
        let steps = graph.eqns().iter().map(|eqn| name(eqn.primitive())).collect();
        ProgramText { steps, text: graph.to_string(), dot: graph.to_dot() }
    }

    /// What each step is called, in order: a primitive, or a kernel of several.
    pub fn steps(&self) -> &[&'static str] {
        &self.steps
    }

    /// The same in the language of Graphviz: `dot -Tsvg` draws it.
    pub fn to_dot(&self) -> &str {
        &self.dot
    }
}

impl fmt::Display for ProgramText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ProgramText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
