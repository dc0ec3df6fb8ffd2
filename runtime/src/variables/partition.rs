//! Which axes of values are partitioned over devices: names of axes as metadata.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::boxed::{Found, Metadata, MetadataParams, PARTITION_NAME, outermost};
use super::keys::KeyPath;
use crate::array::Aval;
use crate::error::{Error, Result};
use crate::tree::Tree;

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

    fn add_axis(&self, index: isize, params: &MetadataParams) -> Result<Option<Arc<dyn Metadata>>> {
        let names = add_name(&self.names, index, params)?;
        Ok(Some(Arc::new(Partitioned { names })))
    }

    fn remove_axis(&self, index: isize, params: &MetadataParams) -> Result<Option<Arc<dyn Metadata>>> {
        let names = remove_name(&self.names, index, params)?;
        Ok(Some(Arc::new(Partitioned { names })))
    }
}

/// The name that a transform gives to an axis.
fn partition_name(names: &[Option<String>], params: &MetadataParams) -> Result<Option<String>> {
    let name = params.get(PARTITION_NAME).ok_or_else(|| {
        Error::metadata(format!(
            "the transform changes an axis of a value whose axes have the names {}, and does not say its name: give it, as \
             in `.metadata(\"layers\")`; \"\" is an axis without a name",
            listed(names)
        ))
    })?;
    Ok((!name.is_empty()).then(|| name.to_owned()))
}

/// The names with that of a new axis. A negative index counts from behind the names there are.
pub(super) fn add_name(
    names: &[Option<String>],
    index: isize,
    params: &MetadataParams,
) -> Result<Vec<Option<String>>> {
    let name = partition_name(names, params)?;
    let mut names = names.to_vec();
    let at = place(index, names.len());
    if at >= Aval::MAX_RANK {
        return Err(Error::metadata(format!(
            "an axis at {index}: a value has at most {} axes",
            Aval::MAX_RANK
        )));
    }
    // The axes behind those that have names have none.
    names.resize(names.len().max(at), None);
    names.insert(at, name);
    Ok(names)
}

/// The names without the one that `add_name` put there.
pub(super) fn remove_name(
    names: &[Option<String>],
    index: isize,
    params: &MetadataParams,
) -> Result<Vec<Option<String>>> {
    let name = partition_name(names, params)?;
    let mut rest = names.to_vec();
    let at = place(index, names.len().saturating_sub(1));
    if at >= names.len() || rest.remove(at) != name {
        return Err(Error::metadata(format!(
            "the axis at {index} should have the name {:?}, the names are {}: the variables were made with another axis or \
             name",
            name.as_deref().unwrap_or(""),
            listed(names)
        )));
    }
    Ok(rest)
}

/// Where a new name goes among `len` others.
fn place(index: isize, len: usize) -> usize {
    usize::try_from(index).unwrap_or_else(|_| len.saturating_sub(index.unsigned_abs()))
}

/// Names as they are written.
pub(super) fn listed(names: &[Option<String>]) -> String {
    format!("{:?}", names.iter().map(|name| name.as_deref().unwrap_or("")).collect::<Vec<_>>())
}

/// What an axis of a value goes along.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AxisSpec {
    /// Nothing: every device has all of it.
    #[default]
    Unsharded,
    /// Whatever is best.
    Unconstrained,
    /// The axes of these names, mostly one.
    Along(Vec<String>),
}

impl AxisSpec {
    /// Whether both go along one axis.
    pub(super) fn shares_an_axis(&self, other: &AxisSpec) -> bool {
        match (self, other) {
            (AxisSpec::Along(a), AxisSpec::Along(b)) => a.iter().any(|name| b.contains(name)),
            _ => false,
        }
    }
}

/// A name; an empty one stands for none.
impl From<&str> for AxisSpec {
    fn from(name: &str) -> AxisSpec {
        if name.is_empty() { AxisSpec::Unsharded } else { AxisSpec::Along(vec![name.to_owned()]) }
    }
}

impl<const N: usize> From<[&str; N]> for AxisSpec {
    fn from(names: [&str; N]) -> AxisSpec {
        AxisSpec::Along(names.map(str::to_owned).to_vec())
    }
}

/// What the axes of a value go along; nothing is said of those behind, and of a value that is not partitioned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionSpec(pub Vec<AxisSpec>);

impl PartitionSpec {
    /// A name for each axis, `""` for none, several names, or any other [`AxisSpec`].
    pub fn new<A: Into<AxisSpec>>(axes: impl IntoIterator<Item = A>) -> PartitionSpec {
        PartitionSpec(axes.into_iter().map(Into::into).collect())
    }

    /// The name that each axis goes along; None for one that goes along nothing, several, or whatever is best.
    pub fn names(&self) -> impl ExactSizeIterator<Item = Option<&str>> {
        self.0.iter().map(|axis| match axis {
            AxisSpec::Along(names) if names.len() == 1 => names.first().map(String::as_str),
            _ => None,
        })
    }

    pub(super) fn of_names(names: &[Option<String>]) -> PartitionSpec {
        PartitionSpec::new(names.iter().map(|name| name.as_deref().unwrap_or_default()))
    }
}

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

    /// The same with other specifications.
    pub(super) fn map(&self, f: impl Fn(&PartitionSpec) -> Result<PartitionSpec>) -> Result<PartitionSpecs> {
        let one = |(path, spec): (&Vec<String>, &Option<PartitionSpec>)| {
            Ok((path.clone(), spec.as_ref().map(&f).transpose()?))
        };
        self.0.iter().map(one).collect::<Result<_>>().map(PartitionSpecs)
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
/// assert_eq!(specs.get("params/kernel"), Some(&PartitionSpec::new(["embed", ""])));
/// assert_eq!(specs.get("params/bias"), Some(&PartitionSpec::default()));
/// ```
pub fn partition_spec(tree: &impl Tree) -> PartitionSpecs {
    let mut specs = BTreeMap::new();
    outermost(tree, &mut |path, found| {
        let spec = match found {
            Found::Box(metadata, _) => metadata.0.axis_names().map(|names| PartitionSpec::of_names(&names)),
            Found::Tensor => Some(PartitionSpec::default()),
            Found::Data => None,
        };
        specs.insert(path.keys().iter().map(|name| name.clone().into_owned()).collect(), spec);
    });
    PartitionSpecs(specs)
}
