//! The exponential of matrices.

use super::norm::MatrixNorm;
use super::strong;
use crate::array::DType;
use crate::core::Tensor;
use crate::error::Result;
use crate::numpy::paired::methods;
use crate::ops::linalg::square;

/// Squarings at most; more give NaN, as in JAX.
const MAX_SQUARINGS: i32 = 16;

/// The coefficients of the Padé approximants of degree 7 and 13, and the norm up to which each is exact to the last digit (N. J. Higham,
/// "The scaling and squaring method for the matrix exponential revisited", 2005, table 2.3).
const DEGREE_7: (f64, &[f64]) =
    (3.92572478313866, &[17297280.0, 8648640.0, 1995840.0, 277200.0, 25200.0, 1512.0, 56.0, 1.0]);
const DEGREE_13: (f64, &[f64]) = (
    5.371920351148152,
    &[
        64764752532480000.0,
        32382376266240000.0,
        7771770303897600.0,
        1187353796428800.0,
        129060195264000.0,
        10559470521600.0,
        670442572800.0,
        33522128640.0,
        1323241920.0,
        40840800.0,
        960960.0,
        16380.0,
        182.0,
        1.0,
    ],
);

/// The odd and the even terms of the approximant's numerator.
#[track_caller]
fn terms(x: &Tensor, b: &[f64]) -> Result<(Tensor, Tensor)> {
    let n = x.shape()[x.rank() - 1];
    let mut powers = vec![Tensor::eye_of(n, n, 0, x.dtype()), x.try_matmul(x)?];
    powers.push(powers[1].try_matmul(&powers[1])?);
    powers.push(powers[2].try_matmul(&powers[1])?);
    // From coefficient `first` on, every second one.
    let sum = |first: usize, least: usize, count: usize| -> Result<Tensor> {
        let mut sum = powers[least].try_mul(x.like(b[first + 2 * least]))?;
        for (i, power) in powers.iter().enumerate().skip(least + 1).take(count - 1) {
            sum = sum.try_add(power.try_mul(x.like(b[first + 2 * i]))?)?;
        }
        Ok(sum)
    };
    let all = |first: usize| -> Result<Tensor> {
        let low = sum(first, 0, 4)?;
        if b.len() <= 8 {
            return Ok(low);
        }
        // The sixth power times the terms of degree 8, 10 and 12.
        let mut high = powers[1].try_mul(x.like(b[first + 8]))?;
        for i in [2, 3] {
            high = high.try_add(powers[i].try_mul(x.like(b[first + 6 + 2 * i]))?)?;
        }
        low.try_add(powers[3].try_matmul(&high)?)
    };
    Ok((x.try_matmul(&all(1)?)?, all(0)?))
}

methods! {
    => "Linear algebra: exponentials";
    /// The exponential of matrices `[.., n, n]`, `I + x + x²/2 + …`: by a Padé approximant of a part of the matrix, and squarings.
    ///
    /// More than 16 squarings give NaN. Integers give `F32`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let turn = Tensor::from([[0.0f32, -1.0], [1.0, 0.0]]).expm();
    /// let (s, c) = 1f32.sin_cos();
    /// assert!(turn.all_close([[c, -s], [s, c]], 1e-5, 0.0)?);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    expm try_expm() -> Tensor, fails "If the matrices are not square, or the dtype is `F16` or `BF16`." |x| {
        let x = strong(x)?;
        square("expm", x.aval())?;
        if x.size() == 0 {
            return Ok(x);
        }
        let (largest, coefficients) = if x.dtype() == DType::F64 { DEGREE_13 } else { DEGREE_7 };
        let norm = x.try_matrix_norm_keep([-2, -1], MatrixNorm::One)?.stop_gradient();
        let count = norm.try_div(norm.like(largest))?.try_log()?.try_div(norm.like(std::f64::consts::LN_2))?.try_floor()?;
        let count = count.try_maximum(count.like(0.0))?;
        let (odd, even) = terms(&x.try_div(count.like(2.0).try_pow(&count)?)?, coefficients)?;
        let mut power = even.try_sub(&odd)?.try_solve(&even.try_add(odd)?)?;
        for i in 0..MAX_SQUARINGS {
            let is_squared = count.try_gt(count.like(f64::from(i)))?;
            // Zeros where nothing is squared, which could overflow and spoil gradients.
            let square = is_squared.try_select(&power, power.like(0.0))?;
            power = is_squared.try_select(square.try_matmul(&square)?, power)?;
        }
        let is_too_large = count.try_gt(count.like(f64::from(MAX_SQUARINGS)))?;
        is_too_large.try_select(power.like(f64::NAN), power)
    };
}
