//! Variables as values: [`Dict`], [`Variables`] and what a name stands for, [`Value`].

mod boxed;
mod collections;
mod convert;
mod dict;
mod display;
mod filter;
mod flatten;
mod keys;
#[cfg(feature = "serde")]
mod serial;
mod traverse;
mod value;

pub use boxed::{Boxed, Metadata, PartitionSpec, PartitionSpecs, Partitioned, partition_spec, unbox};
pub use collections::Variables;
pub use convert::{Collections, Entries};
pub use dict::Dict;
pub use filter::{DenyList, Filter, group_collections};
pub use flatten::{Flatten, JoinedFlatten};
pub use keys::{KeyPath, Keys};
pub use traverse::{Nested, Traversal};
pub use value::{Composite, Constant, Value};

pub(crate) use keys::join;
