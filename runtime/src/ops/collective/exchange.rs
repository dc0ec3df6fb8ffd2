//! Talking that gives each example something of the others: `all_gather all_to_all psum_scatter ppermute pshuffle`.

use std::sync::Arc;

use smallvec::smallvec;

use super::{AxisNames, Collective, axis_size, between_ranks};
use crate::array::{Array, Aval, DType, Shape};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::{CollectiveOp, Op};
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace;
use crate::core::trace::{Axis, bind1};
use crate::error::{Error, Result};
use crate::ops::axes::Int;
use crate::ops::{axis_of, cotangent, prepend, unpack};

/// Each example gets the value of another one, or zeros.
#[derive(Clone, PartialEq)]
struct Permute {
    name: Arc<str>,
    /// As that of [`Collective`].
    between_ranks: bool,
    /// Whose value each example gets.
    source: Vec<Option<usize>>,
}

impl Primitive for Permute {
    fn name(&self) -> &'static str {
        "ppermute"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok(smallvec![args[0].clone()])
    }

    fn op(&self) -> Op<'_> {
        Op::Collective(CollectiveOp::Permute, &self.name)
    }

    fn has_effects(&self) -> bool {
        self.between_ranks
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    // What was sent one way comes back the other way.
    fn vjp(&self, _residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        let mut source = vec![None; self.source.len()];
        for (to, from) in self.source.iter().enumerate() {
            if let Some(from) = from {
                source[*from] = Some(to);
            }
        }
        Ok(smallvec![Some(bind1(&Permute { source, ..self.clone() }, [cotangent(cts)])?)])
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        if axis.name.as_ref() != Some(&self.name) {
            return Ok((smallvec![bind1(self, args)?], mapped.into()));
        }
        let [x] = unpack(args);
        let all = if mapped[0] { x } else { x.try_broadcast_to(prepend(axis.size, x.shape()))? };
        let rows: Vec<i32> = self.source.iter().map(|from| from.unwrap_or(0) as i32).collect();
        let mut out = all.try_take_clip(Tensor::of(rows, DType::I32), 0)?;
        if self.source.contains(&None) {
            let mut shape = Shape::from_elem(1, out.rank());
            shape[0] = axis.size;
            let sent: Vec<bool> = self.source.iter().map(Option::is_some).collect();
            out = Tensor::from(sent).try_reshape(shape)?.try_select(&out, out.like(0.0))?;
        }
        Ok((smallvec![out], smallvec![true]))
    }

    fn collectives(&self) -> &[Arc<str>] {
        std::slice::from_ref(&self.name)
    }

    on_cpu!();
}

impl CpuRules for Permute {
    fn eval(&self, args: Args<Array>, _outs: Outs<Aval>) -> Result<Outs<Array>> {
        let [x] = unpack(args);
        Ok(smallvec![between_ranks::transport(&self.name)?.permute(x, &self.source)?])
    }
}

impl std::fmt::Debug for Permute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ppermute[axis_name={} source={:?}]", self.name, self.source)
    }
}

/// The axis `at` and the `count - 1` behind it as one.
#[track_caller]
fn merged(x: &Tensor, at: usize, count: usize) -> Result<Tensor> {
    let mut shape: Shape = x.shape().into();
    let size = shape.drain(at..at + count).product();
    shape.insert(at, size);
    x.try_reshape(shape)
}

/// The axis `at`, cut into as many pieces as there are examples: an axis of pieces, and one of what is in a piece.
#[track_caller]
fn cut(op: &'static str, x: &Tensor, at: usize, examples: usize) -> Result<Tensor> {
    let mut shape: Shape = x.shape().into();
    if !shape[at].is_multiple_of(examples) {
        let found = format!("an axis of {} for {examples} examples", shape[at]);
        return Err(Error::shape(op, found, "a multiple of the number of examples"));
    }
    shape[at] /= examples;
    shape.insert(at, examples);
    x.try_reshape(shape)
}

