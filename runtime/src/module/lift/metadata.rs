//! `add_metadata_axis`: what boxes know of an axis, and nothing else.

use super::map_variables::map_variables;
use super::target::Target;
use crate::error::Result;
use crate::variables::{self, Filter, MetadataParams, Variables};

/// Runs a function of modules of the running model whose boxes do not know of an axis that they have outside;
/// `flax.linen.add_metadata_axis`.
///
/// It changes metadata only: what [`vmap`](super::vmap) and [`scan`](super::scan) do to the boxes of a collection with
/// [`axis`](super::VmapOver::axis), for loops of one's own.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::lift;
/// use flaxen::variables::Partitioned;
///
/// #[module]
/// struct Named;
///
/// impl Layer for Named {
///     #[compact]
///     fn call(&self, x: &Tensor) -> Result<Tensor> {
///         let kernel = init::lecun_normal().boxed(Partitioned::new(["in", "out"]));
///         let dense = self.child(Dense::new(2).kernel_init(kernel));
///         lift::add_metadata_axis(&dense, "params", 0, "layers", |dense| dense.call(x))
///     }
/// }
///
/// let variables = Named::new().init(key(0)).call(&Tensor::ones([1, 3]))?;
/// let Value::Boxed(kernel) = variables.at("params/Dense_0/kernel")? else { unreachable!() };
/// assert_eq!(kernel.metadata_as::<Partitioned>(), Some(&Partitioned::new(["layers", "in", "out"])));
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// What the function returns; if a box lacks the axis, or the metadata asks for more than `params` says.
pub fn add_metadata_axis<L: Target, R>(
    target: L,
    collections: impl Into<Filter>,
    axis: isize,
    params: impl Into<MetadataParams>,
    f: impl Fn(&L::Inner) -> Result<R>,
) -> Result<R> {
    let params = params.into();
    let remove = |inside: Variables| variables::remove_axis(&inside, axis, &params);
    let add = |inside: Variables| variables::add_axis(&inside, axis, &params);
    map_variables(target, collections, remove, add).mutable().run(f)
}
