//! `batch_apply`: several batch axes as one.

use crate::array::Shape;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::tree::{self, Tree};

/// Merges the first `num_dims` axes of all arguments, calls `f`, and splits the first axis of all outputs into them again.
///
/// Arguments with fewer axes are passed on as they are. For functions and layers that take one batch axis:
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::nn::batch_apply;
///
/// let (a, b) = (Tensor::ones([2, 3, 4]), Tensor::ones([4]));
/// let y = batch_apply(2, (a, b), |(a, b): (Tensor, Tensor)| {
///     assert_eq!(a.shape(), [6, 4]);
///     Ok(a.dot(&b))
/// })?;
/// assert_eq!(y.shape(), [2, 3]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// As `flax.linen.BatchApply`, whose default is 2 axes.
///
/// # Errors
/// What `f` returns; if no argument has so many axes, or an output cannot be split.
pub fn batch_apply<A: Tree, B: Tree>(num_dims: usize, args: A, f: impl FnOnce(A) -> Result<B>) -> Result<B> {
    const OP: &str = "batch_apply";
    let leaves = tree::leaves(&args);
    let Some(example) = leaves.iter().find(|leaf| leaf.rank() >= num_dims) else {
        let message = format!("expects an argument of at least {num_dims} axes, found {leaves:?}");
        return Err(Error::argument(OP, message));
    };
    let batch: Shape = example.shape()[..num_dims].into();
    let size: usize = batch.iter().product();
    let merge = |x: &Tensor| match x.shape().split_at_checked(num_dims) {
        Some((batch, rest)) => x.try_reshape([&[batch.iter().product()], rest].concat()),
        None => Ok(x.clone()),
    };
    let split = |y: &Tensor| match y.shape() {
        [first, rest @ ..] if *first == size => y.try_reshape([&batch, rest].concat()),
        _ => Err(Error::shape(OP, format!("an output {}", y.aval()), format!("a first axis of {size}"))),
    };
    tree::map(&f(tree::map(&args, merge)?)?, split)
}
