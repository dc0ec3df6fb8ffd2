//! A graph made ready to run many times.

use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};

use super::graph::{Graph, Var};
use crate::error::Result;
use crate::primitive::{Args, Outs, Primitive};
use crate::tensor::{Array, Aval};

pub(crate) struct Program {
    inputs: Vec<Var>,
    consts: Vec<(Var, Array)>,
    steps: Vec<Step>,
    outs: Vec<(Var, bool)>,
    slots: usize,
    /// Environments are kept between calls; several threads may run one program.
    pool: Mutex<Vec<Vec<Option<Array>>>>,
}

struct Step {
    primitive: Arc<dyn Primitive>,
    /// True at a value's last use: it is moved out, and its buffer may be written into. Donation is nothing more than
    /// this, applied to an argument the caller gave away.
    args: Args<(Var, bool)>,
    outs: Outs<Var>,
    avals: Outs<Aval>,
    location: &'static Location<'static>,
}

impl Program {
    pub(crate) fn new(graph: &Graph) -> Program {
        let mut later = vec![false; graph.avals.len()];
        let mut last = |var: Var| !std::mem::replace(&mut later[var.index()], true);
        let mut outs: Vec<_> = graph.outs.iter().rev().map(|&var| (var, last(var))).collect();
        outs.reverse();
        let mut steps: Vec<Step> = Vec::with_capacity(graph.eqns.len());
        for eqn in graph.eqns.iter().rev() {
            let mut args: Args<_> = eqn.args.iter().rev().map(|&var| (var, last(var))).collect();
            args.reverse();
            let avals = eqn.outs.iter().map(|&var| graph.aval(var).clone()).collect();
            let (primitive, outs) = (eqn.primitive.clone(), eqn.outs.clone());
            steps.push(Step { primitive, args, outs, avals, location: eqn.location });
        }
        steps.reverse();
        Program {
            inputs: graph.inputs.clone(),
            consts: graph.consts.clone(),
            steps,
            outs,
            slots: graph.avals.len(),
            pool: Mutex::default(),
        }
    }

    pub(crate) fn run(&self, args: impl IntoIterator<Item = Array>) -> Result<Vec<Array>> {
        let pooled = self.pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut env = pooled.unwrap_or_else(|| vec![None; self.slots]);
        for (var, array) in &self.consts {
            env[var.index()] = Some(array.clone());
        }
        for (var, array) in self.inputs.iter().zip(args) {
            env[var.index()] = Some(array);
        }
        for step in &self.steps {
            let args = step.args.iter().map(|&arg| read(&mut env, arg)).collect();
            let outs = step.primitive.eval(args, step.avals.clone()).map_err(|e| e.at(step.location))?;
            for (var, out) in step.outs.iter().zip(outs) {
                env[var.index()] = Some(out);
            }
        }
        let outs = self.outs.iter().map(|&out| read(&mut env, out)).collect();
        // A value left in its slot would keep its buffer from being used again.
        env.fill(None);
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).push(env);
        Ok(outs)
    }
}

fn read(env: &mut [Option<Array>], (var, last): (Var, bool)) -> Array {
    let slot = &mut env[var.index()];
    match if last { slot.take() } else { slot.clone() } {
        Some(array) => array,
        None => unreachable!("{var} is defined before it is used"),
    }
}
