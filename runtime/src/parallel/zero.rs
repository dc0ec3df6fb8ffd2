//! Optimizers whose state is shared out among ranks: stage 1 of ZeRO (S. Rajbhandari and others, "ZeRO: memory optimizations toward
//! training trillion parameter models", 2020).

use std::collections::BTreeMap;

use crate::core::Tensor;
use crate::error::{self, Error, Result};
use crate::ops::collective::{axis_index, axis_size};
use crate::optim::{ExtraArgs, GradientTransformation};
use crate::transform::eval_shape;
use crate::tree::{self, Structure, Tree};
use crate::variables::partition_spec;

/// A transformation whose state is shared out among ranks; see [`zero`].
#[derive(Clone, Debug)]
pub struct Zero<T> {
    inner: T,
    name: String,
}

/// Shares out the state of an optimizer among the ranks of a named axis: each keeps and updates its part, and all of them gather the
/// updates of the parameters, which they have whole.
///
/// What is shared out, the metadata of parameters says: of a value in a box whose axis has this name
/// ([`Partitioned`](crate::variables::Partitioned)), each rank has as many rows along that axis as all others. Values without such
/// an axis, and those whose axis cannot be cut into so many equal parts, are updated by each rank, as without this.
///
/// It is for transformations that treat each number by itself, as Adam does. One that looks at whole values, such as
/// [`clip_by_global_norm`](crate::optim::clip_by_global_norm), comes before it in a chain, outside of it. Gradients are to be the same on
/// all ranks: average them first.
///
/// ```
/// use flaxen::parallel::{World, spmd, zero};
/// use flaxen::prelude::*;
/// use flaxen::variables::{Boxed, Partitioned};
///
/// let kernel = Boxed::new(Tensor::ones([4, 3]), Partitioned::new(["ranks", ""]));
/// let params = Dict::from([("kernel", kernel)]).with("bias", Tensor::ones([3]));
/// let states = World::threads(2).run(|world| {
///     let tx = zero(optim::adam(0.1), "ranks");
///     let step = |params: Dict| {
///         let state = tx.init(&params);
///         let (updates, state) = tx.update(&params, &state, &params)?;
///         Ok((optim::apply_updates(&params, &updates)?, state.0.mu))
///     };
///     spmd(step).axis_name("ranks").run(world, params.clone())
/// })?;
/// let (params, mu) = &states[0];
/// assert_eq!(tree::leaves(params)[1].shape(), [4, 3]);
/// assert_eq!(tree::leaves(mu)[1].shape(), [2, 3]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn zero<T>(inner: T, axis_name: impl Into<String>) -> Zero<T> {
    Zero { inner, name: axis_name.into() }
}

/// Along which axis each leaf is shared out.
type Cuts = Vec<Option<usize>>;

impl<T> Zero<T> {
    /// Which axes of `params` have the name, and can be cut.
    fn cuts(&self, params: &impl Tree) -> Result<Cuts> {
        let ranks = axis_size(&self.name)?;
        let specs = partition_spec(params);
        let by_path: BTreeMap<String, usize> = specs
            .iter()
            .filter_map(|(path, spec)| {
                let axis = spec?.names().position(|name| name == Some(&*self.name))?;
                Some((path.join("/"), axis))
            })
            .collect();
        // The path of a leaf is that of the box it is in, and what leads to it from there.
        let axis_of = |path: &str| {
            by_path
                .get(path)
                .or_else(|| path.rmatch_indices('/').find_map(|(at, _)| by_path.get(&path[..at])))
        };
        let cut = |(path, leaf): (tree::Path, &Tensor)| {
            let axis = *axis_of(&path.join("/"))?;
            leaf.shape().get(axis)?.is_multiple_of(ranks).then_some(axis)
        };
        Ok(tree::leaves_with_path(params).into_iter().map(cut).collect())
    }

    /// The part of a tree that is this rank's.
    fn part<P: Tree>(&self, tree: &P, cuts: &Cuts) -> Result<P> {
        let (rank, ranks) = (axis_index(&self.name)?, axis_size(&self.name)?);
        let mut cuts = cuts.iter();
        tree::map(tree, |leaf| match cuts.next() {
            Some(&Some(axis)) => {
                let rows = leaf.shape()[axis] / ranks;
                leaf.try_dynamic_slice_axis(axis, rank.try_mul(rows as i32)?, rows)
            }
            _ => Ok(leaf.clone()),
        })
    }

