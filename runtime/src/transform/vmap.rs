//! `vmap`: vectorization, one function over a whole batch.

use std::marker::PhantomData;
use std::sync::Arc;

use super::axes::Axes;
use crate::core::trace;
use crate::core::trace::batch::Batch;
use crate::core::trace::{Axis, Trace};
use crate::error::{Error, Result};
use crate::tree::{self, Structure, Tree};

/// A function over a new axis; see [`vmap`].
pub struct Vmap<F, I, O, A = isize, B = isize> {
    f: F,
    name: Option<Arc<str>>,
    size: Option<usize>,
    in_axes: A,
    out_axes: B,
    types: PhantomData<fn(I) -> O>,
}

/// Maps a function over axis 0 of every input and output, without a loop.
///
/// ```
/// use flaxen::prelude::*;
///
/// // A scalar function over a vector; and only over the first of two arguments.
/// let f = vmap(|x: Tensor| Ok(x.sin() * 2.0));
/// assert_eq!(f.call(Tensor::from([0.0f32, 0.0, 0.0]))?.shape(), [3]);
/// let g = vmap(|(x, w): (Tensor, Tensor)| Ok((x * w).sum())).in_axes((0, None));
/// let out = g.call((Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]), Tensor::from([10.0f32, 1.0])))?;
/// assert_eq!(out.to_vec::<f32>()?, [12.0, 34.0]);
///
/// // Gradients per example.
/// let per_example = vmap(|x: Tensor| grad(|x: &Tensor| Ok(x * x))(&x));
/// assert_eq!(per_example.call(Tensor::from([1.0f32, 2.0]))?.to_vec::<f32>()?, [2.0, 4.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn vmap<I, O, F>(f: F) -> Vmap<F, I, O>
where
    I: Tree,
    O: Tree,
    F: Fn(I) -> Result<O>,
{
    Vmap { f, name: None, size: None, in_axes: 0, out_axes: 0, types: PhantomData }
}

impl<F, I, O, A, B> Vmap<F, I, O, A, B>
where
    I: Tree,
    O: Tree,
    F: Fn(I) -> Result<O>,
    A: Axes<I>,
    B: Axes<O>,
{
    /// Names the axis, so that [`pmean`](crate::Tensor::pmean) and its like can talk over it.
    pub fn axis_name(self, name: &str) -> Self {
        Vmap { name: Some(name.into()), ..self }
    }

    /// The number of examples, where no argument says so.
    pub fn axis_size(self, size: usize) -> Self {
        Vmap { size: Some(size), ..self }
    }

    /// Which axis of which input is mapped: an axis, `None`, or a tuple of these.
    pub fn in_axes<A2: Axes<I>>(self, in_axes: A2) -> Vmap<F, I, O, A2, B> {
        Vmap {
            f: self.f,
            name: self.name,
            size: self.size,
            in_axes,
            out_axes: self.out_axes,
            types: PhantomData,
        }
    }

    /// Where the new axis of each output goes; `None` for one that does not differ between examples.
    pub fn out_axes<B2: Axes<O>>(self, out_axes: B2) -> Vmap<F, I, O, A, B2> {
        Vmap {
            f: self.f,
            name: self.name,
            size: self.size,
            in_axes: self.in_axes,
            out_axes,
            types: PhantomData,
        }
    }

    /// Calls the function on a whole batch.
    ///
    /// # Errors
    /// What `f` returns; if the mapped axes differ in size or there are none; if an output with `out_axes` None differs
    /// between examples.
    #[track_caller]
    pub fn call(&self, args: I) -> Result<O> {
        let mut axes = Vec::new();
        self.in_axes.broadcast_prefix(&args, &mut axes);
        let structure = Structure::of(&args);
        let mut leaves = Vec::new();
        args.into_leaves(&mut leaves);

        // Inside, the mapped axis is the first one of every leaf that has it.
        let mut sizes: Vec<usize> = self.size.into_iter().collect();
        for (leaf, axis) in leaves.iter_mut().zip(&axes) {
            if let Some(axis) = axis {
                if leaf.rank() == 0 {
                    let found = "a scalar to map over";
                    return Err(Error::shape(
                        "vmap",
                        found,
                        "an axis: say `None` in `in_axes` for what is not mapped",
                    ));
                }
                *leaf = leaf.try_move_axis(*axis, 0)?;
                sizes.push(leaf.shape()[0]);
            }
        }
        sizes.dedup();
        let [size] = sizes[..] else { return Err(Error::AxisSize { found: sizes }) };

        let batch = Batch::new(trace::current(), Axis { name: self.name.clone(), size });
        let inner = leaves.into_iter().zip(axes).map(|(leaf, axis)| batch.wrap(leaf, axis.is_some()));
        let inner = structure.build(inner);
        let out = trace::run(Trace::Batch(batch.clone()), || (self.f)(inner))?;

        let mut axes = Vec::new();
        self.out_axes.broadcast_prefix(&out, &mut axes);
        let mut axes = axes.into_iter();
        tree::map_with_path(&out, |path, leaf| {
            let axis = axes.next().flatten();
            match (batch.open(leaf.clone()), axis) {
                ((value, mapped), None) if !mapped => {
                    value.check_open()?;
                    Ok(value)
                }
                ((value, true), Some(axis)) => value.try_move_axis(0, axis),
                // The same for every example: repeated, as the caller asks for an axis.
                ((value, false), Some(axis)) => {
                    let whole = crate::ops::prepend(size, value.shape());
                    value.try_broadcast_to(&whole)?.try_move_axis(0, axis)
                }
                (_, None) => {
                    let axis = self.name.as_deref().map(str::to_owned);
                    Err(Error::MappedOutput { path: path.to_string(), axis })
                }
            }
        })
    }
}