/// For an axis as long as there are examples: what this example has at `j` becomes what example `j` had for it.
#[track_caller]
fn exchanged(op: &'static str, x: &Tensor, names: &[&str], at: usize) -> Result<Tensor> {
    let examples = axis_size(names)?;
    if x.shape()[at] != examples {
        let found = format!("an axis of {} for {examples} examples", x.shape()[at]);
        return Err(Error::shape(op, found, "an axis as long as there are examples"));
    }
    let mut shape: Shape = x.shape().into();
    shape.remove(at);
    for (i, name) in names.iter().enumerate() {
        shape.insert(at + i, axis_size(*name)?);
    }
    let mut x = x.try_reshape(shape)?;
    for (i, name) in names.iter().enumerate() {
        x = bind1(&Collective::new(CollectiveOp::AllToAll { axis: at + i }, name), [x])?;
    }
    merged(&x, at, names.len())
}

/// # Exchanges over named axes
impl Tensor {
    /// The values of all examples of the `vmap`s with these axis names, stacked along a new axis, or, if `tiled`, one behind the other
    /// along the axis.
    ///
    /// ```
    /// use flaxen::prelude::*;
    ///
    /// let both = vmap(|x: Tensor| x.all_gather("i", 0)).axis_name("i");
    /// assert_eq!(both.call(Tensor::from([1.0f32, 2.0]))?.to_vec::<f32>()?, [1.0, 2.0, 1.0, 2.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::UnboundAxis`] if no `vmap` around here names such an axis; if `axis` is out of range.
    #[track_caller]
    pub fn all_gather(&self, names: impl AxisNames, axis: impl Int) -> Result<Tensor> {
        let axis = axis_of("all_gather", axis, self.rank() + 1)?;
        let names = names.names();
        let mut all = self.clone();
        for name in names.iter().rev() {
            let kind = CollectiveOp::Gather { axis, size: axis_size(*name)? };
            all = bind1(&Collective::new(kind, name), [all])?;
        }
        match names.len() {
            0 => all.try_expand_dims([axis as isize]),
            1 => Ok(all),
            count => merged(&all, axis, count),
        }
    }

    /// The values of all examples of the `vmap`s with these axis names, one behind the other along an axis: `jax.lax.all_gather` with
    /// `tiled`.
    ///
    /// # Errors
    /// As [`all_gather`](Tensor::all_gather).
    #[track_caller]
    pub fn all_gather_tiled(&self, names: impl AxisNames, axis: impl Int) -> Result<Tensor> {
        let axis = axis_of("all_gather", axis, self.rank())?;
        merged(&self.all_gather(names, axis as isize)?, axis, 2)
    }

    /// Sends to example `j` of the `vmap`s with these axis names what is at `j` along `split_axis`, and stacks what comes along a new
    /// axis of the result, `concat_axis`: the axis that is split is as long as there are examples, and gone.
    ///
    /// ```
    /// use flaxen::prelude::*;
    ///
    /// let turned = vmap(|row: Tensor| row.all_to_all("i", 0, 0)).axis_name("i");
    /// let x = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(turned.call(x)?.to_vec::<f32>()?, [1.0, 3.0, 2.0, 4.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::UnboundAxis`] if no `vmap` around here names such an axis; if an axis is out of range, or has another length.
    #[track_caller]
    pub fn all_to_all(
        &self,
        names: impl AxisNames,
        split_axis: impl Int,
        concat_axis: impl Int,
    ) -> Result<Tensor> {
        let split = axis_of("all_to_all", split_axis, self.rank())?;
        let concat = axis_of("all_to_all", concat_axis, self.rank())?;
        let moved = self.try_move_axis(split as isize, 0)?;
        exchanged("all_to_all", &moved, &names.names(), 0)?.try_move_axis(0, concat as isize)
    }

