//! Permutations, by sorting by random bits, as JAX shuffles.

use super::{Key, sampler};
use crate::core::TensorLike;
use crate::ops::axes::Int;
use crate::ops::axis_of;
use crate::ops::random_order::random_order;

sampler! {
    /// The numbers 0, 1, …, `n − 1` in random order, all orders equally likely: `I32[n]`.
    ///
    /// ```
    /// use flaxen::random;
    ///
    /// let mut order = random::permutation(&random::key(0), 100).to_vec::<i32>()?;
    /// order.sort_unstable();
    /// assert!(order.into_iter().eq(0..100));
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn permutation / try_permutation(key: &Key, n: usize) {
        random_order(key.single("permutation")?, &[n], 0)
    }

    /// `x` in random order along an axis: what has one index there stays together.
    #[doc(alias = "shuffle")]
    pub fn permute / try_permute(key: &Key, x: impl TensorLike, axis: impl Int) {
        let x = x.operand()?;
        let at = axis_of("permute", axis, x.rank())?;
        let order = random_order(key.single("permute")?, &x.shape()[at..=at], 0)?;
        x.try_take(order, axis)
    }

    /// `x` with each lane along an axis in a random order of its own.
    pub fn permute_independently / try_permute_independently(key: &Key, x: impl TensorLike, axis: impl Int) {
        let x = x.operand()?;
        let at = axis_of("permute_independently", axis, x.rank())?;
        if x.size() == 0 {
            return Ok(x);
        }
        let order = random_order(key.single("permute_independently")?, x.shape(), at)?;
        x.try_take_along_axis(order.try_move_axis(-1, axis)?, axis)
    }
}
