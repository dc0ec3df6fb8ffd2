//! Forward mode as the pullback of a pullback: for functions and for graphs.
//!
//! A pullback is linear in its cotangents, so *its* pullback is the derivative itself: no primitive needs a rule of its own for forward
//! mode (Radul et al., "You Only Linearize Once", 2022, take the same route the other way round).

use crate::array::Aval;
use crate::core::Tensor;
use crate::core::trace::tape::{Backward, Tape};
use crate::core::trace::{self, Trace};
use crate::error::Result;
use crate::ops::{convert, zeros_of};

/// The tangents of results along tangents of arguments, or none where they are zero.
///
/// `backward` is the recorded pass back from results of these shapes, of which `ids` says where they were recorded; `tangents` are those of
/// the arguments that were watched.
pub(crate) fn tangents_of(
    backward: Backward,
    results: &[(Aval, Option<usize>)],
    tangents: &[&Tensor],
) -> Result<Vec<Option<Tensor>>> {
    // At cotangent zero: the pullback is linear, so the point does not matter.
    let transposed = Tape::new(trace::current());
    let zeros = results.iter().map(|(aval, _)| zeros_of(aval)).collect::<Result<Vec<_>>>()?;
    let cts: Vec<Tensor> = zeros.into_iter().map(|zero| transposed.watch(zero)).collect();
    let grads = trace::run(Trace::Tape(transposed.clone()), || {
        let seeds = results.iter().zip(&cts).filter(|(_, ct)| ct.dtype().is_inexact());
        let seeds = seeds.filter_map(|((_, id), ct)| Some(((*id)?, ct.clone())));
        backward.run_once(seeds.collect(), tangents.len())
    })?;
    // The tangents are the cotangents of that pullback's results.
    let mut seeds = Vec::new();
    for (grad, tangent) in grads.into_iter().zip(tangents) {
        let Some(grad) = grad else { continue };
        let dtype = grad.dtype();
        if let (_, Some(id)) = transposed.open(grad) {
            seeds.push((id, convert(tangent, dtype, false)?));
        }
    }
    transposed.finish().run_once(seeds, results.len())
}
