//! Jacobians and Hessians: `jacrev`, `jacfwd`, `hessian`, a pullback or directional derivative for each basis vector.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{jvp, vjp, vmap};
use crate::array::{Aval, Shape};
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::ops::{create, zeros_of};
use crate::tree::{self, Structure, Tree};

/// A result of a function of `P`, and the type of its derivative: the same tree with a `P` for every leaf.
pub trait Jacobian<P: Tree>: Tree {
    /// The derivative.
    type Out: Tree;
    /// Takes a row for every leaf of `self`.
    #[doc(hidden)]
    fn assemble(&self, rows: &mut dyn FnMut() -> P) -> Self::Out;
}

impl<P: Tree> Jacobian<P> for Tensor {
    type Out = P;
    fn assemble(&self, rows: &mut dyn FnMut() -> P) -> P {
        rows()
    }
}

impl<P: Tree, R: Jacobian<P>> Jacobian<P> for Vec<R> {
    type Out = Vec<R::Out>;
    fn assemble(&self, rows: &mut dyn FnMut() -> P) -> Vec<R::Out> {
        self.iter().map(|child| child.assemble(rows)).collect()
    }
}

impl<P: Tree, R: Jacobian<P>, const N: usize> Jacobian<P> for [R; N] {
    type Out = [R::Out; N];
    fn assemble(&self, rows: &mut dyn FnMut() -> P) -> [R::Out; N] {
        std::array::from_fn(|i| self[i].assemble(rows))
    }
}

macro_rules! maps {
    ($($key:ty),*) => {
        $(impl<P: Tree, R: Jacobian<P>> Jacobian<P> for BTreeMap<$key, R> {
            type Out = BTreeMap<$key, R::Out>;
            fn assemble(&self, rows: &mut dyn FnMut() -> P) -> Self::Out {
                self.iter().map(|(key, child)| (key.clone(), child.assemble(rows))).collect()
            }
        })*
    };
}

maps!(String, Arc<str>);

macro_rules! tuples {
    ($(($($R:ident $i:tt)*))*) => {
        $(impl<P: Tree, $($R: Jacobian<P>),*> Jacobian<P> for ($($R,)*) {
            type Out = ($($R::Out,)*);
            fn assemble(&self, rows: &mut dyn FnMut() -> P) -> Self::Out {
                ($(self.$i.assemble(rows),)*)
            }
        })*
    };
}

tuples! { (A 0) (A 0 B 1) (A 0 B 1 C 2) (A 0 B 1 C 2 D 3) (A 0 B 1 C 2 D 3 E 4) (A 0 B 1 C 2 D 3 E 4 G 5) }

/// The derivative of every output by every input, by reverse mode: one pullback per output element, all at once.
///
/// For an output leaf of shape `S` and an argument leaf of shape `T` it has shape `S + T`. Best where there are fewer
/// outputs than inputs.
///
/// ```
/// use flaxen::prelude::*;
///
/// let j = jacrev(|x: &Tensor| Ok(x * x))(&Tensor::from([1.0f32, 2.0]))?;
/// assert_eq!(j.to_vec::<f32>()?, [2.0, 0.0, 0.0, 4.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// The returned function returns what `f` returns.
pub fn jacrev<P, R, F>(f: F) -> impl Fn(&P) -> Result<R::Out>
where
    P: Tree + Clone,
    R: Jacobian<P>,
    F: Fn(&P) -> Result<R>,
{
    move |params| {
        let (out, pullback) = vjp(&f, params)?;
        let structure = Structure::of(&out);
        let avals: Vec<Aval> = tree::leaves(&out).into_iter().map(|leaf| leaf.aval().clone()).collect();
        let mut rows = Vec::with_capacity(avals.len());
        for (i, aval) in avals.iter().enumerate() {
            let row = vmap(|ct: Tensor| pullback(&structure.build(with_one(&avals, i, ct)?)));
            rows.push(tree::map(&row.call(basis(aval)?)?, |leaf| split_axis(leaf, 0, &aval.shape))?);
        }
        Ok(assemble(&out, rows))
    }
}