    /// As [`all_to_all`](Tensor::all_to_all), but both axes stay: one is cut into as many pieces as there are examples, and the pieces
    /// that come are put one behind the other along the other one.
    ///
    /// # Errors
    /// As [`all_to_all`](Tensor::all_to_all).
    #[track_caller]
    pub fn all_to_all_tiled(
        &self,
        names: impl AxisNames,
        split_axis: impl Int,
        concat_axis: impl Int,
    ) -> Result<Tensor> {
        let op = "all_to_all";
        let split = axis_of(op, split_axis, self.rank())?;
        let concat = axis_of(op, concat_axis, self.rank())?;
        let names = names.names();
        let pieces = cut(op, self, split, axis_size(&names[..])?)?.try_move_axis(split as isize, 0)?;
        let come = exchanged(op, &pieces, &names, 0)?.try_move_axis(0, concat as isize)?;
        merged(&come, concat, 2)
    }

    /// The sum over the examples of the `vmap`s with these axis names, of which each example gets what is at its own number along an
    /// axis: that is as long as there are examples, and gone.
    ///
    /// # Errors
    /// [`Error::UnboundAxis`] if no `vmap` around here names such an axis; if the axis is out of range, or has another length.
    #[track_caller]
    pub fn psum_scatter(&self, names: impl AxisNames, scatter_dimension: isize) -> Result<Tensor> {
        let at = axis_of("psum_scatter", scatter_dimension, self.rank())?;
        exchanged("psum_scatter", self, &names.names(), at)?.try_sum_axes(at as isize)
    }

    /// As [`psum_scatter`](Tensor::psum_scatter), but the axis stays: each example gets one of as many pieces as there are examples.
    ///
    /// # Errors
    /// As [`psum_scatter`](Tensor::psum_scatter).
    #[track_caller]
    pub fn psum_scatter_tiled(&self, names: impl AxisNames, scatter_dimension: isize) -> Result<Tensor> {
        let op = "psum_scatter";
        let at = axis_of(op, scatter_dimension, self.rank())?;
        let names = names.names();
        let pieces = cut(op, self, at, axis_size(&names[..])?)?;
        pieces.psum_scatter(&names[..], at as isize)
    }

    /// Sends values between the examples of the `vmap` with this axis name: for each pair, from its first example to its second. An
    /// example that nothing is sent to gets zeros.
    ///
    /// ```
    /// use flaxen::prelude::*;
    ///
    /// let shifted = vmap(|x: Tensor| x.ppermute("i", &[(0, 1), (1, 2)])).axis_name("i");
    /// assert_eq!(shifted.call(Tensor::from([5.0f32, 6.0, 7.0]))?.to_vec::<f32>()?, [0.0, 5.0, 6.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::UnboundAxis`] if no `vmap` around here names this axis; if an example is not there, or sends or gets twice.
    #[track_caller]
    pub fn ppermute(&self, name: &str, permutation: &[(usize, usize)]) -> Result<Tensor> {
        let examples = axis_size(name)?;
        let (mut source, mut has_sent) = (vec![None; examples], vec![false; examples]);
        for &(from, to) in permutation {
            if from >= examples || to >= examples {
                let message = format!("the pair ({from}, {to}) among {examples} examples");
                return Err(Error::argument("ppermute", message));
            }
            if has_sent[from] || source[to].is_some() {
                let message =
                    format!("pairs {permutation:?}: each example sends once at most, and gets once at most");
                return Err(Error::argument("ppermute", message));
            }
            has_sent[from] = true;
            source[to] = Some(from);
        }
        let (name, between_ranks) = trace::axis_called(name);
        bind1(&Permute { name, between_ranks, source }, [self.clone()])
    }

    /// Gives example `i` of the `vmap` with this axis name the value of example `permutation[i]`.
    ///
    /// # Errors
    /// As [`ppermute`](Tensor::ppermute); if there is not one number for each example.
    #[track_caller]
    pub fn pshuffle(&self, name: &str, permutation: &[usize]) -> Result<Tensor> {
        if permutation.len() != axis_size(name)? {
            let message = format!("{} numbers for {} examples", permutation.len(), axis_size(name)?);
            return Err(Error::argument("pshuffle", message));
        }
        let pairs: Vec<(usize, usize)> = permutation.iter().copied().zip(0..).collect();
        self.ppermute(name, &pairs)
    }
}
