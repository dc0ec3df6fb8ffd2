//! Collectives of whole trees: each leaf talks over the named axes, whose examples are those of a [`vmap`](crate::vmap()), or the ranks
//! of a [`World`](crate::parallel::World) in [`spmd`](crate::parallel::spmd()).
//!
//! ```
//! use flaxen::collectives;
//! use flaxen::prelude::*;
//!
//! let means = vmap(|pair: (Tensor, Tensor)| collectives::pmean(&pair, "batch")).axis_name("batch").out_axes(None);
//! let (x, y) = means.call((Tensor::from([1.0f32, 3.0]), Tensor::from([10.0f32, 30.0])))?;
//! assert_eq!((x.item::<f32>()?, y.item::<f32>()?), (2.0, 20.0));
//! # Ok::<(), flaxen::Error>(())
//! ```

use crate::core::Tensor;
use crate::error::Result;
use crate::ops::axes::Int;
use crate::ops::collective::AxisNames;
pub use crate::ops::collective::{axis_index, axis_size};
use crate::tree::{self, Tree};

macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident;)*) => { $(
        $(#[$doc])*
        ///
        /// # Errors
        /// [`Error::UnboundAxis`](crate::Error::UnboundAxis) if no `vmap` around here names such an axis.
        #[track_caller]
        pub fn $name<T: Tree>(tree: &T, names: impl AxisNames) -> Result<T> {
            let names = names.names();
            tree::map(tree, |x| x.$name(&names[..]))
        }
    )* };
}

reductions! {
    /// The sums of all leaves over the examples of the `vmap`s with these axis names.
    psum;
    /// The means of all leaves over the examples of the `vmap`s with these axis names.
    pmean;
    /// The largest values of all leaves among the examples of the `vmap`s with these axis names.
    pmax;
    /// The smallest values of all leaves among the examples of the `vmap`s with these axis names.
    pmin;
}

/// [`Tensor::all_gather`] of all leaves, or, if `tiled`, [`Tensor::all_gather_tiled`].
///
/// # Errors
/// What these return.
#[track_caller]
pub fn all_gather<T: Tree>(tree: &T, names: impl AxisNames, axis: impl Int, tiled: bool) -> Result<T> {
    let names = names.names();
    let gather = |x: &Tensor| {
        if tiled { x.all_gather_tiled(&names[..], axis) } else { x.all_gather(&names[..], axis) }
    };
    tree::map(tree, gather)
}

/// [`Tensor::all_to_all`] of all leaves, or, if `tiled`, [`Tensor::all_to_all_tiled`].
///
/// # Errors
/// What these return.
#[track_caller]
pub fn all_to_all<T: Tree>(
    tree: &T,
    names: impl AxisNames,
    split_axis: impl Int,
    concat_axis: impl Int,
    tiled: bool,
) -> Result<T> {
    let names = names.names();
    tree::map(tree, |x| {
        if tiled {
            x.all_to_all_tiled(&names[..], split_axis, concat_axis)
        } else {
            x.all_to_all(&names[..], split_axis, concat_axis)
        }
    })
}

/// [`Tensor::psum_scatter`] of all leaves, or, if `tiled`, [`Tensor::psum_scatter_tiled`].
///
/// # Errors
/// What these return.
#[track_caller]
pub fn psum_scatter<T: Tree>(
    tree: &T,
    names: impl AxisNames,
    scatter_dimension: isize,
    tiled: bool,
) -> Result<T> {
    let names = names.names();
    tree::map(tree, |x| {
        if tiled {
            x.psum_scatter_tiled(&names[..], scatter_dimension)
        } else {
            x.psum_scatter(&names[..], scatter_dimension)
        }
    })
}

/// [`Tensor::ppermute`] of all leaves.
///
/// # Errors
/// What that returns.
#[track_caller]
pub fn ppermute<T: Tree>(tree: &T, name: &str, permutation: &[(usize, usize)]) -> Result<T> {
    tree::map(tree, |x| x.ppermute(name, permutation))
}

/// [`Tensor::pshuffle`] of all leaves.
///
/// # Errors
/// What that returns.
#[track_caller]
pub fn pshuffle<T: Tree>(tree: &T, name: &str, permutation: &[usize]) -> Result<T> {
    tree::map(tree, |x| x.pshuffle(name, permutation))
}
