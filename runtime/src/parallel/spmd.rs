//! `spmd`: the same function on all ranks, each with its part of the data.

use std::marker::PhantomData;
use std::sync::Arc;

use super::World;
use crate::core::{Tensor, trace};
use crate::error::{Error, Result};
use crate::transform::Axes;
use crate::tree::{self, Structure, Tree};

/// A function of one rank; see [`spmd`].
pub struct Spmd<F, I, O, A = isize, B = isize> {
    f: F,
    name: Option<Arc<str>>,
    in_axes: A,
    out_axes: B,
    types: PhantomData<fn(I) -> O>,
}

/// Makes a function that all ranks run at once: single program, multiple data.
///
/// With [`axis_name`](Spmd::axis_name), `psum`, `pmean`, `pmax`, `pmin`, `all_gather`, `all_to_all`, `psum_scatter`, `ppermute` and
/// `axis_index` over that name talk between ranks, exactly as they do between the examples of a [`vmap`](crate::vmap()). All ranks must
/// call them in the same order, so what decides how a function goes on has to be the same on all of them.
///
/// ```
/// use flaxen::parallel::{World, spmd};
/// use flaxen::prelude::*;
///
/// let means = World::threads(2).run(|world| {
///     let x = Tensor::from([1.0f32, 2.0]) + world.rank() as f32 * 10.0;
///     spmd(|x: Tensor| x.pmean("batch")).axis_name("batch").run(world, x)?.to_vec::<f32>()
/// })?;
/// assert_eq!(means, [[6.0, 7.0], [6.0, 7.0]]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn spmd<I, O, F>(f: F) -> Spmd<F, I, O>
where
    I: Tree,
    O: Tree,
    F: Fn(I) -> Result<O>,
{
    Spmd { f, name: None, in_axes: 0, out_axes: 0, types: PhantomData }
}

impl<F, I, O, A, B> Spmd<F, I, O, A, B>
where
    I: Tree,
    O: Tree,
    F: Fn(I) -> Result<O>,
    A: Axes<I>,
    B: Axes<O>,
{
    /// Names the axis of ranks, so that collectives can talk over it.
    #[must_use]
    pub fn axis_name(self, name: &str) -> Self {
        Spmd { name: Some(name.into()), ..self }
    }

    /// Along which axis of which input the data of all ranks are cut into parts, as `in_axes` of [`vmap`](crate::vmap()); the
    /// first one unless told otherwise, `None` for what all ranks get.
    #[must_use]
    pub fn in_axes<A2: Axes<I>>(self, in_axes: A2) -> Spmd<F, I, O, A2, B> {
        Spmd { f: self.f, name: self.name, in_axes, out_axes: self.out_axes, types: PhantomData }
    }

    /// Along which axis of each output the results of all ranks are put one behind the other; `None` for what is the same on all of
    /// them.
    #[must_use]
    pub fn out_axes<B2: Axes<O>>(self, out_axes: B2) -> Spmd<F, I, O, A, B2> {
        Spmd { f: self.f, name: self.name, in_axes: self.in_axes, out_axes, types: PhantomData }
    }

    /// Runs the function on this rank, with the part of the data that is its own: `args` and the result are those of this rank alone,
    /// whatever [`in_axes`](Spmd::in_axes) and [`out_axes`](Spmd::out_axes) say.
    ///
    /// # Errors
    /// What the function returns; what its collectives return, see [`Transport`](super::Transport); outside of
    /// [`World::run`](super::World::run), where there is no rank.
    pub fn run(&self, world: &World, args: I) -> Result<O> {
        let Some(transport) = world.transport() else {
            return Err(Error::argument(
                "spmd",
                "a world of threads that were not started: call it within `world.run(|world| ..)`, or `run_whole`",
            ));
        };
        match &self.name {
            None => (self.f)(args),
            Some(name) => {
                let whole_process = world.is_whole_process();
                trace::ranks::named(name, world.id(), transport, whole_process, || (self.f)(args))
            }
        }
    }
}

impl<F, I, O, A, B> Spmd<F, I, O, A, B>
where
    I: Tree + Send + Sync,
    O: Tree + Send,
    F: Fn(I) -> Result<O> + Sync,
    A: Axes<I> + Sync,
    B: Axes<O> + Sync,
{
    /// Cuts `args` into as many parts as the world has threads, runs the function on each with its own, and puts the results together:
    /// both axes stay, as those of examples do not under [`vmap`](crate::vmap()).
    ///
    /// ```
    /// use flaxen::parallel::{World, spmd};
    /// use flaxen::prelude::*;
    ///
    /// let centred = spmd(|x: Tensor| Ok(&x - x.mean().pmean("batch")?)).axis_name("batch");
    /// let x = Tensor::from([1.0f32, 2.0, 3.0, 6.0]);
    /// assert_eq!(centred.run_whole(&World::threads(2), x)?.to_vec::<f32>()?, [-2.0, -1.0, 0.0, 3.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`run`](Spmd::run); if an axis cannot be cut into so many equal parts; within another transform, or on a rank.
    pub fn run_whole(&self, world: &World, args: I) -> Result<O> {
        if world.transport().is_some() {
            return Err(Error::argument(
                "spmd",
                "`run_whole` on a rank, which has a part of the data: call `run`",
            ));
        }
        let mut axes = Vec::new();
        self.in_axes.broadcast_prefix(&args, &mut axes);
        let structure = Structure::of(&args);
        let leaves: Vec<Tensor> = tree::leaves(&args).into_iter().cloned().collect();
        for leaf in &leaves {
            leaf.array()?;
        }
        let parts = leaves.iter().zip(&axes).map(|(leaf, axis)| parts(leaf, *axis, world.size()));
        let parts: Vec<Vec<Tensor>> = parts.collect::<Result<_>>()?;
        let outs = world.run(|world| {
            let own = structure.build(parts.iter().map(|parts| parts[world.rank()].clone()));
            self.run(world, own)
        })?;
        self.joined(&outs)
    }

    fn joined(&self, outs: &[O]) -> Result<O> {
        let mut axes = Vec::new();
        self.out_axes.broadcast_prefix(&outs[0], &mut axes);
        let all: Vec<Vec<&Tensor>> = outs.iter().map(tree::leaves).collect();
        let join = |(i, axis): (usize, &Option<isize>)| {
            let parts: Vec<Tensor> = all.iter().map(|leaves| leaves[i].clone()).collect();
            match axis {
                None => Ok(parts[0].clone()),
                Some(axis) => Tensor::try_concatenate(&parts, *axis),
            }
        };
        let joined = axes.iter().enumerate().map(join).collect::<Result<Vec<_>>>()?;
        Ok(Structure::of(&outs[0]).build(joined))
    }
}

/// Equal parts of a value along an axis; the value itself for each, if there is none.
fn parts(x: &Tensor, axis: Option<isize>, count: usize) -> Result<Vec<Tensor>> {
    match axis {
        None => Ok(vec![x.clone(); count]),
        Some(axis) => x.try_split(count, axis),
    }
}