/// The derivative of every output by every input, by forward mode; shapes as [`jacrev`].
///
/// Best where there are fewer inputs than outputs.
///
/// ```
/// use flaxen::prelude::*;
///
/// let j = jacfwd(|x: &Tensor| Ok(x * x))(&Tensor::from([1.0f32, 2.0]))?;
/// assert_eq!(j.to_vec::<f32>()?, [2.0, 0.0, 0.0, 4.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// The returned function returns what `f` returns.
pub fn jacfwd<P, R, F>(f: F) -> impl Fn(&P) -> Result<R::Out>
where
    P: Tree + Clone,
    R: Jacobian<P>,
    F: Fn(&P) -> Result<R>,
{
    move |params| {
        let structure = Structure::of(params);
        let avals: Vec<Aval> = tree::leaves(params).into_iter().map(|leaf| leaf.aval().clone()).collect();
        let mut found: Option<R> = None;
        let mut columns: Vec<Vec<Tensor>> = Vec::with_capacity(avals.len());
        for (j, aval) in avals.iter().enumerate() {
            let column =
                vmap(|tangent: Tensor| jvp(&f, params, &structure.build(with_one(&avals, j, tangent)?)));
            let (out, tangents): (R, R) = column.out_axes((None, -1)).call(basis(aval)?)?;
            let split = |leaf: &Tensor| split_axis(leaf, leaf.rank() - 1, &aval.shape);
            columns.push(tree::leaves(&tangents).into_iter().map(split).collect::<Result<_>>()?);
            found = Some(out);
        }
        let Some(out) = found else {
            return Err(Error::argument("jacfwd", "there is no tensor to differentiate by"));
        };
        let row = |i: usize| structure.build(columns.iter().map(|column| column[i].clone()));
        Ok(assemble(&out, (0..tree::count(&out)).map(row).collect()))
    }
}

/// The second derivative of a scalar function: [`jacfwd`] of its gradient.
///
/// ```
/// use flaxen::prelude::*;
///
/// let h = hessian(|x: &Tensor| Ok((x * x * x).sum()))(&Tensor::from([1.0f32, 2.0]))?;
/// assert_eq!(h.to_vec::<f32>()?, [6.0, 0.0, 0.0, 12.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// The returned function returns what `f` returns, and [`Error::NotScalar`].
pub fn hessian<P, F>(f: F) -> impl Fn(&P) -> Result<P::Out>
where
    P: Jacobian<P> + Clone,
    F: Fn(&P) -> Result<Tensor>,
{
    jacfwd(super::grad(f))
}

fn assemble<P: Tree, R: Jacobian<P>>(out: &R, rows: Vec<P>) -> R::Out {
    let mut rows = rows.into_iter();
    out.assemble(&mut || match rows.next() {
        Some(row) => row,
        None => unreachable!("a row for every leaf"),
    })
}

/// The unit vectors of a shape, along a new axis in front.
fn basis(aval: &Aval) -> Result<Tensor> {
    if !aval.dtype.is_float() {
        return Err(Error::dtype("jacobian", aval.dtype, "floats"));
    }
    let n = aval.size();
    let (row, column) =
        (create::iota([n, n], crate::DType::I64, 0)?, create::iota([n, n], crate::DType::I64, 1)?);
    let shape = crate::ops::prepend(n, &aval.shape);
    row.try_eq(column)?.try_cast(aval.dtype)?.try_reshape(&shape)
}

fn with_one(avals: &[Aval], at: usize, value: Tensor) -> Result<Vec<Tensor>> {
    let zero_or = |(i, aval)| if i == at { Ok(value.clone()) } else { zeros_of(aval) };
    avals.iter().enumerate().map(zero_or).collect()
}

/// Replaces an axis by several of the same size together.
fn split_axis(x: &Tensor, axis: usize, into: &[usize]) -> Result<Tensor> {
    let mut shape: Shape = x.shape().into();
    shape.remove(axis);
    shape.insert_many(axis, into.iter().copied());
    x.try_reshape(&shape)
}
