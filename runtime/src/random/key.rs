//! Keys: splitting and folding in make counter-based generators of them (Threefry-2x32; Salmon et al., *Parallel Random Numbers:
//! As Easy as 1, 2, 3*, 2011).

use crate::array::{DType, Shape};
use crate::core::{Tensor, TensorLike};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::ops::axes::Int;
use crate::ops::{convert_wrapping, random_bits, saturating_size};
use crate::tree::{Builder, Token, Tree};

/// What random numbers are made from: two words, or an array of such pairs.
///
/// A key is used once: the same key gives the same values. It is a [`Tree`] of one leaf, so it passes through every
/// transform; an array of keys can be mapped over.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::random::{self, Key};
///
/// let keys = random::key(0).split_n(10);
/// let samples = vmap(|key: Key| Ok(random::normal(&key, [3]))).call(keys)?;
/// assert_eq!(samples.shape(), [10, 3]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Key(Tensor);

/// The key of a seed; only the low 32 bits count, as in JAX without 64-bit mode.
///
/// ```
/// let key = flaxen::random::key(42);
/// assert_eq!(key.data().to_vec::<u32>()?, [0, 42]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[doc(alias = "PRNGKey")]
pub fn key(seed: u64) -> Key {
    Key([0, seed as u32].into())
}

/// `n` new keys, as [`Key::split_n`].
///
/// # Panics
/// Where [`Key::try_split_n`] returns an error.
#[track_caller]
pub fn split(key: &Key, n: usize) -> Key {
    key.split_n(n)
}

/// The key for a number, as [`Key::fold_in`].
///
/// # Panics
/// Where [`Key::try_fold_in`] returns an error.
#[track_caller]
pub fn fold_in(key: &Key, data: impl TensorLike) -> Key {
    key.fold_in(data)
}

impl Key {
    /// Wraps the words of keys, a `U32[.., 2]`.
    ///
    /// # Errors
    /// If it has another dtype, or not two words per key.
    pub fn from_data(data: impl TensorLike) -> Result<Key> {
        let data = data.operand()?;
        if data.dtype() != DType::U32 || data.shape().last() != Some(&2) {
            return Err(Error::argument(
                "key",
                format!("{} is not the data of a key, u32[..,2]", data.aval()),
            ));
        }
        Ok(Key(data))
    }

    /// The words, a `U32[.., 2]`.
    pub fn data(&self) -> &Tensor {
        &self.0
    }

    /// The shape of an array of keys; empty for one key.
    pub fn shape(&self) -> &[usize] {
        let shape = self.0.shape();
        &shape[..shape.len() - 1]
    }

    /// The words of one key.
    pub(super) fn single(&self, op: &'static str) -> Result<&Tensor> {
        match self.shape() {
            [] => Ok(&self.0),
            shape => Err(Error::argument(
                op,
                format!("takes one key, found keys of shape {shape:?}: use `vmap`, or one of them by `at`"),
            )),
        }
    }

    /// New keys, as many as the pattern asks for.
    ///
    /// ```
    /// let [params, dropout] = flaxen::random::key(0).split();
    /// ```
    ///
    /// # Panics
    /// Where [`try_split`](Key::try_split) returns an error.
    #[track_caller]
    pub fn split<const N: usize>(&self) -> [Key; N] {
        unwrap(self.try_split())
    }

    /// As [`split`](Key::split).
    ///
    /// # Errors
    /// If this is an array of keys.
    #[track_caller]
    pub fn try_split<const N: usize>(&self) -> Result<[Key; N]> {
        // A child of a split is its number folded in.
        let mut children = Vec::with_capacity(N);
        for i in 0..N {
            children.push(self.folded("split", (i as u32).into())?);
        }
        match children.try_into() {
            Ok(children) => Ok(children),
            Err(_) => unreachable!("one child for each number"),
        }
    }

    /// An array of `n` new keys; the first ones do not depend on `n`, and are those of [`split`](Key::split).
    ///
    /// # Panics
    /// Where [`try_split_n`](Key::try_split_n) returns an error.
    #[track_caller]
    pub fn split_n(&self, n: usize) -> Key {
        unwrap(self.try_split_n(n))
    }

    /// As [`split_n`](Key::split_n).
    ///
    /// # Errors
    /// If this is an array of keys.
    #[track_caller]
    pub fn try_split_n(&self, n: usize) -> Result<Key> {
        random_bits::split(self.single("split")?, n).map(Key)
    }

    /// New keys in an array of a shape, as `jax.random.split` of one; those of [`split_n`](Key::split_n) in row-major order.
    ///
    /// # Panics
    /// Where [`try_split_shape`](Key::try_split_shape) returns an error.
    #[track_caller]
    pub fn split_shape(&self, shape: impl AsRef<[usize]>) -> Key {
        unwrap(self.try_split_shape(shape))
    }

    /// As [`split_shape`](Key::split_shape).
    ///
    /// # Errors
    /// If this is an array of keys; if the size overflows the address space.
    #[track_caller]
    pub fn try_split_shape(&self, shape: impl AsRef<[usize]>) -> Result<Key> {
        let shape = shape.as_ref();
        let words: Shape = shape.iter().copied().chain([2]).collect();
        self.try_split_n(saturating_size(shape))?.0.try_reshape(words).map(Key)
    }

    /// One of an array of keys, or the keys at one index of its first axis; a negative index counts from the end.
    ///
    /// # Panics
    /// Where [`try_at`](Key::try_at) returns an error.
    #[track_caller]
    pub fn at(&self, index: impl Int) -> Key {
        unwrap(self.try_at(index))
    }

    /// As [`at`](Key::at).
    ///
    /// # Errors
    /// If this is one key, or the index is out of range.
    #[track_caller]
    pub fn try_at(&self, index: impl Int) -> Result<Key> {
        if self.shape().is_empty() {
            return Err(Error::argument("at", "takes an array of keys, found one key"));
        }
        self.0.try_index_axis(0, index).map(Key)
    }

    /// The key for a number, for instance that of a step or a layer; an integer scalar, wrapped to 32 bits.
    ///
    /// # Panics
    /// Where [`try_fold_in`](Key::try_fold_in) returns an error.
    #[track_caller]
    pub fn fold_in(&self, data: impl TensorLike) -> Key {
        unwrap(self.try_fold_in(data))
    }

    /// As [`fold_in`](Key::fold_in).
    ///
    /// # Errors
    /// If this is an array of keys, or the number is not an integer scalar.
    #[track_caller]
    pub fn try_fold_in(&self, data: impl TensorLike) -> Result<Key> {
        self.folded("fold_in", data.operand()?)
    }

    #[track_caller]
    fn folded(&self, op: &'static str, data: Tensor) -> Result<Key> {
        let key = self.single(op)?;
        if data.dtype().is_float() {
            return Err(Error::dtype(op, data.dtype(), "an integer"));
        }
        random_bits::fold_in(key, convert_wrapping(&data, DType::U32, false)?).map(Key)
    }
}

impl Tree for Key {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        visit(Token::Leaf(&self.0));
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        leaves.push(self.0);
    }

    fn build(from: &mut Builder<'_>) -> Result<Key> {
        from.leaf().map(Key)
    }
}
