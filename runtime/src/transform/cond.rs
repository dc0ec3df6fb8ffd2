//! `cond` and `switch`: one of several functions, chosen by a value.

use std::cell::RefCell;

use super::stage::{Staged, avals, stage};
use crate::array::{Aval, DType};
use crate::backend::CPU;
use crate::core::Tensor;
use crate::core::primitive::Args;
use crate::core::trace;
use crate::error::{Error, Result};
use crate::ops::call::Call;
use crate::ops::cast::cast_to;
use crate::ops::control::cond::Cond;
use crate::ops::control::while_loop::stage_on;
use crate::tree::{self, Path, Structure, Tree};

/// One of two functions: the first where `pred` is true, and the second elsewhere.
///
/// As `jax.lax.cond`. Both are traced, and one of them runs; under a `vmap` of `pred` both run, and each example takes its result.
/// They return trees of the same structure, shapes and dtypes. A predicate of another dtype is true where it is not zero.
///
/// ```
/// use flaxen::prelude::*;
///
/// let f = jit(|x: Tensor| cond(&x.gt(0.0), |x: Tensor| Ok(x.sqrt()), |x: Tensor| Ok(x * 2.0))(x.clone()));
/// assert_eq!(f.call(Tensor::from(9.0f32))?.item::<f32>()?, 3.0);
/// assert_eq!(f.call(Tensor::from(-1.0f32))?.item::<f32>()?, -2.0);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// The returned function returns what the functions return; if `pred` is no single number; if the results differ in structure,
/// shape or dtype.
pub fn cond<X, Y, F, G>(pred: &Tensor, on_true: F, on_false: G) -> impl Fn(X) -> Result<Y>
where
    X: Tree,
    Y: Tree,
    F: Fn(X) -> Result<Y>,
    G: Fn(X) -> Result<Y>,
{
    const OP: &str = "cond";
    let pred = pred.clone();
    move |x: X| {
        let index = single(OP, "predicate", &pred)?;
        let is_true = if index.dtype() == DType::Bool { index } else { index.try_ne(0)? };
        let inputs = Inputs::of(x);
        let on_true = inputs.stage(OP, "the first function", &on_true)?;
        let branches = vec![inputs.stage(OP, "the second function", &on_false)?, on_true];
        inputs.bind(OP, cast_to(&is_true, DType::I32, false)?, branches)
    }
}

/// One of several functions, chosen by an index, which is clamped.
///
/// As `jax.lax.switch`; see [`cond`] for what the functions may be. Closures of one type come as an array or `Vec`, boxed ones as
/// well, and others as a tuple of up to eight.
///
/// ```
/// use flaxen::prelude::*;
///
/// let f = |i: i32, x: f32| {
///     let branches = (|x: Tensor| Ok(x.sin()), |x: Tensor| Ok(x.exp()), |x: Tensor| Ok(x * 3.0));
///     switch(&Tensor::from(i), branches)(Tensor::from(x))?.item::<f32>()
/// };
/// assert_eq!(f(1, 0.0)?, 1.0);
/// assert_eq!(f(7, 2.0)?, 6.0);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// The returned function returns what the functions return; if there are none; if `index` is no single integer; if the results
/// differ in structure, shape or dtype.
pub fn switch<X, Y, B>(index: &Tensor, branches: B) -> impl Fn(X) -> Result<Y>
where
    X: Tree,
    Y: Tree,
    B: Branches<X, Y>,
{
    const OP: &str = "switch";
    let index = index.clone();
    move |x: X| {
        let index = single(OP, "index", &index)?;
        if !index.dtype().is_integer() {
            return Err(Error::dtype(OP, format!("an index {}", index.aval()), "an integer"));
        }
        let inputs = Inputs::of(x);
        let mut staged = Vec::new();
        branches.each(&mut |branch| {
            staged.push(inputs.stage(OP, &format!("function {}", staged.len()), branch)?);
            Ok(())
        })?;
        if staged.is_empty() {
            return Err(Error::argument(OP, "no functions to choose from"));
        }
        let index = index.try_clamp(0, staged.len() as i32 - 1)?;
        let index = if index.dtype() == DType::I32 && !index.aval().weak {
            index
        } else {
            cast_to(&index, DType::I32, false)?
        };
        inputs.bind(OP, index, staged)
    }
}

/// What is done with each of several functions.
pub type Visit<'v, X, Y> = dyn FnMut(&dyn Fn(X) -> Result<Y>) -> Result<()> + 'v;

/// Functions to choose from: an array or `Vec` of closures of one type, or a tuple of up to eight closures.
pub trait Branches<X: Tree, Y: Tree> {
    /// Hands each function, in order, to `visit`.
    ///
    /// # Errors
    /// What `visit` returns.
    fn each(&self, visit: &mut Visit<'_, X, Y>) -> Result<()>;
}

impl<X: Tree, Y: Tree, F: Fn(X) -> Result<Y>> Branches<X, Y> for Vec<F> {
    fn each(&self, visit: &mut Visit<'_, X, Y>) -> Result<()> {
        self.iter().try_for_each(|branch| visit(branch))
    }
}

impl<X: Tree, Y: Tree, F: Fn(X) -> Result<Y>, const N: usize> Branches<X, Y> for [F; N] {
    fn each(&self, visit: &mut Visit<'_, X, Y>) -> Result<()> {
        self.iter().try_for_each(|branch| visit(branch))
    }
}

macro_rules! tuples {
    ($(($($F:ident $index:tt)*))*) => {
        $(impl<X: Tree, Y: Tree, $($F: Fn(X) -> Result<Y>),*> Branches<X, Y> for ($($F,)*) {
            fn each(&self, visit: &mut Visit<'_, X, Y>) -> Result<()> {
                $(visit(&self.$index)?;)*
                Ok(())
            }
        })*
    };
}

tuples! {
    (A 0)
    (A 0 B 1)
    (A 0 B 1 C 2)
    (A 0 B 1 C 2 D 3)
    (A 0 B 1 C 2 D 3 E 4)
    (A 0 B 1 C 2 D 3 E 4 F 5)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7)
}

