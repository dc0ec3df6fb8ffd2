//! Logical names of axes, and the rules by which they become axes of a mesh of devices.

use std::cell::RefCell;
use std::sync::Arc;

use super::boxed::{Metadata, MetadataParams};
use super::partition::{AxisSpec, PartitionSpec, PartitionSpecs, add_name, listed, remove_name};
use crate::core::Tensor;
use crate::error::{Error, Result};

/// Which axes of a mesh of devices logical names of axes stand for, in the order of their precedence.
///
/// ```
/// use flaxen::variables::{LogicalAxisRules, PartitionSpec, logical_to_mesh_axes};
///
/// let rules = LogicalAxisRules::new()
///     .rule("batch", "X")
///     .rule("features", "X")
///     .rule("heads", "Y")
///     .rule("batch", "Z");
/// let names = PartitionSpec::new(["batch", "length", "heads", "features"]);
/// assert_eq!(logical_to_mesh_axes(&names, &rules)?, PartitionSpec::new(["X", "", "Y", ""]));
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogicalAxisRules(Vec<(String, AxisSpec)>);

impl LogicalAxisRules {
    /// No rules.
    pub fn new() -> LogicalAxisRules {
        LogicalAxisRules::default()
    }

    /// With one more rule, after those before: an axis of a logical name goes along axes of the mesh.
    ///
    /// `mesh` is the name of one axis, several names for one logical axis, `""` for none, or
    /// [`AxisSpec::Unconstrained`].
    #[must_use]
    pub fn rule(mut self, name: impl Into<String>, mesh: impl Into<AxisSpec>) -> LogicalAxisRules {
        self.0.push((name.into(), mesh.into()));
        self
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rules in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &AxisSpec)> {
        self.0.iter().map(|(name, mesh)| (name.as_str(), mesh))
    }
}

thread_local! {
    /// The rules of this thread, as in Flax.
    static RULES: RefCell<LogicalAxisRules> = RefCell::default();
}

/// Sets the rules that hold on this thread where no others are given; Flax's `set_logical_axis_rules`.
pub fn set_logical_axis_rules(rules: LogicalAxisRules) {
    // The old ones are dropped afterwards.
    drop(RULES.replace(rules));
}

/// The rules that hold on this thread.
pub fn get_logical_axis_rules() -> LogicalAxisRules {
    RULES.with_borrow(Clone::clone)
}

/// Runs a function within which other rules hold on this thread; Flax's `with logical_axis_rules(rules):`.
///
/// ```
/// use flaxen::variables::{LogicalAxisRules, PartitionSpec, logical_axis_rules, logical_to_mesh_axes};
///
/// let rules = LogicalAxisRules::new().rule("embed", "model");
/// let mesh = logical_axis_rules(rules, || logical_to_mesh_axes(&PartitionSpec::new(["embed"]), None))?;
/// assert_eq!(mesh, PartitionSpec::new(["model"]));
/// assert_eq!(logical_to_mesh_axes(&PartitionSpec::new(["embed"]), None)?, PartitionSpec::new([""]));
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn logical_axis_rules<T>(rules: LogicalAxisRules, f: impl FnOnce() -> T) -> T {
    struct Restored(Option<LogicalAxisRules>);
    impl Drop for Restored {
        fn drop(&mut self) {
            set_logical_axis_rules(self.0.take().unwrap_or_default());
        }
    }
    let _restored = Restored(Some(RULES.replace(rules)));
    f()
}

/// What becomes of an axis whose name no rule is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RulesFallback {
    /// It goes along no axis of the mesh.
    #[default]
    AxisIsUnsharded,
    /// It is an error.
    RaiseError,
    /// The whole value has no constraint.
    NoConstraint,
}

