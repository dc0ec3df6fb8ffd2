//! `Value`: what a name in a collection stands for.

use std::sync::Arc;

use super::depth::enter;
use super::{Boxed, Dict};
use crate::core::Tensor;
use crate::core::tensor::Repr;
use crate::error::{Error, Result};
use crate::tree::{Builder, Donation, Fixed, NodeKind, Structure, Token, Tree, TreePart, leaves};

/// What a name in a collection stands for: nearly always a tensor or a [`Dict`], but any tree of tensors can be stored.
///
/// A value is a tree itself, so whatever it holds passes through every transform. [`Value::of`] makes one of any tree, and
/// [`Value::to`] turns it back.
///
/// ```
/// use flaxen::prelude::*;
///
/// let value = Value::of(&(Tensor::from(1.0f32), vec![Tensor::zeros([2])]));
/// let (one, zeros): (Tensor, Vec<Tensor>) = value.to()?;
/// assert_eq!(one.item::<f32>()?, 1.0);
/// assert_eq!(zeros[0].shape(), [2]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Value {
    /// One tensor.
    Tensor(Tensor),
    /// Named values: the variables of a submodule, a map.
    Dict(Dict),
    /// Values in order: what `sow` collects, a tuple, a `Vec`, an array.
    Tuple(Arc<Vec<Value>>),
    /// A value with metadata, such as the names of its axes.
    Boxed(Boxed),
    /// Data without tensors, part of the structure of whatever holds it.
    Static(Constant),
    /// Any other tree.
    Tree(Composite),
}

/// Data without tensors, as a [`Value`].
#[derive(Clone, Debug)]
pub struct Constant(Arc<dyn Fixed>);

/// A tree of some type of the user's, as a [`Value`]; [`Value::to`] turns it back into that type.
#[derive(Clone)]
pub struct Composite(Arc<(Structure, Vec<Tensor>)>);

impl Value {
    /// Stores any tree.
    ///
    /// # Panics
    /// If dicts, tuples and boxes would be nested deeper than [`Dict::MAX_DEPTH`].
    #[track_caller]
    pub fn of<T: Tree>(tree: &T) -> Value {
        crate::error::unwrap(Value::try_of(tree))
    }

    /// As [`of`](Value::of).
    ///
    /// # Errors
    /// If dicts, tuples and boxes would be nested too deep; otherwise a value is built from any structure there is.
    pub(crate) fn try_of<T: Tree>(tree: &T) -> Result<Value> {
        Structure::of(tree).try_build(leaves(tree).into_iter().cloned())
    }

    /// The tree that was stored, as the type it had, or as one of the same structure (`Vec` for a tuple of equal types).
    ///
    /// # Errors
    /// If it is no tree of type `T`.
    pub fn to<T: Tree>(&self) -> Result<T> {
        Structure::of(self).try_build(leaves(self).into_iter().cloned())
    }

    /// The tensor, if it is one; metadata around it is stripped.
    pub fn as_tensor(&self) -> Option<&Tensor> {
        match self {
            Value::Tensor(tensor) => Some(tensor),
            Value::Boxed(boxed) => boxed.value().as_tensor(),
            _ => None,
        }
    }

    /// The dict, if it is one.
    pub fn as_dict(&self) -> Option<&Dict> {
        if let Value::Dict(dict) = self { Some(dict) } else { None }
    }

    /// The values of a tuple, if it is one.
    pub fn as_tuple(&self) -> Option<&[Value]> {
        if let Value::Tuple(values) = self { Some(values) } else { None }
    }

    /// The tensor.
    ///
    /// # Errors
    /// If it is something else.
    pub fn tensor(&self) -> Result<&Tensor> {
        self.as_tensor().ok_or_else(|| self.is_not("a tensor"))
    }

    /// The dict.
    ///
    /// # Errors
    /// If it is something else.
    pub fn dict(&self) -> Result<&Dict> {
        self.as_dict().ok_or_else(|| self.is_not("a dict"))
    }

    /// The values of a tuple.
    ///
    /// # Errors
    /// If it is something else.
    pub fn tuple(&self) -> Result<&[Value]> {
        self.as_tuple().ok_or_else(|| self.is_not("a tuple"))
    }

    /// The value without metadata around it.
    pub fn unboxed(&self) -> &Value {
        if let Value::Boxed(boxed) = self { boxed.value().unboxed() } else { self }
    }

    fn is_not(&self, expected: &'static str) -> Error {
        Error::Structure {
            context: "a value is read as something else than it is",
            message: format!("expected {expected}, found {}", self.kind()),
        }
    }

