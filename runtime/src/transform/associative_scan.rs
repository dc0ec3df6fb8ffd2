//! `associative_scan`: what all elements up to each one become, in a logarithmic number of steps.

use std::marker::PhantomData;

use crate::array::Shape;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::ops::axes::Int;
use crate::ops::axis_of;
use crate::ops::range;
use crate::tree::{self, Structure, Tree};

/// A scan by an associative function; see [`associative_scan`].
pub struct AssociativeScan<F, T> {
    f: F,
    reverse: bool,
    axis: isize,
    types: PhantomData<fn(T) -> T>,
}

/// Combines all elements up to each one, along axis 0 of every leaf, by an associative function.
///
/// Element `i` of the result is `f(…f(f(x₀, x₁), x₂)…, xᵢ)`. As the brackets do not matter, pairs of neighbours are combined at once: the
/// function is called with many elements at a time, along the axis, about `2 · log₂ n` times, and has to treat them one by one,
/// as operators on tensors do. It is the odd-even algorithm of Blelloch, "Prefix sums and their applications" (1990), as in JAX.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::associative_scan;
///
/// let products = associative_scan(|a: Tensor, b| Ok(a * b));
/// assert_eq!(products.call(Tensor::from([1.0f32, 2.0, 3.0, 4.0]))?.to_vec::<f32>()?, [1.0, 2.0, 6.0, 24.0]);
///
/// // The states s = a · s_before + b of a linear recurrence.
/// let compose = |(a, b): (Tensor, Tensor), (c, d): (Tensor, Tensor)| Ok((&a * &c, b * c + d));
/// let halves = (Tensor::from([0.5f32; 3]), Tensor::from([1.0f32, 1.0, 1.0]));
/// let (_, states) = associative_scan(compose).call(halves)?;
/// assert_eq!(states.to_vec::<f32>()?, [1.0, 1.5, 1.75]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn associative_scan<T, F>(f: F) -> AssociativeScan<F, T>
where
    T: Tree,
    F: Fn(T, T) -> Result<T>,
{
    AssociativeScan { f, reverse: false, axis: 0, types: PhantomData }
}

impl<F, T> AssociativeScan<F, T>
where
    T: Tree,
    F: Fn(T, T) -> Result<T>,
{
    /// Goes from the last element to the first: element `i` is what `i`, …, `n − 1` become, the last of them the first argument.
    #[must_use]
    pub fn reverse(self) -> Self {
        AssociativeScan { reverse: true, ..self }
    }

    /// The axis that the elements are along, of every leaf; negative ones count from its end.
    #[must_use]
    pub fn axis(self, axis: impl Int) -> Self {
        AssociativeScan { axis: axis.int(), ..self }
    }

    /// Scans the elements: leaves `[.., n, ..]` to leaves of the same shapes and dtypes.
    ///
    /// # Errors
    /// What the function returns; if leaves have no such axis, or not the same number of elements along it; if the function returns
    /// another structure, shape or dtype than that of its arguments.
    pub fn call(&self, elements: T) -> Result<T> {
        let mut count: Option<usize> = None;
        let mut axes = Vec::new();
        for (path, leaf) in tree::leaves_with_path(&elements) {
            let axis = axis_of("associative_scan", self.axis, leaf.rank())?;
            let (found, expected) = (leaf.shape()[axis], *count.get_or_insert(leaf.shape()[axis]));
            if found != expected {
                let found = format!("{found} elements at `{path}`");
                return Err(Error::shape("associative_scan", found, format!("{expected} along the axis")));
            }
            axes.push(axis as isize);
        }
        let structure = Structure::of(&elements);
        let mut leaves = Vec::new();
        elements.into_leaves(&mut leaves);
        let flipped = |leaves: Vec<Tensor>| -> Result<Vec<Tensor>> {
            if !self.reverse {
                return Ok(leaves);
            }
            leaves.iter().zip(&axes).map(|(leaf, &axis)| leaf.try_flip([axis])).collect()
        };
        let scanned = self.scan(&structure, &axes, count.unwrap_or(0), flipped(leaves)?)?;
        Ok(structure.build(flipped(scanned)?))
    }

    /// Neighbours are combined, the half as many are scanned, and what is between them follows from one more combination each.
    fn scan(
        &self,
        structure: &Structure,
        axes: &[isize],
        count: usize,
        all: Vec<Tensor>,
    ) -> Result<Vec<Tensor>> {
        if count < 2 {
            return Ok(all);
        }
        // Every second element of all leaves, from one on.
        let half = |range: range::Slice| -> Result<Vec<Tensor>> {
            all.iter().zip(axes).map(|(leaf, &axis)| leaf.try_slice_axis_step(axis, range, 2)).collect()
        };
        let pairs = self.combine(structure, half((..-1).into())?, half((1..).into())?)?;
        let odd = self.scan(structure, axes, count / 2, pairs)?;
        let first = |leaves: &[Tensor], count: usize| -> Result<Vec<Tensor>> {
            leaves.iter().zip(axes).map(|(leaf, &axis)| leaf.try_slice_axis(axis, 0..count)).collect()
        };
        let mut even = first(&all, 1)?;
        if count > 2 {
            // Elements 2, 4, … need what is up to the one before.
            let rest = self.combine(structure, first(&odd, (count - 1) / 2)?, half((2..).into())?)?;
            for ((even, rest), &axis) in even.iter_mut().zip(rest).zip(axes) {
                *even = Tensor::try_concatenate(&[even.clone(), rest], axis)?;
            }
        }
        even.iter().zip(&odd).zip(axes).map(|((even, odd), &axis)| interleave(even, odd, axis)).collect()
    }

    fn combine(&self, structure: &Structure, a: Vec<Tensor>, b: Vec<Tensor>) -> Result<Vec<Tensor>> {
        let avals: Vec<_> = a.iter().map(|leaf| leaf.aval().clone()).collect();
        let out = (self.f)(structure.build(a), structure.build(b))?;
        if let Some(message) = structure.difference(&out) {
            let context =
                "the function of `associative_scan` returns another structure than its arguments have";
            return Err(Error::Structure { context, message });
        }
        for ((path, leaf), aval) in tree::leaves_with_path(&out).into_iter().zip(&avals) {
            if leaf.shape() != &aval.shape[..] || leaf.dtype() != aval.dtype {
                let found = format!("a function that returns {} at `{path}`", leaf.aval());
                return Err(Error::shape("associative_scan", found, format!("{aval}, as its arguments are")));
            }
        }
        let mut leaves = Vec::new();
        out.into_leaves(&mut leaves);
        Ok(leaves)
    }
}

/// Elements of two in turn; the first has as many as the second or one more.
fn interleave(even: &Tensor, odd: &Tensor, axis: isize) -> Result<Tensor> {
    let at = axis as usize;
    let pairs = odd.shape()[at] as isize;
    let together = Tensor::try_stack(&[even.try_slice_axis(axis, 0..pairs)?, odd.clone()], axis + 1)?;
    let mut shape: Shape = odd.shape().into();
    shape[at] *= 2;
    let together = together.try_reshape(shape)?;
    if even.shape()[at] == odd.shape()[at] {
        return Ok(together);
    }
    Tensor::try_concatenate(&[together, even.try_slice_axis(axis, pairs..)?], axis)
}
