//! A submodule that sees its parameters through a function of them.

use super::Module;
use super::instance::Instance;
use super::running::bound;
use crate::error::Result;
use crate::scope::Scope;
use crate::variables::Dict;

/// Runs a function of a bound module whose parameters are `map` of those in the variables.
///
/// While the model is initialised, the function runs twice, the first time to make the parameters, and what `map` makes of
/// them takes their place, as in Flax. `writes` says whether it does so afterwards, too, if `params` is mutable.
pub(crate) fn with_mapped_params<M: Module, T>(
    module: &M,
    writes: bool,
    map: impl FnOnce(&Dict) -> Result<Dict>,
    f: impl Fn(&M) -> Result<T>,
) -> Result<T> {
    let instance = module.__slot().require(M::NAME, || "is called with other parameters".to_owned())?;
    let scope = instance.scope();
    scope.check_valid()?;
    let at = |scope: Scope| bound(module, Instance::new(scope, instance.class(), instance.session.clone()));
    if scope.is_initializing() && scope.is_mutable_collection("params") {
        let (fork, inner) = scope.fork(None)?;
        f(&at(inner))?;
        fork.write_back(|collection| collection == "params")?;
    }
    let params = scope.variables().collection("params").cloned().unwrap_or_default();
    let (fork, inner) = scope.fork(Some(map(&params)?))?;
    let out = f(&at(inner))?;
    let writes_params = (writes || scope.is_initializing()) && scope.is_mutable_collection("params");
    fork.write_back(|collection| collection != "params" || writes_params)?;
    Ok(out)
}
