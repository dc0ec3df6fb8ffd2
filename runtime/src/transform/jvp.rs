//! Forward mode as the pullback of a pullback.

use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::ops::forward::tangents_of;
use crate::ops::{convert, zeros_of};
use crate::tree::{self, Structure, Tree};

use super::grad::record;

/// What a function returns at a point, and its directional derivative there along `tangents`.
///
/// The pullback of `f` is linear in its cotangent, so *its* pullback is the derivative itself: no primitive needs a rule of
/// its own for forward mode. Under `jit` what only the detour computes is removed.
///
/// ```
/// use flaxen::prelude::*;
///
/// let (y, dy) = jvp(|x: &Tensor| Ok(x * x * x), &Tensor::from(2.0f32), &Tensor::from(10.0f32))?;
/// assert_eq!((y.item::<f32>()?, dy.item::<f32>()?), (8.0, 120.0));
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// What `f` returns; if `tangents` has another structure or other shapes than `primals`.
pub fn jvp<P, R, F>(f: F, primals: &P, tangents: &P) -> Result<(R, R)>
where
    P: Tree,
    R: Tree,
    F: Fn(&P) -> Result<R>,
{
    check(primals, tangents)?;
    let (tape, out) = record(&f, primals)?;
    let (values, ids): (Vec<Tensor>, Vec<Option<usize>>) =
        tree::leaves(&out).into_iter().map(|leaf| tape.open(leaf.clone())).unzip();
    let backward = tape.finish();

    let results: Vec<_> = values.iter().map(|value| value.aval().clone()).zip(ids).collect();
    let out_tangents = tangents_of(backward, &results, &tree::leaves(tangents))?;
    let structure = Structure::of(&out);
    let out_tangents: Vec<Tensor> = out_tangents
        .into_iter()
        .zip(&values)
        .map(|(tangent, value)| match tangent {
            Some(tangent) => convert(&tangent, value.dtype(), false),
            None => zeros_of(value.aval()),
        })
        .collect::<Result<_>>()?;
    Ok((structure.build(values), structure.build(out_tangents)))
}

fn check<P: Tree>(primals: &P, tangents: &P) -> Result<()> {
    if let Some(message) = Structure::of(primals).difference(tangents) {
        return Err(Error::Structure { context: "the tangents of `jvp` differ from the point", message });
    }
    for ((path, primal), tangent) in tree::leaves_with_path(primals).into_iter().zip(tree::leaves(tangents)) {
        if primal.shape() != tangent.shape() {
            let found = format!("{:?} at `{path}`", tangent.shape());
            return Err(Error::shape("jvp", found, format!("a tangent of shape {:?}", primal.shape())));
        }
    }
    Ok(())
}
