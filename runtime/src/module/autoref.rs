//! Autoref-based specialization (D. Tolnay, 2019): what a `#[compact]` method tells of its arguments and its output, whatever
//! their types are.
//!
//! Methods take and return any types, and those that are trees of tensors can be captured. Which ones are is decided at the
//! call in the expansion, where the types are known: method lookup on a `&&&Autoref` tries the implementations for `&&Autoref`,
//! `&&&Autoref`, `&Autoref` and `Autoref` in this order, and takes the first that fits.

use std::fmt;
use std::marker::PhantomData;

use crate::error::Result;
use crate::tree::Tree;
use crate::variables::Value;

/// An argument or output, as far as it can be told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Observed {
    /// A tree of tensors.
    Tree(Value),
    /// The text of anything else.
    Text(String),
    /// Nothing is known but the name of the type.
    Opaque(&'static str),
}

/// An argument of a method.
pub struct Autoref<'a, T: ?Sized>(pub &'a T);

/// Arguments that are trees.
pub trait ObserveTree {
    /// The argument as a tree.
    fn __observe(&self) -> Observed;
}

impl<T: Tree> ObserveTree for &&Autoref<'_, T> {
    fn __observe(&self) -> Observed {
        Observed::Tree(Value::of(self.0))
    }
}

/// Arguments that borrow trees.
pub trait ObserveRef {
    /// The argument as a tree.
    fn __observe(&self) -> Observed;
}

impl<T: Tree> ObserveRef for &&&Autoref<'_, &T> {
    fn __observe(&self) -> Observed {
        Observed::Tree(Value::of(*self.0))
    }
}

impl<T: Tree> ObserveRef for &&&Autoref<'_, Option<&T>> {
    fn __observe(&self) -> Observed {
        match self.0 {
            Some(tree) => Observed::Tree(Value::of(*tree)),
            None => Observed::Text("None".to_owned()),
        }
    }
}

impl<T: Tree> ObserveRef for &&&Autoref<'_, &[T]> {
    fn __observe(&self) -> Observed {
        Observed::Tree(self.0.iter().map(Value::of).collect::<Vec<_>>().into())
    }
}

/// Arguments that can be printed.
pub trait ObserveDebug {
    /// The argument's text.
    fn __observe(&self) -> Observed;
}

impl<T: fmt::Debug + ?Sized> ObserveDebug for &Autoref<'_, T> {
    fn __observe(&self) -> Observed {
        Observed::Text(format!("{:?}", self.0))
    }
}

/// All other arguments.
pub trait ObserveOpaque {
    /// The name of the argument's type.
    fn __observe(&self) -> Observed;
}

impl<T: ?Sized> ObserveOpaque for Autoref<'_, T> {
    fn __observe(&self) -> Observed {
        Observed::Opaque(std::any::type_name::<T>())
    }
}

/// What is known of the output of a method that returns `Result<T>`.
pub struct Output<T> {
    pub(super) to_value: Option<fn(&T) -> Value>,
    pub(super) from_value: Option<fn(&Value) -> Result<T>>,
}

impl<T> Output<T> {
    pub(super) fn observe(&self, out: &T) -> Observed {
        match self.to_value {
            Some(to_value) => Observed::Tree(to_value(out)),
            None => Observed::Opaque(std::any::type_name::<T>()),
        }
    }

    /// An output that is no tree: it is neither captured nor can an interceptor replace it.
    pub const fn opaque() -> Output<T> {
        Output { to_value: None, from_value: None }
    }
}

/// The return type of a method.
pub struct AutorefReturn<R>(PhantomData<fn() -> R>);

impl<R> AutorefReturn<R> {
    /// The one value.
    pub const NEW: AutorefReturn<R> = AutorefReturn(PhantomData);
}

/// Return types whose output is a tree.
pub trait Returns {
    /// The type within the `Result`.
    type Out;
    /// What is known of it.
    fn __output(&self) -> Output<Self::Out>;
}

impl<T: Tree, E> Returns for AutorefReturn<Result<T, E>> {
    type Out = T;
    fn __output(&self) -> Output<T> {
        Output { to_value: Some(Value::of), from_value: Some(Value::to) }
    }
}

/// Return types whose output is something else.
pub trait ReturnsOpaque {
    /// The type within the `Result`.
    type Out;
    /// What is known of it.
    fn __output(&self) -> Output<Self::Out>;
}

impl<T, E> ReturnsOpaque for &AutorefReturn<Result<T, E>> {
    type Out = T;
    fn __output(&self) -> Output<T> {
        Output::opaque()
    }
}
