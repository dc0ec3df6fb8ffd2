//! Reverse mode (reverse accumulation on a tape, Linnainmaa 1970): `grad`, `value_and_grad`, `vjp`.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::array::Aval;
use crate::core::Tensor;
use crate::core::trace;
use crate::core::trace::Trace;
use crate::core::trace::tape::{Backward, Tape};
use crate::error::{Error, Result};
use crate::ops::{convert, zeros_of};
use crate::tree::{self, Structure, Tree};

/// What a differentiated function returns: a scalar, or a scalar and whatever else it computed.
#[diagnostic::on_unimplemented(
    message = "a function under `grad` returns `Result<Tensor>` or `Result<(Tensor, Aux)>`, not `Result<{Self}>`",
    note = "`Aux` can be any `Tree`; wrap data that is not tensors in `Static`"
)]
pub trait Loss: Tree {
    /// The scalar to differentiate.
    fn loss(&self) -> &Tensor;
}

impl Loss for Tensor {
    fn loss(&self) -> &Tensor {
        self
    }
}

impl<Aux: Tree> Loss for (Tensor, Aux) {
    fn loss(&self) -> &Tensor {
        &self.0
    }
}

/// The gradient of a function that returns a float scalar, or such a scalar and more.
///
/// The result has the structure of the argument. Integer and boolean leaves have no gradient; theirs are zeros. Forward
/// values are concrete, so printing and control flow on them work.
///
/// ```
/// use flaxen::prelude::*;
///
/// let df = grad(|x: &Tensor| Ok((x * x * x).sum()));
/// assert_eq!(df(&Tensor::from([1.0f32, 2.0]))?.to_vec::<f32>()?, [3.0, 12.0]);
///
/// // Gradients of gradients, and of trees.
/// let ddf = grad(grad(|x: &Tensor| Ok(x * x * x)));
/// assert_eq!(ddf(&Tensor::from(2.0f32))?.item::<f32>()?, 12.0);
/// let (dw, db) = grad(|(w, b): &(Tensor, Tensor)| Ok(w * 3.0 + b))(&(Tensor::from(2.0f32), Tensor::from(1.0f32)))?;
/// assert_eq!((dw.item::<f32>()?, db.item::<f32>()?), (3.0, 1.0));
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Kinks
/// Where a function has no derivative, it has here the one that JAX 0.10.2 gives it: that of [`abs`](Tensor::abs) at 0 is 1, also
/// at −0, and so that of the 1-norm; at a tie of [`maximum`](Tensor::maximum), [`minimum`](Tensor::minimum) and
/// [`clip`](Tensor::clip) each gets half; [`max`](Tensor::max) and [`min`](Tensor::min) share equally among all that tie;
/// [`relu`](Tensor::relu), [`relu6`](Tensor::relu6) and [`clamp`](Tensor::clamp) have 0 at their bounds, and roundings and
/// [`sign`](Tensor::sign) everywhere; a sorted element takes its gradient to where it was. These differ, where JAX's values are
/// not derivatives:
///
/// | function | at | here | JAX 0.10.2 | why |
/// |---|---|---|---|---|
/// | [`pow`](Tensor::pow), by the base | exponent 0, base 0 or NaN | 0 | NaN | `x⁰` is 1 for every `x` |
/// | [`logaddexp`](Tensor::logaddexp) | a number `x` and +∞ | 0 and 1 | `eˣ` and 1 | the greater one decides |
/// | [`logaddexp`](Tensor::logaddexp) | two equal infinities | ½ each | 1 each; NaN at −∞ | shares sum to 1 |
/// | [`cumlogsumexp`](Tensor::cumlogsumexp) | infinities | as `logaddexp` | as `logaddexp` | as `logaddexp` |
/// | [`digamma`](Tensor::digamma) | +∞ | 0 | NaN | the limit |
/// | [`reduce_window`](Tensor::reduce_window), product | anywhere | the derivative | an error | JAX has it in forward mode only |
///
/// # Errors
/// The returned function returns what `f` returns, and [`Error::NotScalar`].
pub fn grad<P, R, F>(f: F) -> impl Fn(&P) -> Result<P>
where
    P: Tree,
    R: Loss,
    F: Fn(&P) -> Result<R>,
{
    let f = value_and_grad(f);
    move |params| Ok(f(params)?.1)
}

/// What a function returns, and its gradient; see [`grad`].
///
/// ```
/// use flaxen::prelude::*;
///
/// let f = value_and_grad(|x: &Tensor| Ok((x * x, x + 1.0)));
/// let ((loss, aux), dx) = f(&Tensor::from(3.0f32))?;
/// assert_eq!((loss.item::<f32>()?, aux.item::<f32>()?, dx.item::<f32>()?), (9.0, 4.0, 6.0));
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// The returned function returns what `f` returns, and [`Error::NotScalar`].
pub fn value_and_grad<P, R, F>(f: F) -> impl Fn(&P) -> Result<(R, P)>
where
    P: Tree,
    R: Loss,
    F: Fn(&P) -> Result<R>,
{
    move |params| {
        let (tape, out) = record(&f, params)?;
        let loss = out.loss();
        if loss.rank() != 0 || !loss.dtype().is_float() {
            return Err(Error::NotScalar { shape: loss.shape().into(), dtype: loss.dtype().name() });
        }
        let (primal, id) = tape.open(loss.clone());
        let seeds = id.map(|id| (id, primal.like(1.0))).into_iter().collect();
        let out = tree::map(&out, |leaf| Ok(tape.open(leaf.clone()).0))?;
        let watched = tree::count(params);
        let grads = tape.finish().run_once(seeds, watched)?;
        Ok((out, with_zeros(params, grads)?))
    }
}

