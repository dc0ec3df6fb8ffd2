//! `map_variables`: a view of variables.

use std::fmt;
use std::sync::Arc;

use super::module::lifted_module;
use super::pack::Pack;
use super::target::Target;
use crate::core::Tensor;
use crate::error::Result;
use crate::module::{Layer, Module};
use crate::variables::{Dict, Filter, Variables};

/// A module that sees some collections through a function of them; `flax.linen.map_variables` of a class.
///
/// The module is named `Map_variablesDense_0`, and what becomes of the variables of what it wraps stands directly under it. What
/// [`map_variables`] says of its functions holds here, too.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::lift::MapVariables;
///
/// fn transpose(variables: Variables) -> Result<Variables> {
///     flaxen::tree::map(&variables, |x| Ok(x.t()))
/// }
///
/// // The kernel is kept the other way round.
/// #[module]
/// struct Model;
///
/// impl Layer for Model {
///     #[compact]
///     fn call(&self, x: &Tensor) -> Result<Tensor> {
///         MapVariables::new(Dense::new(3), "params", transpose, transpose).with_init(true).call(x)
///     }
/// }
///
/// let variables = Model::new().init(key(0)).call(&Tensor::ones([1, 4]))?;
/// assert_eq!(variables.tensor("params/Map_variablesDense_0/kernel")?.shape(), [3, 4]);
/// assert_eq!(Model::new().apply(&variables).call(&Tensor::ones([1, 4]))?.shape(), [1, 3]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a module does nothing before it is called"]
pub struct MapVariables<M> {
    module: M,
    collections: Filter,
    trans_in: Trans,
    trans_out: Trans,
    init: bool,
    mutable: bool,
}

/// A function of the accepted collections.
#[derive(Clone)]
struct Trans(Arc<dyn Fn(Variables) -> Result<Variables> + Send + Sync>);

/// A function is equal to its clones.
impl PartialEq for Trans {
    fn eq(&self, other: &Trans) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Trans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<closure>")
    }
}

impl<M: Module> MapVariables<M> {
    /// Wraps a module that is to see the collections of a filter through `trans_in`; what becomes of them is written through
    /// `trans_out`.
    pub fn new(
        module: M,
        collections: impl Into<Filter>,
        trans_in: impl Fn(Variables) -> Result<Variables> + Send + Sync + 'static,
        trans_out: impl Fn(Variables) -> Result<Variables> + Send + Sync + 'static,
    ) -> MapVariables<M> {
        let (trans_in, trans_out) = (Trans(Arc::new(trans_in)), Trans(Arc::new(trans_out)));
        MapVariables {
            module,
            collections: collections.into(),
            trans_in,
            trans_out,
            init: false,
            mutable: false,
        }
    }

    /// Whether the variables are made first, where a run may make them: `init=True` in Flax. Then the module runs once more before,
    /// without `trans_in`, and what it made passes `trans_out`.
    pub fn with_init(mut self, init: bool) -> Self {
        self.init = init;
        self
    }

    /// Whether the module may write the collections, if the run may.
    pub fn mutable(mut self, mutable: bool) -> Self {
        self.mutable = mutable;
        self
    }

    /// Calls a function of the module.
    ///
    /// # Errors
    /// What the functions return.
    pub fn run<R>(&self, f: impl Fn(&M) -> Result<R>) -> Result<R> {
        let (trans_in, trans_out) = (&self.trans_in.0, &self.trans_out.0);
        let mut mapped = map_variables(
            &self.module,
            self.collections.clone(),
            |variables| trans_in(variables),
            |variables| trans_out(variables),
        );
        (mapped.init, mapped.mutable) = (self.init, self.mutable);
        mapped.run(f)
    }
}

lifted_module!(MapVariables<M>, "Map_variables");

impl<M: Layer> Layer for MapVariables<M> {
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.run(|layer| layer.call(x))
    }
}

/// A function of modules that sees some collections through a function of them; see [`map_variables`].
#[must_use = "nothing runs before `run`"]
pub struct MapVariablesOver<L, I, O> {
    target: L,
    collections: Filter,
    trans_in: I,
    trans_out: O,
    init: bool,
    mutable: bool,
}

