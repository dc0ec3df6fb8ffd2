//! `map`: a function of one slice over all, one after the other or some at a time.

use std::marker::PhantomData;

use super::scan::scan;
use super::vmap::vmap;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::ops::prepend;
use crate::tree::{self, Structure, Tree};

/// A function that is applied to slice after slice; see [`map`].
pub struct Map<F, X, Y> {
    f: F,
    batch_size: Option<usize>,
    types: PhantomData<fn(X) -> Y>,
}

/// Applies a function to each slice along axis 0 of every leaf, one after the other.
///
/// As `jax.lax.map`: what [`vmap`](crate::vmap()) computes, in the memory of one slice, or of as many as
/// [`batch_size`](Map::batch_size) says.
///
/// ```
/// use flaxen::map;
/// use flaxen::prelude::*;
///
/// let norms = map(|x: Tensor| Ok((&x * &x).sum())).call(Tensor::from([[3.0f32, 4.0], [0.0, 2.0]]))?;
/// assert_eq!(norms.to_vec::<f32>()?, [25.0, 4.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn map<X, Y, F>(f: F) -> Map<F, X, Y>
where
    X: Tree,
    Y: Tree,
    F: Fn(X) -> Result<Y>,
{
    Map { f, batch_size: None, types: PhantomData }
}

impl<F, X, Y> Map<F, X, Y>
where
    X: Tree,
    Y: Tree,
    F: Fn(X) -> Result<Y>,
{
    /// How many slices are computed at a time, by [`vmap`](crate::vmap()); those that are left at the end are computed together.
    ///
    /// ```
    /// use flaxen::map;
    /// use flaxen::prelude::*;
    ///
    /// let x = Tensor::arange(0.0f32, 10.0, 1.0);
    /// let y = map(|x: Tensor| Ok(x * 2.0)).batch_size(4).call(x.clone())?;
    /// assert_eq!(y.to_vec::<f32>()?, (x * 2.0).to_vec::<f32>()?);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    #[must_use]
    pub fn batch_size(self, slices: usize) -> Self {
        Map { batch_size: Some(slices), ..self }
    }

    /// Maps leaves `[n, ..]` to leaves `[n, ..]`.
    ///
    /// # Errors
    /// What the function returns; if there is no leaf, a leaf is a scalar, or not all have the same number of slices; if the batch
    /// size is 0.
    #[track_caller]
    pub fn call(&self, xs: X) -> Result<Y> {
        let count = slices(&xs)?;
        let Some(size) = self.batch_size.filter(|_| count > 0) else {
            let ((), ys) = scan(|(): (), x: X| Ok(((), (self.f)(x)?))).call((), xs)?;
            return Ok(ys);
        };
        if size == 0 {
            return Err(Error::argument("map", "a batch size of 0: use 1 for slice after slice"));
        }
        let structure = Structure::of(&xs);
        let mut leaves = Vec::new();
        xs.into_leaves(&mut leaves);
        let whole = count - count % size;
        let part = |start: usize, end: usize| -> Result<Vec<Tensor>> {
            leaves.iter().map(|leaf| leaf.try_slice_axis(0, start..end)).collect()
        };
        let together = |xs: X| vmap(|x: X| (self.f)(x)).call(xs);
        let first: Option<Y> = if whole == 0 {
            None
        } else {
            let batches = part(0, whole)?.into_iter().map(|leaf| {
                let shape = prepend(whole / size, &prepend(size, &leaf.shape()[1..]));
                leaf.try_reshape(shape)
            });
            let batches: X = structure.build(batches.collect::<Result<Vec<_>>>()?);
            let ((), ys) = scan(|(): (), xs: X| Ok(((), together(xs)?))).call((), batches)?;
            Some(tree::map(&ys, |y| y.try_reshape(prepend(whole, &y.shape()[2..])))?)
        };
        if whole == count
            && let Some(first) = first
        {
            return Ok(first);
        }
        let rest = together(structure.build(part(whole, count)?))?;
        match first {
            Some(first) => {
                tree::zip_map(&first, &rest, |a, b| Tensor::try_concatenate(&[a.clone(), b.clone()], 0))
            }
            None => Ok(rest),
        }
    }
}

/// The number of slices, which all leaves have.
fn slices(xs: &impl Tree) -> Result<usize> {
    let mut count = None;
    for (path, leaf) in tree::leaves_with_path(xs) {
        let Some(&found) = leaf.shape().first() else {
            return Err(Error::shape("map", format!("a scalar at `{path}`"), "an axis to take slices along"));
        };
        let expected = *count.get_or_insert(found);
        if found != expected {
            return Err(Error::shape(
                "map",
                format!("{found} slices at `{path}`"),
                format!("{expected}, as elsewhere"),
            ));
        }
    }
    count.ok_or_else(|| Error::argument("map", "an argument without tensors, so without slices"))
}
