//! Elements chosen from several tensors.

use super::paired::{functions, methods};
use crate::array::{DType, promote};
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result};
use crate::ops::convert;

/// A function of a part of the numbers.
type Piece<'f> = dyn Fn(&Tensor) -> Result<Tensor> + 'f;

/// In the dtype of their mixture.
fn alike(op: &'static str, tensors: &[Tensor]) -> Result<Vec<Tensor>> {
    if tensors.is_empty() {
        return Err(Error::argument(op, "no tensors to choose from"));
    }
    let (dtype, weak) = promote(tensors.iter().map(Tensor::aval));
    tensors.iter().map(|tensor| convert(tensor, dtype, weak)).collect()
}

/// The case that `which` counts; the first and the last for what is outside.
#[track_caller]
fn counted(which: &Tensor, cases: &[Tensor]) -> Result<Tensor> {
    let mut cases = cases.iter().enumerate().rev();
    let Some((_, last)) = cases.next() else { return Err(Error::argument("select_n", "no cases")) };
    let mut chosen = last.clone();
    for (at, case) in cases {
        chosen = which.try_le(at as i32)?.try_select(case, chosen)?;
    }
    Ok(chosen)
}

functions! {
    /// For each element the case that `which` counts from 0, as `lax.select_n`; a boolean takes the second case where it is true.
    ///
    /// All broadcast. What is outside is the first or the last case.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let cases = [Tensor::from([1i32, 2, 3]), Tensor::from(10), Tensor::from(20)];
    /// let chosen = Tensor::select_n(&Tensor::from([0i32, 2, 1]), &cases);
    /// assert_eq!(chosen.to_vec::<i32>()?, [1, 20, 10]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    select_n try_select_n(which: &Tensor, cases: &[Tensor]) -> Tensor,
    fails "If there are no cases, more than two for booleans, `which` is a float, or shapes do not broadcast."
    {
        let cases = alike("select_n", cases)?;
        match which.dtype() {
            DType::Bool if cases.len() > 2 => {
                Err(Error::argument("select_n", format!("{} cases for booleans: give two", cases.len())))
            }
            DType::Bool => counted(&which.try_cast(DType::I32)?, &cases),
            dtype if dtype.is_integer() => counted(which, &cases),
            dtype => Err(Error::dtype("select_n", dtype, "integers or booleans")),
        }
    };

    /// For each element the choice of the first condition that is true, and `default` where none is, as `jnp.select`.
    ///
    /// Conditions are boolean; all broadcast.
    #[doc(alias = "select")]
    select_from try_select_from(
        conditions: &[Tensor],
        choices: &[Tensor],
        default: impl TensorLike,
    ) -> Tensor, fails "If there is not one choice for each condition, or shapes do not broadcast."
    {
        if conditions.len() != choices.len() || choices.is_empty() {
            let message = format!("{} conditions and {} choices", conditions.len(), choices.len());
            return Err(Error::argument("select_from", format!("{message}: give one choice for each")));
        }
        let all: Vec<Tensor> = std::iter::once(default.operand()?).chain(choices.iter().cloned()).collect();
        let all = alike("select_from", &all)?;
        let mut chosen = all[0].clone();
        for (condition, choice) in conditions.iter().zip(&all[1..]).rev() {
            chosen = condition.try_select(choice, chosen)?;
        }
        Ok(chosen)
    };
}

methods! {
    => "Selections by cases";
    /// For each of these integers the element of the choice that it counts, as `jnp.choose` with `mode="clip"`.
    choose try_choose(choices: &[Tensor]) -> Tensor, fails "If these are no integers, there are no choices, or shapes do not broadcast."
    |x| {
        if !x.dtype().is_integer() {
            return Err(Error::dtype("choose", x.dtype(), "integers"));
        }
        Tensor::try_select_n(x, choices).map_err(|error| error.called("choose"))
    };

    /// For each element the function of the last condition that is true, of those elements, as `jnp.piecewise`.
    ///
    /// Where no condition is true it is the function that comes after those of the conditions, or 0 if there is none. All functions
    /// are evaluated of all elements; results are cast to this tensor's dtype.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([-2.0f32, 0.0, 2.0]);
    /// let y = x.piecewise(&[x.lt(0.0)], &[&|x: &Tensor| Ok(-x), &|x: &Tensor| Ok(x * 2.0)]);
    /// assert_eq!(y.to_vec::<f32>()?, [2.0, 0.0, 4.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    piecewise try_piecewise(
        conditions: &[Tensor],
        functions: &[&Piece<'_>],
    ) -> Tensor, fails "If there are not as many functions as conditions, or one more, or a function fails."
    |x| {
        let extra = match functions.len().checked_sub(conditions.len()) {
            Some(0) => None,
            Some(1) => functions.last(),
            _ => {
                let message = format!("{} conditions and {} functions", conditions.len(), functions.len());
                let advice = "give as many functions as conditions, or one more for the rest";
                return Err(Error::argument("piecewise", format!("{message}: {advice}")));
            }
        };
        let mut chosen = match extra {
            Some(function) => function(x)?.try_cast(x.dtype())?,
            None => x.like(0.0),
        };
        for (condition, function) in conditions.iter().zip(functions) {
            chosen = condition.try_select(function(x)?.try_cast(x.dtype())?, chosen)?;
        }
        chosen.try_broadcast_to(x.shape())
    };
}