/// Lets a function of modules of the running model see the collections of a filter through `trans_in`, and writes what becomes of
/// them through `trans_out`; `flax.linen.map_variables`.
///
/// Both take and return the accepted collections of the module, by name. Without [`init`](MapVariablesOver::init) and
/// [`mutable`](MapVariablesOver::mutable) the collections cannot be written inside.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::lift;
///
/// fn transpose(variables: Variables) -> Result<Variables> {
///     flaxen::tree::map(&variables, |x| Ok(x.t()))
/// }
///
/// // Encoder and decoder have one kernel.
/// #[module]
/// struct TiedAutoEncoder {
///     #[setup(Dense::new(2).use_bias(false))]
///     encoder: Dense,
///     #[setup(Dense::new(2).use_bias(false))]
///     decoder: Dense,
/// }
///
/// impl Layer for TiedAutoEncoder {
///     #[compact]
///     fn call(&self, x: &Tensor) -> Result<Tensor> {
///         let z = self.encoder.call(x)?;
///         let decoder = lift::map_variables(&self.encoder, "params", transpose, transpose);
///         decoder.run(|_| Ok(()))?;
///         Ok(z)
///     }
/// }
///
/// let (z, _) = TiedAutoEncoder::new().init_with_output(key(0)).call(&Tensor::ones([1, 3]))?;
/// assert_eq!(z.shape(), [1, 2]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn map_variables<L, I, O>(
    target: L,
    collections: impl Into<Filter>,
    trans_in: I,
    trans_out: O,
) -> MapVariablesOver<L, I, O>
where
    L: Target,
    I: Fn(Variables) -> Result<Variables>,
    O: Fn(Variables) -> Result<Variables>,
{
    let collections = collections.into();
    MapVariablesOver { target, collections, trans_in, trans_out, init: false, mutable: false }
}

impl<L, I, O> MapVariablesOver<L, I, O>
where
    L: Target,
    I: Fn(Variables) -> Result<Variables>,
    O: Fn(Variables) -> Result<Variables>,
{
    /// Makes the variables first: the function runs once more before, without `trans_in`, and what it made passes `trans_out`.
    pub fn init(mut self) -> Self {
        self.init = true;
        self
    }

    /// Lets the function write the collections, if the run may.
    pub fn mutable(mut self) -> Self {
        self.mutable = true;
        self
    }

    /// Runs the function.
    ///
    /// # Errors
    /// What the functions return.
    pub fn run<R>(&self, f: impl Fn(&L::Inner) -> Result<R>) -> Result<R> {
        let (pack, all) = (Pack::new("map_variables", &self.target)?, Filter::all());
        let all_but = self.collections.complement();
        let (mut mapped, others) =
            (pack.scopes.variables(&self.collections), pack.scopes.variables(&all_but));
        let rngs = pack.scopes.rngs(&all);
        let both = |mapped: &[Variables]| -> Vec<Variables> {
            mapped.iter().zip(&others).map(|(mapped, others)| others.extended(mapped)).collect()
        };
        let through = |trans: &dyn Fn(Variables) -> Result<Variables>, variables: Vec<Variables>| {
            variables.into_iter().map(trans).collect::<Result<Vec<Variables>>>()
        };
        if self.init && pack.scopes.mutable() != Filter::none() {
            let (_, made) = pack.run(&both(&mapped), rngs.clone(), &all, &f)?;
            let made: Vec<Variables> = made.iter().map(|made| made.filtered(&self.collections)).collect();
            mapped = through(
                &self.trans_out,
                mapped.iter().zip(made).map(|(old, new)| old.extended(new)).collect(),
            )?;
        }
        let writes = self.init || self.mutable;
        let out = if writes { all } else { all_but.clone() };
        let (value, variables) = pack.run(&both(&through(&self.trans_in, mapped)?), rngs, &out, f)?;
        let mapped = variables.iter().map(|variables| variables.filtered(&self.collections)).collect();
        let mapped = if writes { through(&self.trans_out, mapped)? } else { mapped };
        let written: Vec<Variables> = variables
            .iter()
            .zip(mapped)
            .map(|(variables, mapped)| variables.filtered(&all_but).extended(mapped))
            .collect();
        pack.scopes.write_back(&written)?;
        Ok(value)
    }
}

/// Runs a function of a bound module whose parameters are `map` of those in the variables; for layers that wrap others.
///
/// What `map` makes takes their place while the model is initialised, and afterwards if `writes` and `params` is mutable.
pub(crate) fn with_mapped_params<M: Module, T>(
    module: &M,
    writes: bool,
    map: impl Fn(&Dict) -> Result<Dict>,
    f: impl Fn(&M) -> Result<T>,
) -> Result<T> {
    let map = |variables: Variables| {
        let params = variables.collection("params").cloned().unwrap_or_default();
        Ok(variables.with("params", map(&params)?))
    };
    let mut mapped = map_variables(module, "params", map, Ok);
    (mapped.init, mapped.mutable) = (module.is_initializing(), writes);
    mapped.run(f)
}