    /// A tree of the parts of all ranks, which are sent as one flat array.
    fn gathered<P: Tree>(&self, tree: &P, cuts: &Cuts) -> Result<P> {
        let ranks = axis_size(&self.name)?;
        let mut leaves: Vec<Tensor> = tree::leaves(tree).into_iter().cloned().collect();
        let mut dtypes: Vec<_> = leaves.iter().map(Tensor::dtype).collect();
        dtypes.sort_unstable();
        dtypes.dedup();
        for dtype in dtypes {
            let cut = |(at, leaf): (usize, &Tensor)| Some((at, cuts[at]?)).filter(|_| leaf.dtype() == dtype);
            let chosen: Vec<(usize, usize)> = leaves.iter().enumerate().filter_map(cut).collect();
            if chosen.is_empty() {
                continue;
            }
            let rows = |&(at, axis): &(usize, usize)| leaves[at].try_move_axis(axis as isize, 0);
            let parts: Vec<Tensor> = chosen.iter().map(rows).collect::<Result<_>>()?;
            let flat: Vec<Tensor> =
                parts.iter().map(|part| part.try_reshape([part.size()])).collect::<Result<_>>()?;
            let all = Tensor::try_concatenate(&flat, 0)?.all_gather(&self.name, 0)?;
            let mut first = 0;
            for ((at, axis), part) in chosen.into_iter().zip(parts) {
                let own = all.try_slice_axis(1, first..first + part.size())?;
                first += part.size();
                let mut shape = part.shape().to_vec();
                shape[0] *= ranks;
                leaves[at] = own.try_reshape(shape)?.try_move_axis(0, axis as isize)?;
            }
        }
        Structure::of(tree).try_build(leaves)
    }

    /// Which leaves of the state are shared out, as their shapes tell that belong to whole parameters and to parts.
    fn state_cuts<P: Tree>(&self, params: &P) -> Result<Cuts>
    where
        T: GradientTransformation<P>,
    {
        let cuts = self.cuts(params)?;
        let ranks = axis_size(&self.name)?;
        let whole = eval_shape(|params: P| Ok(self.inner.init(&params)), params)?;
        let part = eval_shape(|params: P| Ok(self.inner.init(&self.part(&params, &cuts)?)), params)?;
        let cut = |(whole, part): (&Tensor, &Tensor)| {
            let differs = |axis: &usize| whole.shape()[*axis] == ranks * part.shape()[*axis];
            (0..whole.rank()).find(|axis| whole.shape()[*axis] != part.shape()[*axis] && differs(axis))
        };
        Ok(tree::leaves(&whole).into_iter().zip(tree::leaves(&part)).map(cut).collect())
    }

    /// The state of all ranks in one, as it is without [`zero`]: what is written to a file, so that it can be read by any number of
    /// ranks.
    ///
    /// # Errors
    /// [`Error::UnboundAxis`] outside of [`spmd`](super::spmd()) with an axis of this name.
    pub fn whole_state<P: Tree>(&self, state: &T::State, params: &P) -> Result<T::State>
    where
        T: GradientTransformation<P>,
    {
        self.gathered(state, &self.state_cuts(params)?)
    }

    /// The part of a whole state that is this rank's, for instance of one that was read from a file.
    ///
    /// # Errors
    /// As [`whole_state`](Zero::whole_state); if the state is not one of such parameters.
    pub fn own_state<P: Tree>(&self, whole: &T::State, params: &P) -> Result<T::State>
    where
        T: GradientTransformation<P>,
    {
        let expected = eval_shape(|params: P| Ok(self.inner.init(&params)), params)?;
        let [found, expected] = [whole, &expected].map(|state| {
            tree::leaves(state).into_iter().map(|leaf| leaf.shape().to_vec()).collect::<Vec<_>>()
        });
        if found != expected {
            let message =
                format!("a state of shapes {found:?} for parameters whose whole state has {expected:?}");
            return Err(Error::Structure { context: "the state of an optimizer is shared out", message });
        }
        self.part(whole, &self.state_cuts(params)?)
    }
}

impl<P: Tree, T: GradientTransformation<P>> GradientTransformation<P> for Zero<T> {
    type State = T::State;

    /// The state of this rank's part.
    ///
    /// # Panics
    /// Outside of [`spmd`](super::spmd()) with an axis of this name.
    fn init(&self, params: &P) -> Self::State {
        let part = self.cuts(params).and_then(|cuts| self.part(params, &cuts));
        self.inner.init(&error::unwrap(part))
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
        let cuts = self.cuts(params)?;
        let (updates, params) = (self.part(updates, &cuts)?, self.part(params, &cuts)?);
        let (updates, state) = self.inner.update_with(&updates, state, &params, extra)?;
        Ok((self.gathered(&updates, &cuts)?, state))
    }
}