/// The axes of a mesh that a value goes along whose axes have logical names.
///
/// Of the rules of a name, the first one holds whose axes of the mesh no axis of the value goes along yet; without one, an
/// axis goes along none. What is no single name stays as it is. `rules` are those of the thread if they are None.
///
/// As `flax.linen.logical_to_mesh_axes`.
///
/// # Errors
/// If a name is there twice.
pub fn logical_to_mesh_axes<'r>(
    names: &PartitionSpec,
    rules: impl Into<Option<&'r LogicalAxisRules>>,
) -> Result<PartitionSpec> {
    let axes = match rules.into() {
        Some(rules) => assigned(names, rules)?,
        None => assigned(names, &get_logical_axis_rules())?,
    };
    Ok(PartitionSpec(axes.into_iter().map(Option::unwrap_or_default).collect()))
}

/// [`logical_to_mesh_axes`] for the values of a tree: `logical_to_mesh(&partition_spec(&variables), None)?`.
///
/// # Errors
/// If a value has a name twice.
pub fn logical_to_mesh<'r>(
    specs: &PartitionSpecs,
    rules: impl Into<Option<&'r LogicalAxisRules>>,
) -> Result<PartitionSpecs> {
    let rules = rules.into().cloned().unwrap_or_else(get_logical_axis_rules);
    specs.map(|spec| logical_to_mesh_axes(spec, &rules))
}

/// The axes of the mesh for each name; None where no rule holds.
fn assigned(names: &PartitionSpec, rules: &LogicalAxisRules) -> Result<Vec<Option<AxisSpec>>> {
    let logical: Vec<Option<String>> = names.names().map(|name| name.map(str::to_owned)).collect();
    for (at, name) in logical.iter().enumerate() {
        if name.is_some() && logical[..at].contains(name) {
            let message = format!(
                "the axes {} have one name twice: give each axis a name of its own",
                listed(&logical)
            );
            return Err(Error::argument("logical_to_mesh_axes", message));
        }
    }
    let as_it_is = |(axis, name): (&AxisSpec, &Option<String>)| name.is_none().then(|| axis.clone());
    let mut axes: Vec<Option<AxisSpec>> = names.0.iter().zip(&logical).map(as_it_is).collect();
    for (name, mesh) in rules.iter() {
        let at = logical.iter().position(|other| other.as_deref() == Some(name));
        if let Some(at) = at.filter(|&at| axes[at].is_none())
            && !axes.iter().flatten().any(|taken| taken.shares_an_axis(mesh))
        {
            axes[at] = Some(mesh.clone());
        }
    }
    Ok(axes)
}

/// A value whose axes have logical names, so that it can be distributed; see [`with_logical_constraint`].
#[must_use = "nothing is checked before `run`"]
pub struct LogicalConstraint<'x> {
    x: &'x Tensor,
    names: PartitionSpec,
    rules: Option<LogicalAxisRules>,
    fallback: RulesFallback,
}

/// Says which logical names the axes of a value have, `""` for none: on one device, the value itself.
///
/// Without rules there is nothing to check either. As `flax.linen.with_logical_constraint`.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::variables::{LogicalAxisRules, logical_axis_rules, with_logical_constraint};
///
/// let x = Tensor::ones([8, 4]);
/// let y = logical_axis_rules(LogicalAxisRules::new().rule("batch", "data"), || {
///     with_logical_constraint(&x, ["batch", "embed"]).run()
/// })?;
/// assert_eq!(y.shape(), [8, 4]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn with_logical_constraint<A: Into<AxisSpec>>(
    x: &Tensor,
    names: impl IntoIterator<Item = A>,
) -> LogicalConstraint<'_> {
    let names = PartitionSpec::new(names);
    LogicalConstraint { x, names, rules: None, fallback: RulesFallback::default() }
}

