//! `map_variables`: a view of variables.

use super::pack::Pack;
use super::target::Target;
use crate::error::Result;
use crate::module::Module;
use crate::variables::{Dict, Filter, Variables};

/// A function of modules that sees some collections through a function of them; see [`map_variables`].
#[must_use = "nothing runs before `run`"]
pub struct MapVariables<L, I, O> {
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
/// Both take and return the accepted collections of the module, by name. Without [`init`](MapVariables::init) and
/// [`mutable`](MapVariables::mutable) the collections cannot be written inside.
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
) -> MapVariables<L, I, O>
where
    L: Target,
    I: Fn(Variables) -> Result<Variables>,
    O: Fn(Variables) -> Result<Variables>,
{
    let collections = collections.into();
    MapVariables { target, collections, trans_in, trans_out, init: false, mutable: false }
}

impl<L, I, O> MapVariables<L, I, O>
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
