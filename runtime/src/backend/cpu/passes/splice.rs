//! Programs in the place of equations.

use rustc_hash::FxHashMap;

use crate::array::Aval;
use crate::core::trace::stage::Stage;
use crate::core::trace::{self, Trace};
use crate::core::{Eqn, Graph, Tensor, Var};
use crate::error::Result;

impl Graph {
    /// Adds the equations of a program, whose inputs are `args` here and whose results are `outs`; their origin is that of an equation.
    ///
    /// No result may be an input, or another one.
    pub(super) fn splice(&mut self, program: &Graph, args: &[Var], outs: &[Var], origin: &Eqn) {
        let mut renamed: FxHashMap<Var, Var> =
            program.inputs.iter().copied().zip(args.iter().copied()).collect();
        renamed.extend(program.outs.iter().copied().zip(outs.iter().copied()));
        let avals = &mut self.avals;
        let mut rename = |var: &Var| {
            *renamed.entry(*var).or_insert_with(|| {
                avals.push(program.aval(*var).clone());
                Var(avals.len() as u32 - 1)
            })
        };
        self.consts.extend(program.consts.iter().map(|(var, array)| (rename(var), array.clone())));
        self.eqns.extend(program.eqns.iter().map(|eqn| Eqn {
            primitive: eqn.primitive.clone(),
            args: eqn.args.iter().map(&mut rename).collect(),
            outs: eqn.outs.iter().map(&mut rename).collect(),
            location: origin.location,
            path: origin.path.clone(),
        }));
    }

    /// Adds the equations of a function of variables; the variable of its result, which may be one of them.
    pub(super) fn apply(
        &mut self,
        args: &[Var],
        origin: &Eqn,
        f: impl FnOnce(&[Tensor]) -> Result<Tensor>,
    ) -> Option<Var> {
        let avals: Vec<&Aval> = args.iter().map(|&arg| self.aval(arg)).collect();
        let program = staged(&avals, |args| Ok(vec![f(args)?]))?;
        if let Some(i) = program.inputs.iter().position(|input| *input == program.outs[0]) {
            return Some(args[i]);
        }
        self.avals.push(program.aval(program.outs[0]).clone());
        let out = Var(self.avals.len() as u32 - 1);
        self.splice(&program, args, &[out], origin);
        Some(out)
    }

    /// The same where the result is a variable that is there already; none if it does not fit.
    pub(super) fn apply_as(
        &mut self,
        args: &[Var],
        out: Var,
        origin: &Eqn,
        f: impl FnOnce(&[Tensor]) -> Result<Tensor>,
    ) -> Option<()> {
        let avals: Vec<&Aval> = args.iter().map(|&arg| self.aval(arg)).collect();
        let program = program(&avals, &[self.aval(out)], |args| Ok(vec![f(args)?]))?;
        self.splice(&program, args, &[out], origin);
        Some(())
    }
}

/// The program of a function; none if it fails.
fn staged(avals: &[&Aval], f: impl FnOnce(&[Tensor]) -> Result<Vec<Tensor>>) -> Option<Graph> {
    let stage = Stage::new(trace::current());
    let args: Vec<Tensor> = avals.iter().map(|aval| stage.input(aval)).collect();
    let made = trace::run(Trace::Stage(stage.clone()), || f(&args)).ok()?;
    let (graph, captured) = stage.finish(&made);
    captured.is_empty().then_some(graph)
}

/// A program whose results are fit to stand for others of these shapes and dtypes; none if it cannot be.
pub(super) fn program(
    avals: &[&Aval],
    outs: &[&Aval],
    f: impl FnOnce(&[Tensor]) -> Result<Vec<Tensor>>,
) -> Option<Graph> {
    let graph = staged(avals, f)?;
    let is_its_own = |(i, out): (usize, &Var)| {
        let is_const = graph.consts.iter().any(|(var, _)| var == out);
        !graph.inputs.contains(out) && !is_const && !graph.outs[..i].contains(out)
    };
    let is_alike = |(var, aval): (&Var, &&Aval)| {
        let made = graph.aval(*var);
        made.shape == aval.shape && made.dtype == aval.dtype
    };
    let fits = graph.outs.len() == outs.len()
        && graph.outs.iter().zip(outs).all(is_alike)
        && graph.outs.iter().enumerate().all(is_its_own);
    fits.then_some(graph)
}
