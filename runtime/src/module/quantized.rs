//! Parameters in 8 bits, for layers that multiply integers.

use super::{Module, take};
use crate::error::Result;
use crate::variables::Quantized;

/// A parameter that is stored in 8 bits, if it is and `fits`; its name is taken then, and else left to `param`.
pub(crate) fn quantized_param<M: Module>(
    module: &M,
    name: &str,
    fits: impl Fn(&Quantized) -> bool,
) -> Result<Option<Quantized>> {
    let Ok(scope) = module.scope() else { return Ok(None) };
    let quantized = scope.stored("params", name).as_ref().and_then(Quantized::of).filter(fits);
    if quantized.is_some() {
        take(module, "param", "params", name)?;
    }
    Ok(quantized)
}
