//! `scan`: a loop over slices.

use std::marker::PhantomData;

use super::axes::Axes;
use super::carry::{Carry, Prepared};
use crate::array::Aval;
use crate::backend::CPU;
use crate::core::Tensor;
use crate::core::primitive::Args;
use crate::error::{Error, Result};
use crate::ops::axis_of;
use crate::ops::control::scan::{Layout, scan as bind_scan};
use crate::ops::control::unroll::unrolled;
use crate::tree::{self, Structure, Tree};

/// A function that is applied slice after slice; see [`scan`].
pub struct Scan<F, C, X, Y, A = isize, B = isize> {
    f: F,
    length: Option<usize>,
    reverse: bool,
    unroll: usize,
    in_axes: A,
    out_axes: B,
    types: PhantomData<fn(C, X) -> Y>,
}

/// Applies a function to a carry and slice after slice of arrays: from `(carry, x)` to the next carry and a slice of the result.
///
/// As `jax.lax.scan`. The function is traced once, whatever the number of steps; under [`jit`](crate::jit()) its steps are one loop.
/// The carry keeps its structure, shapes and dtypes (a bare number takes on the dtype that it meets). Whatever the arguments
/// are trees of: `()` has no tensors, and then [`length`](Scan::length) says how many steps there are. Under `grad` each step keeps what its
/// own backward step reads; with [`checkpoint`](crate::checkpoint()) around the body that is the carry alone.
///
/// ```
/// use flaxen::prelude::*;
///
/// let sums = scan(|sum: Tensor, x: Tensor| {
///     let sum = sum + x;
///     Ok((sum.clone(), sum))
/// });
/// let (total, partial) = sums.call(Tensor::from(0.0f32), Tensor::from([1.0f32, 2.0, 3.0]))?;
/// assert_eq!(total.item::<f32>()?, 6.0);
/// assert_eq!(partial.to_vec::<f32>()?, [1.0, 3.0, 6.0]);
///
/// let (power, ()) = scan(|x: Tensor, (): ()| Ok((x * 2.0, ()))).length(10).call(Tensor::from(1.0f32), ())?;
/// assert_eq!(power.item::<f32>()?, 1024.0);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn scan<F, C, X, Y>(f: F) -> Scan<F, C, X, Y>
where
    C: Tree,
    X: Tree,
    Y: Tree,
    F: Fn(C, X) -> Result<(C, Y)>,
{
    Scan { f, length: None, reverse: false, unroll: 1, in_axes: 0, out_axes: 0, types: PhantomData }
}