/// What a function returns at a point, and a function from the cotangent of that to the cotangent of the argument.
///
/// ```
/// use flaxen::prelude::*;
///
/// let (y, pullback) = vjp(|x: &Tensor| Ok(x * x), &Tensor::from([1.0f32, 2.0]))?;
/// assert_eq!(y.to_vec::<f32>()?, [1.0, 4.0]);
/// assert_eq!(pullback(&Tensor::from([1.0f32, 10.0]))?.to_vec::<f32>()?, [2.0, 40.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// What `f` returns. The pullback: if its argument has another structure, shape or dtype than the result.
pub fn vjp<P, R, F>(f: F, params: &P) -> Result<(R, impl Fn(&R) -> Result<P> + use<P, R, F>)>
where
    P: Tree + Clone,
    R: Tree,
    F: Fn(&P) -> Result<R>,
{
    let (out, (), pullback) = vjp_with_aux(|params: &P| Ok((f(params)?, ())), params)?;
    Ok((out, move |cts: &R| pullback.call(cts)))
}

/// A function from the cotangent of a result to that of the parameters.
pub(crate) struct VjpPullback<P, R> {
    backward: Backward,
    params: P,
    /// Where on the tape the outputs are; None for what does not depend on the parameters.
    ids: Vec<Option<usize>>,
    structure: Structure,
    avals: Vec<Aval>,
    result: PhantomData<fn(&R)>,
}

/// As [`vjp`] of the first of two results; the second one comes along.
pub(crate) fn vjp_with_aux<P, R, A>(
    f: impl Fn(&P) -> Result<(R, A)>,
    params: &P,
) -> Result<(R, A, VjpPullback<P, R>)>
where
    P: Tree + Clone,
    R: Tree,
    A: Tree,
{
    let (tape, (out, aux)) = record(&f, params)?;
    let ids: Vec<_> = tree::leaves(&out).into_iter().map(|leaf| tape.open(leaf.clone()).1).collect();
    let out = tree::map(&out, |leaf| Ok(tape.open(leaf.clone()).0))?;
    let aux = tree::map(&aux, |leaf| Ok(tape.open(leaf.clone()).0))?;
    let structure = Structure::of(&out);
    let avals: Vec<_> = tree::leaves(&out).into_iter().map(|leaf| leaf.aval().clone()).collect();
    let (backward, params) = (tape.finish(), params.clone());
    Ok((out, aux, VjpPullback { backward, params, ids, structure, avals, result: PhantomData }))
}

impl<P: Tree, R: Tree> VjpPullback<P, R> {
    /// The cotangent of the parameters.
    pub(crate) fn call(&self, cts: &R) -> Result<P> {
        if let Some(message) = self.structure.difference(cts) {
            return Err(Error::Structure {
                context: "the cotangent differs from the result of `vjp`",
                message,
            });
        }
        let mut seeds = Vec::new();
        for ((id, ct), aval) in self.ids.iter().zip(tree::leaves(cts)).zip(&self.avals) {
            if ct.shape() != &aval.shape[..] {
                let found = format!("{:?}", ct.shape());
                return Err(Error::shape("vjp", found, format!("a cotangent of shape {:?}", aval.shape)));
            }
            // Integers have no gradient, whatever their cotangent is.
            if let Some(id) = id.filter(|_| aval.dtype.is_inexact()) {
                seeds.push((id, convert(ct, aval.dtype, false)?));
            }
        }
        let grads = self.backward.run(seeds, tree::count(&self.params))?;
        with_zeros(&self.params, grads)
    }
}

/// Runs `f` on watched copies of the leaves, which are numbered in order.
pub(super) fn record<P: Tree, R: Tree>(f: impl Fn(&P) -> Result<R>, params: &P) -> Result<(Arc<Tape>, R)> {
    let tape = Tape::new(trace::current());
    let watched = tree::map(params, |leaf| {
        leaf.check_open()?;
        Ok(tape.watch(leaf.clone()))
    })?;
    let out = trace::run(Trace::Tape(tape.clone()), || f(&watched))?;
    // A value of another, finished transform must not leave through the result.
    tree::leaves(&out).into_iter().filter(|leaf| !tape.owns(leaf)).try_for_each(Tensor::check_open)?;
    Ok((tape, out))
}

pub(super) fn with_zeros<P: Tree>(params: &P, grads: Vec<Option<Tensor>>) -> Result<P> {
    let filled: Vec<Tensor> = grads
        .into_iter()
        .zip(tree::leaves(params))
        .map(|(ct, leaf)| match ct {
            Some(ct) => convert(&ct, leaf.dtype(), false),
            None => zeros_of(leaf.aval()),
        })
        .collect::<Result<_>>()?;
    Ok(Structure::of(params).build(filled))
}