    /// What it is, in words.
    pub(crate) fn kind(&self) -> String {
        match self {
            Value::Tensor(tensor) => format!("a tensor {}", tensor.aval()),
            Value::Dict(dict) if dict.is_empty() => "an empty dict".to_owned(),
            Value::Dict(dict) => {
                format!(
                    "a dict of {}",
                    dict.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
                )
            }
            Value::Tuple(values) => format!("a tuple of {}", values.len()),
            Value::Boxed(boxed) => format!("{boxed:?}"),
            Value::Static(constant) => format!("{:?}", constant.0),
            Value::Tree(tree) => tree.0.0.root(),
        }
    }
}

impl From<Tensor> for Value {
    fn from(tensor: Tensor) -> Value {
        Value::Tensor(tensor)
    }
}

impl From<&Tensor> for Value {
    fn from(tensor: &Tensor) -> Value {
        Value::Tensor(tensor.clone())
    }
}

impl From<Dict> for Value {
    fn from(dict: Dict) -> Value {
        Value::Dict(dict)
    }
}

impl From<&Dict> for Value {
    fn from(dict: &Dict) -> Value {
        Value::Dict(dict.clone())
    }
}

impl From<&Value> for Value {
    fn from(value: &Value) -> Value {
        value.clone()
    }
}

impl From<Boxed> for Value {
    fn from(boxed: Boxed) -> Value {
        Value::Boxed(boxed)
    }
}

impl Tree for Value {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        match self {
            Value::Tensor(tensor) => visit(Token::Leaf(tensor)),
            Value::Dict(dict) => dict.walk(visit),
            Value::Tuple(values) => {
                visit(Token::Node(NodeKind::Tuple, values.len()));
                values.iter().for_each(|value| value.walk(visit));
            }
            Value::Boxed(boxed) => boxed.walk(visit),
            Value::Static(constant) => visit(Token::Static(&*constant.0)),
            Value::Tree(tree) => {
                let mut tensors = tree.0.1.iter();
                tree.0.0.walk(&mut || tensors.next(), visit);
            }
        }
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        match self {
            Value::Tensor(tensor) => leaves.push(tensor),
            Value::Dict(dict) => dict.into_leaves(leaves),
            Value::Tuple(values) => {
                Arc::unwrap_or_clone(values).into_iter().for_each(|value| value.into_leaves(leaves));
            }
            Value::Boxed(boxed) => boxed.into_leaves(leaves),
            Value::Static(_) => {}
            Value::Tree(tree) => match Arc::try_unwrap(tree.0) {
                Ok((_, tensors)) => leaves.extend(tensors),
                Err(shared) => leaves.extend(shared.1.iter().cloned()),
            },
        }
    }

    fn donate(self, donation: &mut Donation) {
        match self {
            Value::Dict(dict) => dict.donate(donation),
            other => other.into_leaves(&mut donation.leaves),
        }
    }

    fn build(from: &mut Builder<'_>) -> Result<Value> {
        Ok(match from.peek() {
            Some(TreePart::Leaf) => Value::Tensor(from.leaf()?),
            Some(TreePart::Node(kind, _)) if kind.is_map() => Value::Dict(Dict::build(from)?),
            Some(TreePart::Node(kind, _)) if kind.is_sequence() => {
                enter(from)?;
                let values = Vec::build(from)?;
                from.leave();
                Value::Tuple(Arc::new(values))
            }
            Some(TreePart::Node(kind, _)) if *kind == Boxed::NODE => Value::Boxed(Boxed::build(from)?),
            Some(TreePart::Fixed(_)) => Value::Static(Constant(from.constant()?.into())),
            _ => Value::Tree(Composite(Arc::new(from.subtree()?))),
        })
    }
}

/// By content; tensors are equal if shape, dtype and every element are.
impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Tensor(a), Value::Tensor(b)) => same_tensor(a, b),
            (Value::Dict(a), Value::Dict(b)) => a == b,
            (Value::Tuple(a), Value::Tuple(b)) => a == b,
            (Value::Boxed(a), Value::Boxed(b)) => a == b,
            (Value::Static(a), Value::Static(b)) => a.0.same(&*b.0),
            (Value::Tree(a), Value::Tree(b)) => {
                let ((a, x), (b, y)) = (&*a.0, &*b.0);
                a == b && x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same_tensor(x, y))
            }
            _ => false,
        }
    }
}

/// Bit for bit; traced values only if they are one and the same.
fn same_tensor(a: &Tensor, b: &Tensor) -> bool {
    match (&a.repr, &b.repr) {
        (Repr::Array(x), Repr::Array(y)) => {
            x.aval().shape == y.aval().shape && x.dtype() == y.dtype() && x.bytes() == y.bytes()
        }
        (Repr::Traced(x), Repr::Traced(y)) => Arc::ptr_eq(x, y),
        _ => false,
    }
}
