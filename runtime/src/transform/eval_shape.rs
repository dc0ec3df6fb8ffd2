//! Abstract evaluation: shapes and dtypes without values.

use super::stage::{avals, stage};
use crate::core::Tensor;
use crate::error::Result;
use crate::tree::{Structure, Tree};

/// Shapes and dtypes of what a function returns, without computing it.
///
/// The result's tensors have a shape and a dtype and no values. The arguments' values are not looked at either: they may
/// come from [`Tensor::abstract_value`].
///
/// ```
/// use flaxen::prelude::*;
///
/// let huge = Tensor::abstract_value(Aval::new([1 << 20, 1 << 20], DType::F32));
/// let out = flaxen::eval_shape(|x: Tensor| Ok(x.sum_axes(1)), &huge)?;
/// assert_eq!(out.shape(), [1 << 20]);
/// assert!(out.to_vec::<f32>().is_err());
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// What `f` returns; if `f` asks for the elements of its argument.
pub fn eval_shape<I, O, F>(f: F, args: &I) -> Result<O>
where
    I: Tree,
    O: Tree,
    F: FnOnce(I) -> Result<O>,
{
    let staged = stage(&Structure::of(args), &avals(args), f)?;
    let outs = staged.graph.outs.iter().map(|&var| Tensor::abstract_value(staged.graph.aval(var).clone()));
    Ok(staged.outs.build(outs))
}
