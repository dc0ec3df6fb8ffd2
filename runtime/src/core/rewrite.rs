//! Rewrites: what may stand in place of an equation, and what is known of its arguments then.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::array::{Array, Aval};
use crate::core::primitive::{Args, Primitive};
use crate::core::{Eqn, Var};

/// What is known of an argument when its equation is simplified.
pub struct Match<'a> {
    var: Var,
    view: &'a View<'a>,
}

/// The graph as far as it is rewritten.
pub(crate) struct View<'a> {
    pub avals: &'a [Aval],
    pub consts: &'a FxHashMap<Var, Array>,
    pub eqns: &'a [Eqn],
    /// By variable: the equation that makes it.
    pub made_by: &'a [Option<usize>],
    /// By variable of the graph as it was: how many read it and do not read as well what it is made from.
    pub needed: &'a [usize],
}

/// What may stand in place of an equation with one output.
pub enum Rewrite {
    /// A value that is there already.
    Value(Operand),
    /// Another operation, whose output has the same shape and dtype.
    Apply(Arc<dyn Primitive>, Args<Operand>),
    /// Several operations in order; the output of the last has the same shape and dtype.
    Steps(Vec<(Arc<dyn Primitive>, Args<Operand>)>),
}

/// A value as seen from the equation that is rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// Its argument `i`.
    Arg(usize),
    /// Argument `j` of the equation that makes its argument `i`.
    Inner(usize, usize),
    /// The output of an earlier one of several operations.
    Step(usize),
}

impl<'a> Match<'a> {
    /// Shape and dtype.
    pub fn aval(&self) -> &'a Aval {
        &self.view.avals[self.var.index()]
    }

    /// The number all its elements have, where that is known.
    pub fn splat(&self) -> Option<f64> {
        if let Some(array) = self.view.consts.get(&self.var) {
            return splat(array);
        }
        let eqn = self.eqn()?;
        eqn.primitive.cpu()?.splat(&matches(&eqn.args, self.view))
    }

    /// The equation that makes it.
    fn eqn(&self) -> Option<&'a Eqn> {
        Some(&self.view.eqns[self.view.made_by[self.var.index()]?])
    }

    /// Whether no equation makes it: it is an input or a constant of the program.
    pub fn is_given(&self) -> bool {
        self.eqn().is_none()
    }

    /// The primitive that makes it, as its own type.
    pub fn made_by<P: Primitive>(&self) -> Option<&'a P> {
        self.eqn()?.primitive_as()
    }

    /// Whether it is computed anyway, for somebody else.
    ///
    /// Who may read what it is made from instead repeats the work that makes it; that pays for one reader, not for many. See
    /// [`CpuRules::reads_beneath`](crate::core::CpuRules::reads_beneath).
    pub fn is_shared(&self) -> bool {
        self.view.needed.get(self.var.index()).is_some_and(|&readers| readers > 1)
    }

    /// The arguments of the equation that makes it.
    pub fn inner(&self) -> Matches<'a> {
        self.eqn().map_or_else(Matches::new, |eqn| matches(&eqn.args, self.view))
    }

    /// Whether two arguments are one value.
    pub fn is(&self, other: &Match<'_>) -> bool {
        self.var == other.var
    }
}

/// What is known of several arguments.
pub type Matches<'a> = Args<Match<'a>>;

pub(crate) fn matches<'a>(vars: &[Var], view: &'a View<'a>) -> Matches<'a> {
    vars.iter().map(|&var| Match { var, view }).collect()
}

/// The single number of a one-element array, if an `f64` can hold it.
fn splat(array: &Array) -> Option<f64> {
    use crate::array::DType;
    if array.size() != 1 {
        return None;
    }
    Some(match array.dtype() {
        DType::Bool | DType::U8 => f64::from(array.data::<u8>()[0]),
        DType::U16 => f64::from(array.data::<u16>()[0]),
        DType::I8 => f64::from(array.data::<i8>()[0]),
        DType::I16 => f64::from(array.data::<i16>()[0]),
        DType::U32 => f64::from(array.data::<u32>()[0]),
        DType::I32 => f64::from(array.data::<i32>()[0]),
        DType::I64 => Some(array.data::<i64>()[0]).filter(|x| x.unsigned_abs() < 1 << 53)? as f64,
        DType::F16 => array.data::<half::f16>()[0].to_f64(),
        DType::BF16 => array.data::<half::bf16>()[0].to_f64(),
        DType::F32 => f64::from(array.data::<f32>()[0]),
        DType::F64 => array.data::<f64>()[0],
        DType::C64 => return None,
    })
}
