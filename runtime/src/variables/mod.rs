//! Variables as values: [`Dict`], [`Variables`] and what a name stands for, [`Value`].

mod boxed;
mod collections;
mod dict;
mod display;
mod filter;
mod keys;
mod value;

pub use boxed::{Boxed, Metadata, Partitioned};
pub use collections::Variables;
pub use dict::Dict;
pub use filter::{DenyList, Filter, group_collections};
pub use keys::{KeyPath, Keys};
pub use value::{Composite, Constant, Value};

pub(crate) use keys::join;
