//! Values with metadata.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::depth::enter;
use super::value::Value;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::tree::{Builder, Fixed, NodeKind, Path, Structure, Token, Tracker, Tree, TreePart, leaves};

/// What is known of a value beside its elements, such as the names of its axes.
///
/// Metadata is part of the structure of whatever holds it. Modules see the value without it: `param` and `variable` strip
/// the box, and setting a variable puts the new value into the old box.
pub trait Metadata: Fixed {
    /// The names of the value's axes, for partitioning over devices; None for metadata of another kind.
    fn axis_names(&self) -> Option<Vec<Option<String>>> {
        None
    }

    /// The metadata of the value with one more axis, as lifted transforms such as `scan` and `vmap` stack values; None if it
    /// is the same.
    ///
    /// `index` is where the axis goes; `params` is what the transform says of it. [`remove_axis`](Metadata::remove_axis) is
    /// the way back.
    ///
    /// # Errors
    /// If `params` does not say what the metadata needs.
    fn add_axis(&self, index: isize, params: &MetadataParams) -> Result<Option<Arc<dyn Metadata>>> {
        let _ = (index, params);
        Ok(None)
    }

    /// The metadata of the value without an axis that was added; None if it is the same.
    ///
    /// # Errors
    /// If `params` does not say what the metadata needs, or there is no such axis.
    fn remove_axis(&self, index: isize, params: &MetadataParams) -> Result<Option<Arc<dyn Metadata>>> {
        let _ = (index, params);
        Ok(None)
    }
}

/// What a transform says of an axis that it adds to values, by name; Flax's `metadata_params`.
///
/// ```
/// use flaxen::variables::{MetadataParams, PARTITION_NAME};
///
/// let params = MetadataParams::partition_name("layers").with("pipelined", "yes");
/// assert_eq!(params.get(PARTITION_NAME), Some("layers"));
/// assert_eq!(params.get("stage"), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetadataParams(BTreeMap<String, String>);

/// The name by which [`Partitioned`](super::Partitioned) looks up that of a new axis.
pub const PARTITION_NAME: &str = "partition_name";

/// The name of the axis for partitioning.
impl From<&str> for MetadataParams {
    fn from(name: &str) -> MetadataParams {
        MetadataParams::partition_name(name)
    }
}

/// The name of the axis for partitioning.
impl From<String> for MetadataParams {
    fn from(name: String) -> MetadataParams {
        MetadataParams::partition_name(name)
    }
}

impl MetadataParams {
    /// Says nothing.
    pub fn new() -> MetadataParams {
        MetadataParams::default()
    }

    /// The name of the axis for partitioning; an empty one is an axis without a name.
    pub fn partition_name(name: impl Into<String>) -> MetadataParams {
        MetadataParams::new().with(PARTITION_NAME, name)
    }

    /// With something more that metadata of one's own asks for.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> MetadataParams {
        self.0.insert(key.into(), value.into());
        self
    }

    /// What is said under a name.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
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
pub(super) struct BoxedMetadata(pub(super) Arc<dyn Metadata>);

