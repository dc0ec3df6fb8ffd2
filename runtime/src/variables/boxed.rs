//! Values with metadata.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::value::Value;
use crate::error::Result;
use crate::tensor::Tensor;
use crate::tree::{Builder, Fixed, Token, Tree};

/// What is known of a value beside its numbers, such as the names of its axes.
///
/// Metadata is part of the structure of whatever holds it. Modules see the value without it: `param` and `variable` strip
/// the box, and setting a variable puts the new value into the old box.
pub trait Metadata: Fixed {
    /// The names of the value's axes, for partitioning over devices; None for metadata of another kind.
    fn axis_names(&self) -> Option<Vec<Option<String>>> {
        None
    }
}

/// A value in a box with metadata.
#[derive(Clone)]
pub struct Boxed {
    value: Arc<Value>,
    metadata: BoxedMetadata,
}

/// Compared through the metadata's own equality.
#[derive(Clone)]
struct BoxedMetadata(Arc<dyn Metadata>);

impl Boxed {
    pub(super) const NODE: &str = "boxed";

    /// Puts a value into a box.
    pub fn new(value: impl Into<Value>, metadata: impl Metadata) -> Boxed {
        Boxed { value: Arc::new(value.into()), metadata: BoxedMetadata(Arc::new(metadata)) }
    }

    /// What is in the box.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The same box around another value.
    pub fn replace(&self, value: impl Into<Value>) -> Boxed {
        Boxed { value: Arc::new(value.into()), metadata: self.metadata.clone() }
    }

    /// What is known of the value.
    pub fn metadata(&self) -> &dyn Metadata {
        &*self.metadata.0
    }

    /// The metadata, if it is of this type.
    pub fn metadata_as<M: Metadata>(&self) -> Option<&M> {
        (&*self.metadata.0 as &dyn Any).downcast_ref()
    }
}

impl PartialEq for BoxedMetadata {
    fn eq(&self, other: &BoxedMetadata) -> bool {
        let other: &dyn Fixed = &*other.0;
        self.0.same(other)
    }
}

impl fmt::Debug for BoxedMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for Boxed {
    fn eq(&self, other: &Boxed) -> bool {
        self.metadata == other.metadata && self.value == other.value
    }
}

impl fmt::Debug for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {:?}", self.value.kind(), self.metadata)
    }
}

impl Tree for Boxed {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        visit(Token::Node(Boxed::NODE, 2));
        visit(Token::Static(&self.metadata));
        visit(Token::Key("value"));
        self.value.walk(visit);
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        Arc::unwrap_or_clone(self.value).into_leaves(leaves);
    }

    fn build(from: &mut Builder<'_>) -> Result<Boxed> {
        from.expect(Boxed::NODE, 2)?;
        let metadata = from.fixed()?;
        from.key()?;
        Ok(Boxed { value: Arc::new(Value::build(from)?), metadata })
    }
}

/// The names of a value's axes, for partitioning over devices; Flax's `Partitioned`.
#[derive(Clone, Debug, PartialEq)]
pub struct Partitioned {
    /// A name for each axis, or None for one that is not partitioned.
    pub names: Vec<Option<String>>,
}

impl Partitioned {
    /// A name for each axis; an empty one stands for none.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Partitioned {
        let name = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        Partitioned { names: names.into_iter().map(name).collect() }
    }
}

impl Metadata for Partitioned {
    fn axis_names(&self) -> Option<Vec<Option<String>>> {
        Some(self.names.clone())
    }
}
