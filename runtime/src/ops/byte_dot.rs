//! Products with weights of 8 bits.

use smallvec::smallvec;

use super::{cotangent, only, unpack};
use crate::array::{Array, Aval, DType};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::bind1;
use crate::error::{Error, Result};
use crate::kernels::matmul::{ByteWeights, GREATEST, MAX_TERMS, byte_matmul};

const OP: &str = "byte_dot";

/// `x·(w·scale)` of rows that are rounded to 16 bits; see [`byte_matmul`].
///
/// Arguments: `[.., k]` in `F32`, `[k, n]` (or `[n, k]`) in `I8`, `[n]` in `F32`.
#[derive(Clone, PartialEq, Debug)]
struct ByteDot {
    is_transposed: bool,
}

/// The product of the last axis with weights of 8 bits and a scale for each column.
///
/// # Errors
/// If dtypes or sizes do not fit, or sums have too many terms to be exact.
#[track_caller]
pub(crate) fn byte_dot(x: &Tensor, weights: &Tensor, scale: &Tensor, is_transposed: bool) -> Result<Tensor> {
    bind1(&ByteDot { is_transposed }, [x.clone(), weights.clone(), scale.clone()])
}

/// Whether sums of so many terms are.
pub(crate) fn is_exact(terms: usize) -> bool {
    terms <= MAX_TERMS
}

impl ByteDot {
    /// The weights as numbers: `[k, n]`.
    fn dequantized(&self, weights: &Tensor, scale: &Tensor) -> Result<Tensor> {
        let weights = weights.try_cast(DType::F32)?;
        let weights = if self.is_transposed { weights.try_transpose([1, 0])? } else { weights };
        weights.try_mul(scale)
    }
}

impl Primitive for ByteDot {
    fn name(&self) -> &'static str {
        OP
    }

    fn flops(&self, args: &[&Aval], outs: &[&Aval]) -> u64 {
        2u64.saturating_mul(outs[0].size() as u64).saturating_mul(*args[0].shape.last().unwrap_or(&0) as u64)
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let [x, weights, scale] = [args[0], args[1], args[2]];
        let dtypes = [x.dtype, weights.dtype, scale.dtype];
        if dtypes != [DType::F32, DType::I8, DType::F32] {
            let found = format!("{}, {} and {}", x.dtype, weights.dtype, scale.dtype);
            return Err(Error::dtype(
                OP,
                found,
                "an input in float32, weights in int8 and scales in float32",
            ));
        }
        let (k, n) = (usize::from(self.is_transposed), usize::from(!self.is_transposed));
        let fits = weights.rank() == 2
            && x.shape.last() == Some(&weights.shape[k])
            && scale.shape[..] == [weights.shape[n]];
        if !fits {
            let found = format!("{x}, {weights} and {scale}");
            return Err(Error::shape(OP, found, "`[.., k]`, `[k, n]` and `[n]`"));
        }
        if weights.shape[k] > MAX_TERMS {
            let message =
                format!("sums of {} terms, of which {MAX_TERMS} are exact at most", weights.shape[k]);
            return Err(Error::argument(OP, message));
        }
        let mut shape = x.shape.clone();
        shape.pop();
        shape.push(weights.shape[n]);
        Ok(smallvec![x.with_shape(shape)])
    }

    /// The same numbers: sums of bytes are exact in `I32`.
    fn decompose(&self, args: &[Tensor]) -> Result<Outs> {
        let [x, weights, scale] = [&args[0], &args[1], &args[2]];
        let greatest = x.try_abs()?.try_max_axes([-1])?.try_expand_dims([-1])?;
        let zero = greatest.like(0.0);
        let factor =
            greatest.try_ne(&zero)?.try_select(&greatest.like(GREATEST.into()).try_div(&greatest)?, &zero)?;
        let rounded = x.try_mul(&factor)?.try_round()?;
        let is_finite = greatest.try_is_finite()?;
        let rounded = is_finite.try_select(&rounded, &zero)?.try_cast(DType::I32)?;
        let weights = weights.try_cast(DType::I32)?;
        let weights = if self.is_transposed { weights.try_transpose([1, 0])? } else { weights };
        let upper = rounded.try_shr(rounded.like(8.0))?;
        let lower = rounded.try_sub(upper.try_mul(upper.like(256.0))?)?;
        let [upper, lower] = [upper, lower].map(|bytes| bytes.try_dot(&weights)?.try_cast(DType::F32));
        let upper = upper?;
        let sums = upper.try_mul(upper.like(256.0))?.try_add(lower?)?;
        let by_rows = greatest.try_div(greatest.like(GREATEST.into()))?;
        let by_rows = is_finite.try_select(&by_rows, greatest.like(f64::NAN))?;
        Ok(smallvec![sums.try_mul(&by_rows.try_mul(scale)?)?])
    }

    fn residuals(&self, needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::args((0..3).filter(|&i| i > 0 || needs_grad[2]))
    }

    /// As of the product with the same weights in `F32`: rounding passes gradients on ("straight through", Bengio et al.,
    /// arXiv:1308.3432).
    fn vjp(&self, residuals: &Residuals, cts: Cotangents, needs_grad: &[bool]) -> Result<Grads> {
        let ct = cotangent(cts);
        let (weights, scale) = (residuals.arg(1), residuals.arg(2));
        let dx = || ct.try_dot(&self.dequantized(weights, scale)?.try_transpose([1, 0])?);
        let dscale = || {
            let ones = scale.like(1.0).try_broadcast_to(scale.shape())?;
            let sums = residuals.arg(0).try_dot(&self.dequantized(weights, &ones)?)?;
            let axes: Vec<isize> = (0..ct.rank() as isize - 1).collect();
            ct.try_mul(&sums)?.try_sum_axes(axes)
        };
        Ok(smallvec![needs_grad[0].then(dx).transpose()?, None, needs_grad[2].then(dscale).transpose()?,])
    }

    on_cpu!();
}

impl CpuRules for ByteDot {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([x, weights, scale], out) = (unpack::<3, Array>(args), only(outs));
        let n = scale.size();
        let k = *x.shape().last().unwrap_or(&0);
        let m = x.shape()[..x.shape().len() - 1].iter().product::<usize>();
        let weights =
            ByteWeights { numbers: weights.data(), is_transposed: self.is_transposed, scale: scale.data() };
        Ok(smallvec![Array::build(out, |out: &mut [f32]| byte_matmul([m, k, n], x.data(), &weights, out))])
    }
}