impl Boxed {
    pub(crate) const NODE: NodeKind = NodeKind::Struct("boxed");

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

/// What [`outermost`] finds in a tree.
pub(super) enum Found<'a> {
    /// A box that is in no other, and its number among all boxes.
    Box(&'a BoxedMetadata, usize),
    /// A tensor in no box.
    Tensor,
    /// Data in no box.
    Data,
}

/// Visits a tree's boxes, and what is in none, with their paths: a box is one thing whatever is in it.
pub(super) fn outermost(tree: &impl Tree, visit: &mut dyn FnMut(Path, Found<'_>)) {
    let mut tracker = Tracker::default();
    // The children still to come in the outermost box around the token, its path until its metadata has come, and the boxes
    // so far.
    let (mut in_box, mut opened, mut boxes) = (0, None, 0);
    tree.walk(&mut |token| {
        boxes += usize::from(matches!(&token, Token::Node(kind, _) if *kind == Boxed::NODE));
        match &token {
            Token::Node(_, count) if in_box > 0 => in_box = in_box + count - 1,
            Token::Node(kind, count) if *kind == Boxed::NODE => {
                (in_box, opened) = (*count, Some(tracker.path()));
            }
            Token::Static(data) if in_box > 0 => {
                in_box -= 1;
                let metadata = (*data as &dyn Any).downcast_ref::<BoxedMetadata>();
                if let (Some(path), Some(metadata)) = (opened.take(), metadata) {
                    visit(path, Found::Box(metadata, boxes - 1));
                }
            }
            Token::Leaf(_) if in_box > 0 => in_box -= 1,
            Token::Leaf(_) => visit(tracker.path(), Found::Tensor),
            Token::Static(_) => visit(tracker.path(), Found::Data),
            Token::Node(..) | Token::Key(_) => {}
        }
        tracker.visit(&token);
    });
}

/// A tree whose boxes know of one more axis of their values: what lifted transforms do to the variables that they stack.
///
/// Only metadata changes: `index` is where the axis goes (as it is written: a negative one counts from behind the names there
/// are, which are one fewer, so -1 is the last place but one of the new names, as in Flax), and `params` says what it is. A
/// box in a box is the outer one's content.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::variables::{self, Boxed, MetadataParams, Partitioned};
///
/// let params = |names| Dict::new().with("kernel", Boxed::new(Tensor::zeros([3, 2]), names));
/// let layers = MetadataParams::partition_name("layers");
/// let stacked = variables::add_axis(&params(Partitioned::new(["embed", ""])), 0, &layers)?;
/// assert_eq!(stacked, params(Partitioned::new(["layers", "embed", ""])));
/// assert_eq!(variables::remove_axis(&stacked, 0, &layers)?, params(Partitioned::new(["embed", ""])));
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// What the metadata returns, such as for a missing name, with the path of the box.
pub fn add_axis<T: Tree>(tree: &T, index: isize, params: &MetadataParams) -> Result<T> {
    map_metadata(tree, |metadata| metadata.add_axis(index, params))
}

/// A tree whose boxes know of one axis less: the way back from [`add_axis`].
///
/// # Errors
/// What the metadata returns, such as for an axis of another name, with the path of the box.
pub fn remove_axis<T: Tree>(tree: &T, index: isize, params: &MetadataParams) -> Result<T> {
    map_metadata(tree, |metadata| metadata.remove_axis(index, params))
}

/// A tree with other metadata in its outermost boxes, where the function has any.
fn map_metadata<T: Tree>(
    tree: &T,
    function: impl Fn(&dyn Metadata) -> Result<Option<Arc<dyn Metadata>>>,
) -> Result<T> {
    let mut changed = BTreeMap::new();
    let mut result = Ok(());
    outermost(tree, &mut |path, found| {
        if let (Found::Box(metadata, number), true) = (found, result.is_ok()) {
            match function(&*metadata.0) {
                Ok(None) => {}
                Ok(Some(new)) => drop(changed.insert(number, BoxedMetadata(new))),
                Err(error) => result = Err(Error::in_box(error, &path.join("/"))),
            }
        }
    });
    result?;
    let mut structure = Structure::of(tree);
    let (mut boxes, mut opened) = (0, None);
    for part in structure.parts_mut() {
        match part {
            TreePart::Node(kind, _) if *kind == Boxed::NODE => {
                opened = Some(boxes);
                boxes += 1;
            }
            // The first child of a box is its metadata.
            TreePart::Fixed(data) => {
                if let Some(new) = opened.take().and_then(|number| changed.remove(&number)) {
                    *data = Box::new(new);
                }
            }
            TreePart::Node(..) | TreePart::Key(_) | TreePart::Leaf => {}
        }
    }
    structure.try_build(leaves(tree).into_iter().cloned())
}
