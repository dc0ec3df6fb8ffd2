//! Values with metadata.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::depth::enter;
use super::keys::KeyPath;
use super::value::Value;
use crate::core::Tensor;
use crate::error::Result;
use crate::tree::{Builder, Fixed, NodeKind, Structure, Token, Tracker, Tree, leaves};

/// What is known of a value beside its elements, such as the names of its axes.
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
    pub(super) const NODE: NodeKind = NodeKind::Struct("boxed");

    /// Puts a value into a box.
    ///
    /// # Panics
    /// If values would be nested deeper than [`Dict::MAX_DEPTH`](super::Dict::MAX_DEPTH).
    #[track_caller]
    pub fn new(value: impl Into<Value>, metadata: impl Metadata) -> Boxed {
        let value = value.into().checked_inside("boxed");
        Boxed { value: Arc::new(value), metadata: BoxedMetadata(Arc::new(metadata)) }
    }

    /// What is in the box.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The same box around another value.
    ///
    /// # Panics
    /// As [`new`](Boxed::new).
    #[track_caller]
    pub fn replace(&self, value: impl Into<Value>) -> Boxed {
        self.around(value.into().checked_inside("boxed"))
    }

    /// As `replace`, for what is checked afterwards.
    pub(crate) fn around(&self, value: Value) -> Boxed {
        Boxed { value: Arc::new(value), metadata: self.metadata.clone() }
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
        enter(from)?;
        let value = Arc::new(Value::build(from)?);
        from.leave();
        Ok(Boxed { value, metadata })
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

/// A tree without the boxes in it: [`Dict`](super::Dict), [`Variables`](super::Variables), [`Value`], or any tree of them.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::variables::{Boxed, Partitioned, unbox};
///
/// let boxed = Boxed::new(Tensor::zeros([3, 2]), Partitioned::new(["embed", ""]));
/// let params = Dict::new().with("Dense_0/kernel", boxed);
/// assert_eq!(unbox(&params)?, Dict::new().with("Dense_0/kernel", Tensor::zeros([3, 2])));
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// If the type itself asks for a box, as [`Boxed`] does.
pub fn unbox<T: Tree>(tree: &T) -> Result<T> {
    // A box is its node, its metadata and the key of its value.
    Structure::of(tree).without(Boxed::NODE, 3).try_build(leaves(tree).into_iter().cloned())
}

/// The names of a value's axes as a specification; none for a value that is not partitioned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionSpec(pub Vec<Option<String>>);

/// How the values of a tree are partitioned, by their paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionSpecs(BTreeMap<Vec<String>, Option<PartitionSpec>>);

impl PartitionSpecs {
    /// The specification of the value at a path; None for values that have none, and where there is no value.
    pub fn get(&self, path: impl KeyPath) -> Option<&PartitionSpec> {
        let names: Vec<String> = path.keys().iter().map(|name| name.clone().into_owned()).collect();
        self.0.get(&names)?.as_ref()
    }

    /// The paths of all values with their specifications, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[String], Option<&PartitionSpec>)> {
        self.0.iter().map(|(path, spec)| (path.as_slice(), spec.as_ref()))
    }
}

/// How the values of a tree are partitioned over devices.
///
/// A box that knows the names of its value's axes has those, as one value whatever is in it; a tensor without a box has an
/// empty specification; boxes of another kind, and data without tensors, have none.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::variables::{Boxed, PartitionSpec, Partitioned, partition_spec};
///
/// let kernel = Boxed::new(Tensor::zeros([3, 2]), Partitioned::new(["embed", ""]));
/// let variables = Variables::new().with("params", Dict::from([("kernel", kernel)]).with("bias", Tensor::zeros([2])));
/// let specs = partition_spec(&variables);
/// assert_eq!(specs.get("params/kernel"), Some(&PartitionSpec(vec![Some("embed".to_owned()), None])));
/// assert_eq!(specs.get("params/bias"), Some(&PartitionSpec::default()));
/// ```
pub fn partition_spec(tree: &impl Tree) -> PartitionSpecs {
    let mut specs = BTreeMap::new();
    let mut tracker = Tracker::default();
    // The children still to come in the outermost box around the token, and its path until its metadata has come.
    let (mut in_box, mut opened) = (0, None);
    tree.walk(&mut |token| {
        let path = || tracker.path().keys().iter().map(|name| name.clone().into_owned()).collect::<Vec<_>>();
        match &token {
            Token::Node(_, count) if in_box > 0 => in_box = in_box + count - 1,
            Token::Node(kind, count) if *kind == Boxed::NODE => (in_box, opened) = (*count, Some(path())),
            Token::Static(data) if in_box > 0 => {
                in_box -= 1;
                if let Some(path) = opened.take() {
                    let metadata = (*data as &dyn Any).downcast_ref::<BoxedMetadata>();
                    let names = metadata.and_then(|metadata| metadata.0.axis_names());
                    specs.insert(path, names.map(PartitionSpec));
                }
            }
            Token::Leaf(_) if in_box > 0 => in_box -= 1,
            Token::Leaf(_) => drop(specs.insert(path(), Some(PartitionSpec::default()))),
            Token::Static(_) => drop(specs.insert(path(), None)),
            Token::Node(..) | Token::Key(_) => {}
        }
        tracker.visit(&token);
    });
    PartitionSpecs(specs)
}
