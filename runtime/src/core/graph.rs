//! Equations in single-assignment form.

use std::panic::Location;
use std::sync::Arc;

use crate::array::{Array, Aval};
use crate::core::Tensor;
use crate::core::primitive::{Args, Outs, Primitive};
use crate::core::trace;
use crate::error::Result;

/// A variable of a [`Graph`]: its number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Var(pub(crate) u32);

/// A staged function: inputs, captured constants, equations in order, outputs.
///
/// What its equations apply are primitives; a backend may have equations over the same variables that apply something else.
#[derive(Clone)]
pub struct Graph<P = Arc<dyn Primitive>> {
    /// By variable.
    pub(crate) avals: Vec<Aval>,
    pub(crate) inputs: Vec<Var>,
    /// Captured constants. Captured *traced* values become inputs instead (see `Stage::finish`).
    pub(crate) consts: Vec<(Var, Array)>,
    pub(crate) eqns: Vec<Eqn<P>>,
    pub(crate) outs: Vec<Var>,
}

/// What equations apply, as far as passes have to know that it is run for more than its outputs.
pub trait Effects {
    /// See [`Primitive::has_effects`].
    fn has_effects(&self) -> bool;
}

impl Effects for Arc<dyn Primitive> {
    fn has_effects(&self) -> bool {
        Primitive::has_effects(&**self)
    }
}

/// The application of a primitive: what it reads, and what it makes.
#[derive(Clone)]
pub struct Eqn<P = Arc<dyn Primitive>> {
    pub(crate) primitive: P,
    pub(crate) args: Args<Var>,
    pub(crate) outs: Outs<Var>,
    /// The line of the program that staged it.
    pub(crate) location: &'static Location<'static>,
    /// The path of the module it was staged in.
    pub(crate) path: Option<Arc<str>>,
}

impl Eqn {
    /// Its primitive as its own type.
    pub(crate) fn primitive_as<P: Primitive>(&self) -> Option<&P> {
        (&*self.primitive as &dyn std::any::Any).downcast_ref()
    }
}

impl<P> Eqn<P> {
    /// The same variables and origin, with something else that is applied.
    pub(crate) fn map<Q>(self, f: impl FnOnce(P) -> Q) -> Eqn<Q> {
        let Eqn { primitive, args, outs, location, path } = self;
        Eqn { primitive: f(primitive), args, outs, location, path }
    }

    /// What is applied.
    pub fn primitive(&self) -> &P {
        &self.primitive
    }

    /// What it reads.
    pub fn args(&self) -> &[Var] {
        &self.args
    }

    /// What it makes.
    pub fn outs(&self) -> &[Var] {
        &self.outs
    }
}

impl Var {
    /// Its number, from 0 on.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl Graph {
    pub(crate) fn empty() -> Graph {
        Graph {
            avals: Vec::new(),
            inputs: Vec::new(),
            consts: Vec::new(),
            eqns: Vec::new(),
            outs: Vec::new(),
        }
    }

    /// Applies every equation in the current trace: this one function makes every transform work on graphs.
    pub(crate) fn interpret(&self, args: impl IntoIterator<Item = Tensor>) -> Result<Vec<Tensor>> {
        self.interpret_with(args, |eqn, args| trace::bind_at(&*eqn.primitive, args, eqn.location))
    }

    /// Applies `apply` to every equation and its arguments.
    pub(crate) fn interpret_with(
        &self,
        args: impl IntoIterator<Item = Tensor>,
        apply: impl Fn(&Eqn, Args) -> Result<Outs>,
    ) -> Result<Vec<Tensor>> {
        let mut env: Vec<Option<Tensor>> = vec![None; self.avals.len()];
        for (var, arg) in self.inputs.iter().zip(args) {
            env[var.index()] = Some(arg);
        }
        for (var, array) in &self.consts {
            env[var.index()] = Some(array.clone().into());
        }
        for eqn in &self.eqns {
            let args = eqn.args.iter().map(|&var| defined(&env, var)).collect();
            let _path = trace::name_stack::enter(eqn.path.clone());
            let outs = apply(eqn, args).map_err(|e| e.at(eqn.location))?;
            for (var, out) in eqn.outs.iter().zip(outs) {
                env[var.index()] = Some(out);
            }
        }
        Ok(self.outs.iter().map(|&var| defined(&env, var)).collect())
    }

    /// Adds another graph beside this one: its inputs, equations and outputs behind these.
    pub(crate) fn append(&mut self, other: &Graph) {
        let first = self.avals.len() as u32;
        let moved = |var: &Var| Var(var.0 + first);
        self.avals.extend(other.avals.iter().cloned());
        self.inputs.extend(other.inputs.iter().map(moved));
        self.consts.extend(other.consts.iter().map(|(var, array)| (moved(var), array.clone())));
        self.outs.extend(other.outs.iter().map(moved));
        self.eqns.extend(other.eqns.iter().map(|eqn| Eqn {
            args: eqn.args.iter().map(moved).collect(),
            outs: eqn.outs.iter().map(moved).collect(),
            ..eqn.clone()
        }));
    }

    /// Whether running it does more than make its results: see [`Primitive::has_effects`].
    pub fn has_effects(&self) -> bool {
        self.eqns.iter().any(|eqn| Primitive::has_effects(&*eqn.primitive))
    }

    /// The names of the primitives, in order.
    pub fn primitives(&self) -> impl Iterator<Item = &'static str> {
        self.eqns.iter().map(|eqn| eqn.primitive.name())
    }
}

impl<P> Graph<P> {
    /// What is given, in order.
    pub fn inputs(&self) -> &[Var] {
        &self.inputs
    }

    /// Captured arrays, by the variables that they are.
    pub fn consts(&self) -> &[(Var, Array)] {
        &self.consts
    }

    /// The equations, each behind those that it reads from.
    pub fn eqns(&self) -> &[Eqn<P>] {
        &self.eqns
    }

    /// What is returned, in order.
    pub fn outs(&self) -> &[Var] {
        &self.outs
    }

    /// Shape and dtype of a variable.
    pub fn aval(&self, var: Var) -> &Aval {
        &self.avals[var.index()]
    }

    /// Drops the equations that are `gone`, by their numbers.
    pub(crate) fn without(mut self, gone: &[bool]) -> Graph<P> {
        let mut gone = gone.iter();
        self.eqns.retain(|_| gone.next() == Some(&false));
        self
    }

    /// The number of equations.
    pub fn len(&self) -> usize {
        self.eqns.len()
    }

    /// True for a graph without equations.
    pub fn is_empty(&self) -> bool {
        self.eqns.is_empty()
    }
}

fn defined(env: &[Option<Tensor>], var: Var) -> Tensor {
    match &env[var.index()] {
        Some(tensor) => tensor.clone(),
        None => unreachable!("{var} is defined before it is used"),
    }
}