impl LogicalConstraint<'_> {
    /// Other rules than those of the thread.
    pub fn rules(mut self, rules: &LogicalAxisRules) -> Self {
        self.rules = Some(rules.clone());
        self
    }

    /// What becomes of an axis whose name no rule is for.
    pub fn fallback(mut self, fallback: RulesFallback) -> Self {
        self.fallback = fallback;
        self
    }

    /// The value.
    ///
    /// # Errors
    /// If there are rules, and a name is there twice, the value has fewer axes than names, or no rule is for a name and the
    /// fallback is to raise an error.
    pub fn run(self) -> Result<Tensor> {
        let rules = self.rules.unwrap_or_else(get_logical_axis_rules);
        if rules.is_empty() {
            return Ok(self.x.clone());
        }
        let axes = assigned(&self.names, &rules)?;
        if axes.contains(&None) {
            match self.fallback {
                RulesFallback::RaiseError => {
                    let message =
                        format!("no rule is for one of the names {:?}: add a rule for it", self.names.0);
                    return Err(Error::argument("with_logical_constraint", message));
                }
                RulesFallback::NoConstraint => return Ok(self.x.clone()),
                RulesFallback::AxisIsUnsharded => {}
            }
        }
        if axes.len() > self.x.rank() {
            let expected = format!("a value of at least {} axes, one for each name", axes.len());
            return Err(Error::shape("with_logical_constraint", self.x.aval().to_string(), expected));
        }
        Ok(self.x.clone())
    }
}

/// Logical names of a value's axes, and maybe rules of its own; Flax's `LogicallyPartitioned`.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::variables::{
///     LogicalAxisRules, LogicallyPartitioned, PartitionSpec, logical_to_mesh, partition_spec,
/// };
///
/// // Flax's `with_logical_partitioning(lecun_normal(), ("embed", "mlp"))`.
/// let kernel_init = init::lecun_normal().boxed(LogicallyPartitioned::new(["embed", "mlp"]));
/// let variables = Dense::new(4).kernel_init(kernel_init).init(key(0)).call(&Tensor::ones([2, 3]))?;
/// let specs = partition_spec(&variables);
/// assert_eq!(specs.get("params/kernel"), Some(&PartitionSpec::new(["embed", "mlp"])));
/// let mesh = logical_to_mesh(&specs, &LogicalAxisRules::new().rule("mlp", "model"))?;
/// assert_eq!(mesh.get("params/kernel"), Some(&PartitionSpec::new(["", "model"])));
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LogicallyPartitioned {
    /// A name for each axis, or None for one without.
    pub names: Vec<Option<String>>,
    /// The rules for these names; None for those of the thread.
    pub rules: Option<LogicalAxisRules>,
}

impl LogicallyPartitioned {
    /// A name for each axis; an empty one stands for none.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> LogicallyPartitioned {
        let name = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        LogicallyPartitioned { names: names.into_iter().map(name).collect(), rules: None }
    }

    /// With rules of its own.
    #[must_use]
    pub fn rules(mut self, rules: LogicalAxisRules) -> LogicallyPartitioned {
        self.rules = Some(rules);
        self
    }

    /// The axes of the mesh that the value goes along, by its own rules or those of the thread.
    ///
    /// # Errors
    /// If a name is there twice.
    pub fn mesh_axes(&self) -> Result<PartitionSpec> {
        logical_to_mesh_axes(&PartitionSpec::of_names(&self.names), self.rules.as_ref())
    }
}

impl Metadata for LogicallyPartitioned {
    fn axis_names(&self) -> Option<Vec<Option<String>>> {
        Some(self.names.clone())
    }

    fn add_axis(&self, index: isize, params: &MetadataParams) -> Result<Option<Arc<dyn Metadata>>> {
        let names = add_name(&self.names, index, params)?;
        Ok(Some(Arc::new(LogicallyPartitioned { names, rules: self.rules.clone() })))
    }

    fn remove_axis(&self, index: isize, params: &MetadataParams) -> Result<Option<Arc<dyn Metadata>>> {
        let names = remove_name(&self.names, index, params)?;
        Ok(Some(Arc::new(LogicallyPartitioned { names, rules: self.rules.clone() })))
    }
}
