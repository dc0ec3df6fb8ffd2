//! `fori_loop`: a loop over the integers of a range.

use std::ops::Range;
use std::panic::Location;

use super::scan::scan;
use super::while_loop::while_loop_at;
use crate::array::DType;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::kernels::arrays::convert;
use crate::ops::{promoted, scalar_array};
use crate::tree::Tree;

const OP: &str = "fori_loop";

/// Applies `body` to each integer of a range and a state, which becomes the next one.
///
/// As `jax.lax.fori_loop`. The body is traced once; it gets the integer as a tensor without axes, a bare number if the bounds are
/// integers of Rust. The state keeps its structure, shapes and dtypes. An empty range leaves it as it is.
///
/// If both bounds are known, as integers or as tensors that have values, it is a [`scan`](crate::scan()), with derivatives of all kinds. Bounds
/// that are arguments of a compiled function, or differ between examples of a `vmap`, make it a [`while_loop`](crate::while_loop()), which has
/// no reverse mode.
///
/// ```
/// use flaxen::prelude::*;
///
/// let factorial = fori_loop(1..6, |i, x: Tensor| Ok(x * i));
/// assert_eq!(factorial(Tensor::from(1.0f32))?.item::<f32>()?, 120.0);
///
/// let power = jit(|(x, n): (Tensor, Tensor)| {
///     fori_loop(Tensor::from(0)..n, |_, y: Tensor| Ok(y * &x))(Tensor::from(1.0f32))
/// });
/// assert_eq!(power.call((Tensor::from(2.0f32), Tensor::from(10)))?.item::<f32>()?, 1024.0);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// The returned function returns what `body` returns; if a bound is no single integer, or does not fit into 32 bits; if the state
/// changes its structure, a shape or a dtype.
#[track_caller]
pub fn fori_loop<S, B, F>(bounds: B, body: F) -> impl Fn(S) -> Result<S>
where
    S: Tree,
    B: Bounds,
    F: Fn(Tensor, S) -> Result<S>,
{
    let location = Location::caller();
    move |state: S| {
        let (lower, upper) = bounds.bounds()?;
        for bound in [&lower, &upper] {
            bound.check_open()?;
            if bound.rank() > 0 || !bound.dtype().is_integer() {
                let found = format!("a bound {}", bound.aval());
                return Err(Error::shape(OP, found, "a single integer; `vmap` loops for each example"));
            }
        }
        let known = (number(&lower), number(&upper));
        let [lower, upper] = promoted([lower, upper])?;
        if let (Ok(first), Ok(end)) = known {
            let count = usize::try_from(end.saturating_sub(first)).unwrap_or(0);
            // In the carry and not as slices, which would take memory for every step.
            let step = |(i, state): (Tensor, S), (): ()| Ok(((i.try_add(1)?, body(i, state)?), ()));
            let ((_, state), ()) = scan(step).length(count).call((lower, state), ())?;
            return Ok(state);
        }
        let goes_on = |(i, _): &(Tensor, S)| i.try_lt(&upper);
        let step = |(i, state): (Tensor, S)| Ok((i.try_add(1)?, body(i, state)?));
        Ok(while_loop_at(location, goes_on, step)((lower, state))?.1)
    }
}

/// The value of a bound, if it has one.
fn number(bound: &Tensor) -> Result<i64> {
    // Without an operation, which a trace around would record.
    Tensor::from(convert(bound.array()?, DType::I64, false)).item()
}

/// A range of integers, from the first up to but without the last: of Rust's own, or of tensors without axes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no range of integers to loop over",
    note = "write `0..n` with integers, or with tensors of integers on both sides"
)]
pub trait Bounds {
    /// The first integer, and the one behind the last.
    ///
    /// # Errors
    /// If one does not fit into 32 bits.
    fn bounds(&self) -> Result<(Tensor, Tensor)>;
}

impl Bounds for Range<Tensor> {
    fn bounds(&self) -> Result<(Tensor, Tensor)> {
        Ok((self.start.clone(), self.end.clone()))
    }
}

impl Bounds for Range<&Tensor> {
    fn bounds(&self) -> Result<(Tensor, Tensor)> {
        Ok((self.start.clone(), self.end.clone()))
    }
}

macro_rules! integers {
    ($($type:ty)*) => {
        $(impl Bounds for Range<$type> {
            fn bounds(&self) -> Result<(Tensor, Tensor)> {
                let bare = |bound: $type| match i32::try_from(bound) {
                    Ok(bound) => Ok(scalar_array(f64::from(bound), DType::I32, true).into()),
                    Err(_) => Err(Error::argument(OP, format!("the bound {bound} does not fit into 32 bits"))),
                };
                Ok((bare(self.start)?, bare(self.end)?))
            }
        })*
    };
}

integers!(i32 i64 isize u32 u64 usize);
