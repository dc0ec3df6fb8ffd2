//! Which values a checkpointed function keeps.

use std::fmt;
use std::sync::Arc;

use crate::array::Aval;
use crate::core::op::{ConvOperand, Op};
use crate::core::primitive::{Args, Primitive};
use crate::core::{Eqn, Graph};
use crate::ops::name::Name;

/// Which values of a checkpointed function are kept for the backward pass, if that reads them; it computes all others once more.
///
/// [`checkpoint`](mod@crate::checkpoint) has the policies, and [`Policy::new`] makes one of a function.
#[derive(Clone, PartialEq, Default)]
pub struct Policy(Rule);

#[derive(Clone, PartialEq, Default)]
enum Rule {
    #[default]
    Nothing,
    Everything,
    Dots,
    DotsWithNoBatchDims,
    OnlyNames(Arc<[String]>),
    NamesBut(Arc<[String]>),
    Either(Arc<[Policy; 2]>),
    Function(Function),
}

/// Says whether the outputs of an operation on arguments of these shapes are kept.
#[derive(Clone)]
struct Function(Arc<Keeps>);

type Keeps = dyn Fn(&dyn Primitive, &[&Aval]) -> bool + Send + Sync;

impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Policy {
    /// Keeps the outputs of the operations for which `keep` is true, given the shapes and dtypes of their arguments.
    ///
    /// ```
    /// use flaxen::checkpoint::Policy;
    /// use flaxen::prelude::*;
    ///
    /// // Sums are cheap to keep, as they are small.
    /// let small = Policy::new(|operation, _| operation.name().starts_with("reduce"));
    /// let f = checkpoint(|x: &Tensor| Ok(x.exp().sum().sin())).policy(small);
    /// assert_eq!(grad(|x: &Tensor| f.call(x))(&Tensor::from([0.0f32]))?.to_vec::<f32>()?, [1f32.cos()]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn new(keep: impl Fn(&dyn Primitive, &[&Aval]) -> bool + Send + Sync + 'static) -> Policy {
        Policy(Rule::Function(Function(Arc::new(keep))))
    }

    /// Whether what an equation makes is kept.
    pub(super) fn keeps(&self, eqn: &Eqn, graph: &Graph) -> bool {
        let name = || eqn.primitive_as::<Name>().map(|name| &*name.0);
        match &self.0 {
            Rule::Nothing => false,
            Rule::Everything => true,
            Rule::Dots => match eqn.primitive.op() {
                Op::DotGeneral { .. } => true,
                Op::Conv { gives, .. } => gives == ConvOperand::Output,
                _ => false,
            },
            Rule::DotsWithNoBatchDims => match eqn.primitive.op() {
                Op::DotGeneral { dimensions, .. } => dimensions.batch.0.is_empty(),
                _ => false,
            },
            Rule::OnlyNames(names) => name().is_some_and(|name| names.iter().any(|other| other == name)),
            Rule::NamesBut(names) => name().is_some_and(|name| names.iter().all(|other| other != name)),
            Rule::Either(both) => both.iter().any(|policy| policy.keeps(eqn, graph)),
            Rule::Function(Function(keep)) => {
                let avals: Args<&Aval> = eqn.args.iter().map(|&arg| graph.aval(arg)).collect();
                keep(&*eqn.primitive, &avals)
            }
        }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Rule::Nothing => f.write_str("nothing"),
            Rule::Everything => f.write_str("everything"),
            Rule::Dots => f.write_str("dots"),
            Rule::DotsWithNoBatchDims => f.write_str("dots_with_no_batch_dims"),
            Rule::OnlyNames(names) => write!(f, "save_only_these_names{names:?}"),
            Rule::NamesBut(names) => write!(f, "save_any_names_but_these{names:?}"),
            Rule::Either(both) => write!(f, "{:?} or {:?}", both[0], both[1]),
            Rule::Function(_) => f.write_str("a function"),
        }
    }
}

fn list<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Arc<[String]> {
    names.into_iter().map(Into::into).collect()
}

/// Keeps nothing but the arguments: the default.
pub fn nothing() -> Policy {
    Policy(Rule::Nothing)
}

/// Keeps everything that the backward pass reads, as without [`checkpoint`](crate::checkpoint()).
pub fn everything() -> Policy {
    Policy(Rule::Everything)
}

/// Keeps results of matrix products and convolutions, which take long to compute: JAX's `dots_saveable`.
pub fn dots() -> Policy {
    Policy(Rule::Dots)
}

/// Keeps results of products without batch dimensions: those with parameters, not those of attention, which are large. JAX's
/// `dots_with_no_batch_dims_saveable`.
pub fn dots_with_no_batch_dims() -> Policy {
    Policy(Rule::DotsWithNoBatchDims)
}

/// Keeps the values of these [names](crate::checkpoint_name).
pub fn save_only_these_names<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Policy {
    Policy(Rule::OnlyNames(list(names)))
}

/// Keeps all [named](crate::checkpoint_name) values but those of these names.
pub fn save_any_names_but_these<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Policy {
    Policy(Rule::NamesBut(list(names)))
}

/// Keeps what either of two policies keeps.
pub fn save_from_both_policies(a: Policy, b: Policy) -> Policy {
    Policy(Rule::Either(Arc::new([a, b])))
}