impl<F, C, X, Y, A, B> Scan<F, C, X, Y, A, B>
where
    C: Tree,
    X: Tree,
    Y: Tree,
    F: Fn(C, X) -> Result<(C, Y)>,
    A: Axes<X>,
    B: Axes<Y>,
{
    /// Begins with the last slice. Results stay where their slices are.
    #[must_use]
    pub fn reverse(self) -> Self {
        Scan { reverse: true, ..self }
    }

    /// The number of steps, where no array says so; an error where one says otherwise.
    #[must_use]
    pub fn length(self, length: usize) -> Self {
        Scan { length: Some(length), ..self }
    }

    /// How many steps are one step of the compiled loop; 1 otherwise. More make larger programs, and small steps faster.
    #[must_use]
    pub fn unroll(self, steps: usize) -> Self {
        Scan { unroll: steps.max(1), ..self }
    }

    /// The axis that slices are taken along, and along which results are put together; the first one otherwise.
    #[must_use]
    pub fn axes(self, axis: isize) -> Scan<F, C, X, Y> {
        self.in_axes(axis).out_axes(axis)
    }

    /// Which axis of which array slices are taken along; `None` for what every step reads whole.
    #[must_use]
    pub fn in_axes<A2: Axes<X>>(self, in_axes: A2) -> Scan<F, C, X, Y, A2, B> {
        let Scan { f, length, reverse, unroll, out_axes, types, .. } = self;
        Scan { f, length, reverse, unroll, in_axes, out_axes, types }
    }

    /// Along which axis each result is put together; `None` for one that is that of the last step alone.
    #[must_use]
    pub fn out_axes<B2: Axes<Y>>(self, out_axes: B2) -> Scan<F, C, X, Y, A, B2> {
        let Scan { f, length, reverse, unroll, in_axes, types, .. } = self;
        Scan { f, length, reverse, unroll, in_axes, out_axes, types }
    }

    /// Runs the loop: the last carry, and what all steps made beside it.
    ///
    /// # Errors
    /// What `f` returns; if the arrays disagree on the number of steps, or none says it; if the carry changes its structure, a shape or
    /// a dtype.
    #[track_caller]
    pub fn call(&self, init: C, xs: X) -> Result<(C, Y)> {
        let mut axes = Vec::new();
        self.in_axes.broadcast_prefix(&xs, &mut axes);
        let paths: Vec<tree::Path> = tree::leaves_with_path(&xs).into_iter().map(|(path, _)| path).collect();
        let in_structure = Structure::of(&xs);
        let mut leaves = Vec::new();
        xs.into_leaves(&mut leaves);
        let mut length = self.length;
        for ((leaf, axis), path) in leaves.iter_mut().zip(&axes).zip(&paths) {
            let Some(axis) = *axis else { continue };
            if leaf.rank() == 0 {
                let found = format!("a scalar at `{path}` to take slices of");
                return Err(Error::shape(
                    "scan",
                    found,
                    "an axis; what every step reads is captured, or has `None` in `in_axes`",
                ));
            }
            *leaf = leaf.try_move_axis(axis_of("scan", axis, leaf.rank())? as isize, 0)?;
            let size = leaf.shape()[0];
            if *length.get_or_insert(size) != size {
                let found = format!("{size} slices at `{path}`");
                return Err(Error::shape(
                    "scan",
                    found,
                    format!("{} steps, as elsewhere", length.unwrap_or(0)),
                ));
            }
        }
        let Some(length) = length else {
            return Err(Error::argument(
                "scan",
                "no array says how many steps there are: say so by `.length(n)`",
            ));
        };

        let carry = Carry::new("scan", init);
        let avals: Vec<Aval> = leaves
            .iter()
            .zip(&axes)
            .map(|(leaf, axis)| match axis {
                Some(_) => leaf.aval().with_shape(&leaf.shape()[1..]),
                None => leaf.aval().clone(),
            })
            .collect();
        let Prepared { init, graph, captured, rest } =
            carry.prepare(&in_structure, &avals, |carry: C, x: X| (self.f)(carry, x))?;

        // What every step reads goes in front, among the constants.
        let mut graph = graph;
        let first_x = captured.len() + init.len();
        let is_fixed = |i: usize| i.checked_sub(first_x).is_some_and(|i| axes[i].is_none());
        let (fixed, rest_inputs): (Vec<usize>, Vec<usize>) =
            (0..graph.inputs.len()).partition(|&i| is_fixed(i));
        graph.inputs = fixed.iter().chain(&rest_inputs).map(|&i| graph.inputs[i]).collect();
        let mut args: Args = fixed.iter().map(|&i| leaves[i - first_x].clone()).collect();
        let (consts, count) = (fixed.len() + captured.len(), init.len());
        args.extend(captured);
        args.extend(init);
        let sliced = leaves.into_iter().zip(&axes).filter(|(_, axis)| axis.is_some());
        args.extend(sliced.map(|(leaf, _)| leaf));

        let layout = Layout { consts, carry: count, length, reverse: self.reverse };
        let outs = if self.unroll > 1 {
            unrolled(&graph, CPU, layout, args, self.unroll)?
        } else {
            bind_scan(graph, CPU, layout, args)?
        };
        let mut outs = outs.into_iter();
        let last = carry.structure().build(outs.by_ref().take(count));
        let ys: Y = rest.build(outs);
        let mut axes = Vec::new();
        self.out_axes.broadcast_prefix(&ys, &mut axes);
        let mut axes = axes.into_iter();
        let ys = tree::map(&ys, |y: &Tensor| match axes.next().flatten() {
            Some(axis) => y.try_move_axis(0, axis),
            None => y.try_index_axis(0, if self.reverse { 0 } else { -1 }),
        })?;
        Ok((last, ys))
    }
}