/// A value without axes.
fn single(op: &'static str, what: &str, value: &Tensor) -> Result<Tensor> {
    value.check_open()?;
    if value.rank() == 0 {
        return Ok(value.clone());
    }
    Err(Error::shape(
        op,
        format!("a {what} {}", value.aval()),
        "a single one; `vmap` chooses for each example",
    ))
}

/// What all branches take.
struct Inputs {
    structure: Structure,
    avals: Vec<Aval>,
    leaves: Vec<Tensor>,
    /// The structure of the results, once one branch was staged.
    outs: RefCell<Option<Structure>>,
}

/// A staged branch.
struct Branch {
    name: String,
    staged: Staged,
    paths: Vec<Path>,
}

impl Inputs {
    fn of<X: Tree>(x: X) -> Inputs {
        let (structure, avals) = (Structure::of(&x), avals(&x));
        let mut leaves = Vec::new();
        x.into_leaves(&mut leaves);
        Inputs { structure, avals, leaves, outs: RefCell::default() }
    }

    fn stage<X: Tree, Y: Tree>(
        &self,
        op: &'static str,
        name: &str,
        f: &dyn Fn(X) -> Result<Y>,
    ) -> Result<Branch> {
        let mut paths = Vec::new();
        let staged = stage(&self.structure, &self.avals, |x: X| {
            let y = f(x)?;
            let mut outs = self.outs.borrow_mut();
            if let Some(difference) = outs.get_or_insert_with(|| Structure::of(&y)).difference(&y) {
                let message = format!("{name} returns another structure than the one before: {difference}");
                return Err(Error::argument(op, message));
            }
            paths = tree::leaves_with_path(&y).into_iter().map(|(path, _)| path).collect();
            Ok(y)
        })?;
        Ok(Branch { name: name.to_owned(), staged, paths })
    }

    /// Applies the branches; what any of them captures is an argument of all.
    fn bind<Y: Tree>(self, op: &'static str, index: Tensor, branches: Vec<Branch>) -> Result<Y> {
        let branches = unified(op, branches)?;
        let captured: Vec<&Tensor> = branches.iter().flat_map(|branch| &branch.staged.captured).collect();
        let mut calls = Vec::new();
        let mut first = 0;
        for Branch { staged, .. } in &branches {
            let mut graph = staged.graph.clone();
            let own = first..first + staged.captured.len();
            let mut given = graph.inputs.clone().into_iter();
            // What other branches capture is an input that this one does not read.
            graph.inputs = (0..captured.len())
                .filter_map(|i| {
                    if own.contains(&i) {
                        given.next()
                    } else {
                        Some(graph.add_var(captured[i].aval().clone()))
                    }
                })
                .collect();
            graph.inputs.extend(given);
            calls.push(Call::new(graph, CPU));
            first = own.end;
        }
        let args: Args =
            std::iter::once(index).chain(captured.into_iter().cloned()).chain(self.leaves).collect();
        branches[0].staged.outs.try_build(trace::bind(&Cond::new(calls), args)?)
    }
}

/// The branches with results of the same shapes and dtypes: bare numbers take on the dtype that others have.
fn unified(op: &'static str, branches: Vec<Branch>) -> Result<Vec<Branch>> {
    let outs = |branch: &Branch| -> Vec<Aval> {
        branch.staged.graph.outs.iter().map(|&var| branch.staged.graph.aval(var).clone()).collect()
    };
    let mut wanted = outs(&branches[0]);
    for branch in &branches[1..] {
        for ((wanted, found), path) in wanted.iter_mut().zip(outs(branch)).zip(&branch.paths) {
            let fits = wanted.shape == found.shape;
            *wanted = match (wanted.dtype == found.dtype, wanted.weak, found.weak) {
                (true, ..) if fits => Aval { weak: wanted.weak && found.weak, ..found },
                (false, true, _) if fits => found,
                (false, _, true) if fits => continue,
                _ => {
                    let at = if path.is_empty() { String::new() } else { format!(" at `{path}`") };
                    let found = format!("{found}{at} from {}", branch.name);
                    return Err(Error::shape(op, found, format!("{wanted}, as from {}", branches[0].name)));
                }
            };
        }
    }
    branches.into_iter().map(|branch| branch.with_outs(&wanted)).collect()
}

impl Branch {
    fn with_outs(mut self, wanted: &[Aval]) -> Result<Branch> {
        let graph = &self.staged.graph;
        if graph.outs.iter().zip(wanted).all(|(&var, wanted)| graph.aval(var) == wanted) {
            return Ok(self);
        }
        let cast = |(out, wanted): (&Tensor, &Aval)| {
            if out.aval() == wanted { Ok(out.clone()) } else { cast_to(out, wanted.dtype, wanted.weak) }
        };
        self.staged.graph = stage_on(graph.inputs.iter().map(|&var| graph.aval(var)), |args| {
            graph.interpret(args)?.iter().zip(wanted).map(cast).collect()
        })?;
        Ok(self)
    }
}
