//! Variables as values: [`Dict`], [`Variables`] and what a name stands for, [`Value`].
//!
//! At most [`Dict::MAX_DEPTH`] dicts, tuples and boxes are inside each other. What returns a `Result` says so where more would be,
//! what does not (`from`, `collect`, `extend`) panics.
//!
//! With the feature `serde` they are `Serialize` and `Deserialize`, as are tensors and dtypes. A dict is a map, and each of
//! its values says whether it is a `tensor`, `dict`, `tuple` or `partitioned`. A tensor is its `dtype`, `shape` and `data`: a
//! flat list of numbers in formats for people, little-endian bytes in others. What could not be given its type back is
//! refused, with its path: data without tensors, boxes with metadata of the user's own, and other trees. (Formats have limits of
//! their own: `serde_json` reads 128 lists and maps inside each other, which is 63 dicts.)

mod boxed;
mod collections;
mod convert;
mod depth;
mod dict;
mod display;
mod filter;
mod flatten;
mod keys;
mod logical;
mod partition;
mod quantized;
#[cfg(feature = "serde")]
mod serial;
mod traverse;
mod value;

pub use boxed::{Boxed, Metadata, MetadataParams, PARTITION_NAME, add_axis, remove_axis, unbox};
pub use collections::Variables;
pub use convert::{Collections, Entries};
pub use dict::Dict;
pub use filter::{DenyList, Filter, group_collections};
pub use flatten::{Flatten, JoinedFlatten};
pub use keys::{KeyPath, Keys};
pub use logical::{
    LogicalAxisRules, LogicalConstraint, LogicallyPartitioned, RulesFallback, get_logical_axis_rules,
    logical_axis_rules, logical_to_mesh, logical_to_mesh_axes, set_logical_axis_rules,
    with_logical_constraint,
};
pub use partition::{AxisSpec, PartitionSpec, PartitionSpecs, Partitioned, partition_spec};
pub use quantized::Quantized;
pub use traverse::{Nested, Traversal};
pub use value::{Composite, Constant, Value};

#[cfg(any(feature = "io", feature = "serde"))]
pub(crate) use depth::too_deep;
pub(crate) use keys::join;
