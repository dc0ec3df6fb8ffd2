//! `x.at(indices).apply(f)`: a function of elements, applied in place.

use super::fori_loop::fori_loop;
use crate::core::Tensor;
use crate::error::{Error, Result, unwrap};
use crate::numpy::indexing::At;

impl At<'_> {
    /// A copy with what `f`, a function of each element alone, makes of what is there; as often as an element is meant.
    ///
    /// Unlike JAX's, it has derivatives. How often an element is meant is not known while positions are values of a transform; then
    /// it is a loop with an end of its own, which has no reverse mode unless [`unique_indices`](At::unique_indices) is promised. A mask
    /// that has no values yet makes `f` see the whole tensor.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([1.0f32, 4.0, 16.0]);
    /// let roots = x.at([1, 2, 2]).apply(|x| x.sqrt());
    /// assert_eq!(roots.to_vec::<f32>()?, [1.0, 2.0, 2.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the indices do not fit the tensor, or `f` changes the shape.
    #[track_caller]
    pub fn apply(&self, f: impl Fn(Tensor) -> Tensor) -> Tensor {
        unwrap(self.try_apply(|x| Ok(f(x))))
    }

    /// As [`apply`](At::apply).
    ///
    /// # Errors
    /// If the indices do not fit the tensor, `f` changes the shape, or returns an error.
    #[track_caller]
    pub fn try_apply(&self, f: impl Fn(Tensor) -> Result<Tensor>) -> Result<Tensor> {
        let f = |x: Tensor| {
            let (shape, dtype) = (x.shape().to_vec(), x.dtype());
            let y = f(x)?;
            if y.shape() == shape {
                return y.try_cast(dtype);
            }
            let found = format!("{shape:?} to {:?}", y.shape());
            Err(Error::shape("apply", found, "a function of each element alone"))
        };
        if let Some((x, mask)) = self.unknown_mask()? {
            return mask.try_select(f(x.clone())?, x);
        }
        let (values, times) = self.occurrences()?;
        let mut values = f(values)?;
        if let Some(times) = times.filter(|times| times.size() > 0) {
            let most = times.try_max()?;
            let again = |k: Tensor, values: Tensor| times.try_gt(k)?.try_select(f(values.clone())?, values);
            values = fori_loop(Tensor::from(1)..most, again)(values)?;
        }
        self.try_set(values)
    }
}
