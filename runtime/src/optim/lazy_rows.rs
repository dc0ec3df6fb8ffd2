//! Optimizers that leave rows without a gradient alone.

use super::{ExtraArgs, GradientTransformation};
use crate::core::Tensor;
use crate::error::Result;
use crate::tree::{Structure, Tree, leaves, leaves_with_path};

/// A transformation of the rows that have a gradient; see [`lazy_rows`].
#[derive(Clone, Debug)]
pub struct LazyRows<T>(T);

/// Transforms only rows that have a gradient: where all of a row of a matrix's gradient (an index of its first axis) is zero, its update is zero,
/// and what `inner` remembers of it stays as it is.
///
/// It is for tables of which a step reads a few rows, as of embeddings: momentum does not move rows that were not read, and moments of
/// theirs do not decay. That is `SparseAdam` of PyTorch, and `LazyAdam` of TensorFlow, for any transformation. In a compiled step, rows
/// without a gradient are then not even read, where the gradient of the table is that of [`take`](Tensor::take) or an
/// [`Embed`](crate::nn::Embed), and parameters and states are [given away](crate::jit).
///
/// Leaves of fewer than two axes are transformed as a whole. Of the state, what has the path and shape of a leaf of the parameters, behind a
/// path of its own, belongs to that; everything else, as the number of steps, goes on.
///
/// ```
/// use flaxen::prelude::*;
///
/// let tx = optim::lazy_rows(optim::adam(0.1));
/// let params = Tensor::ones([3, 2]);
/// let gradients = Tensor::from([[0.0f32, 0.0], [1.0, 2.0], [0.0, 0.0]]);
/// let (updates, state) = tx.update(&gradients, &tx.init(&params), &params)?;
/// // Another step moves the second row only, too.
/// let (updates, _) = tx.update(&gradients, &state, &optim::apply_updates(&params, &updates)?)?;
/// let moved = updates.ne(0.0).any_axes([1]);
/// assert_eq!(moved.to_vec::<bool>()?, [false, true, false]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn lazy_rows<T>(inner: T) -> LazyRows<T> {
    LazyRows(inner)
}

impl<P: Tree + Clone, T: GradientTransformation<P>> GradientTransformation<P> for LazyRows<T> {
    type State = T::State;

    fn init(&self, params: &P) -> Self::State {
        self.0.init(params)
    }

    fn update(&self, updates: &P, state: &Self::State, params: &P) -> Result<(P, Self::State)> {
        self.update_with(updates, state, params, &ExtraArgs::new())
    }

    fn update_with(
        &self,
        updates: &P,
        state: &Self::State,
        params: &P,
        extra: &ExtraArgs<'_, P>,
    ) -> Result<(P, Self::State)> {
        let (new, next) = self.0.update_with(updates, state, params, extra)?;
        let read = leaves(updates).into_iter().map(rows_with_gradient).collect::<Result<Vec<_>>>()?;
        let updates = leaves(&new).into_iter().zip(&read).map(|(new, read)| match read {
            Some(read) => read.try_select(new, new.like(0.0)),
            None => Ok(new.clone()),
        });
        let updates = Structure::of(&new).build(updates.collect::<Result<Vec<Tensor>>>()?);
        let names = |path: crate::tree::Path| format!("/{}", path.join("/"));
        let owners: Vec<(String, &Tensor)> =
            leaves_with_path(params).into_iter().map(|(path, leaf)| (names(path), leaf)).collect();
        let before = leaves(state);
        let states = leaves_with_path(&next).into_iter().enumerate().map(|(i, (path, new))| {
            let path = names(path);
            let owners = owners.iter().zip(&read).filter(|((owner, leaf), _)| {
                (owner.len() == 1 || path.ends_with(owner.as_str())) && leaf.shape() == new.shape()
            });
            // Of a path that ends in several, the longest.
            let owner = owners.max_by_key(|((owner, _), _)| owner.len()).and_then(|(_, read)| read.as_ref());
            match (owner, before.get(i)) {
                (Some(read), Some(old)) if old.aval() == new.aval() => read.try_select(new, *old),
                _ => Ok(new.clone()),
            }
        });
        let states = states.collect::<Result<Vec<Tensor>>>()?;
        Ok((updates, Structure::of(&next).build(states)))
    }
}

/// Which rows have a gradient, `[rows, 1, ..]`; none for what has no rows.
fn rows_with_gradient(gradient: &Tensor) -> Result<Option<Tensor>> {
    if gradient.rank() < 2 {
        return Ok(None);
    }
    let within: Vec<isize> = (1..gradient.rank() as isize).collect();
    let mut shape = vec![1; gradient.rank()];
    shape[0] = gradient.shape()[0];
    Ok(Some(gradient.try_ne(gradient.like(0.0))?.try_any_axes(within)?.try_reshape(shape)?))
}
