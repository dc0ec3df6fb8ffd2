//! Powers of matrices.

use crate::core::Tensor;
use crate::numpy::paired::methods;
use crate::ops::linalg::with_matrix;

methods! {
    => "Linear algebra: powers";
    /// The product of so many of the same matrices `[.., n, n]`: the identity for 0, and of the inverse for negative numbers.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[1.0f32, 1.0], [0.0, 1.0]]);
    /// assert_eq!(x.matrix_power(10).to_vec::<f32>()?, [1.0, 10.0, 0.0, 1.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    matrix_power try_matrix_power(exponent: i32) -> Tensor, fails
    "If the matrices are not square; or the exponent is negative and the dtype is `F16` or `BF16`."
    |x| {
        let (batch, n) = match x.shape() {
            [batch @ .., rows, columns] if rows == columns => (batch, *rows),
            shape => {
                let found = format!("{shape:?}");
                return Err(crate::Error::shape("matrix_power", found, "as many rows as columns"));
            }
        };
        if exponent == 0 {
            return Tensor::eye_of(n, n, 0, x.dtype()).try_broadcast_to(with_matrix(batch, n, n));
        }
        let mut square = if exponent < 0 { x.try_inv()? } else { x.clone() };
        let (mut left, mut result) = (exponent.unsigned_abs(), None::<Tensor>);
        if left == 3 {
            return square.try_matmul(&square)?.try_matmul(&square);
        }
        loop {
            if left & 1 == 1 {
                result = Some(match result {
                    Some(result) => result.try_matmul(&square)?,
                    None => square.clone(),
                });
            }
            left >>= 1;
            match result {
                Some(result) if left == 0 => return Ok(result),
                _ => square = square.try_matmul(&square)?,
            }
        }
    };
}
