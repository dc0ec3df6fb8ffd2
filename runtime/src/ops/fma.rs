//! Product and sum in one rounding.

use std::sync::Arc;

use smallvec::smallvec;

use super::binary::Binary;
use crate::array::{Array, Aval, DType};
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::rewrite::{Match, Operand, Rewrite};
use crate::core::trace::{Axis, bind1};
use crate::core::{Tensor, TensorLike};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::kernels::arrays;
use crate::ops::{align, broadcast_shapes, cotangent, infer_elementwise, only, promoted, sum_to, unpack};
use crate::scalar::op::ScalarOp;

/// `x · a + b`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MulAdd;

impl Primitive for MulAdd {
    fn name(&self) -> &'static str {
        "mul_add"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        if args[0].dtype == DType::Bool {
            return Err(Error::dtype("mul_add", args[0].dtype, "numbers (cast the booleans first)"));
        }
        Ok(smallvec![infer_elementwise("mul_add", args)?])
    }

    fn op(&self) -> Op<'_> {
        Op::Elementwise(ScalarOp::MulAdd)
    }

    fn residuals(&self, needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::args((0..2).filter(|i| needs_grad[1 - i]))
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, needs_grad: &[bool]) -> Result<Grads> {
        let ct = cotangent(cts);
        let back = |i: usize, ct: &dyn Fn() -> Tensor| -> Result<Option<Tensor>> {
            needs_grad[i].then(|| sum_to(ct(), &residuals.arg_aval(i).shape)).transpose()
        };
        Ok(smallvec![
            back(0, &|| &ct * residuals.arg(1))?,
            back(1, &|| &ct * residuals.arg(0))?,
            back(2, &|| ct.clone())?,
        ])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, align(args, mapped)?)?], smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for MulAdd {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        Ok(smallvec![arrays::elementwise::<3>(ScalarOp::MulAdd, unpack(args), only(outs))])
    }

    fn simplify(&self, args: &[Match<'_>]) -> Option<Rewrite> {
        // A factor of one leaves a sum, which rounds once as well.
        let factor = (0..2).find(|&i| args[i].splat() == Some(1.0))?;
        let shape = |i: usize| &args[i].aval().shape[..];
        let sum = broadcast_shapes("mul_add", &[shape(1 - factor), shape(2)]).ok()?;
        let all = broadcast_shapes("mul_add", &[shape(0), shape(1), shape(2)]).ok()?;
        let operands = smallvec![Operand::Arg(1 - factor), Operand::Arg(2)];
        (sum == all).then(|| Rewrite::Apply(Arc::new(Binary::Add), operands))
    }
}

impl Tensor {
    /// `self · factor + summand`, rounded once for `F32` and `F64`, on every machine; all three broadcast.
    ///
    /// Halves compute in `f32`; integers wrap around.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from(1.0f32 + f32::EPSILON);
    /// let square = &x * &x;
    /// // What the rounding of the square lost.
    /// assert_eq!(x.mul_add(&x, -square).item::<f32>()?, f32::EPSILON * f32::EPSILON);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the shapes do not broadcast, or the arguments are boolean.
    #[track_caller]
    pub fn mul_add(&self, factor: impl TensorLike, summand: impl TensorLike) -> Tensor {
        unwrap(self.try_mul_add(factor, summand))
    }

    /// As [`mul_add`](Tensor::mul_add).
    ///
    /// # Errors
    /// If the shapes do not broadcast, or the arguments are boolean.
    #[track_caller]
    pub fn try_mul_add(&self, factor: impl TensorLike, summand: impl TensorLike) -> Result<Tensor> {
        bind1(&MulAdd, promoted([self.clone(), factor.operand()?, summand.operand()?])?)
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;
    use crate::vjp;

    #[test]
    fn product_and_sum_are_rounded_once_in_every_layout() {
        let (shape, shapes) = ([2usize, 3, 5], [vec![2, 3, 5], vec![5], vec![3, 1], vec![], vec![2, 1, 5]]);
        let numbers = |shape: &[usize], seed: f32| {
            let size = shape.iter().product::<usize>();
            let data: Vec<f32> = (0..size).map(|i| (seed + i as f32 * 0.7).sin() * 1.000_001).collect();
            Tensor::from_vec(data, shape)
        };
        let spread = |x: &Tensor| x.broadcast_to(shape).to_vec::<f32>().unwrap();
        for (i, a) in shapes.iter().enumerate() {
            for b in &shapes {
                for c in &shapes {
                    if ![a, b, c].iter().any(|s| s[..] == shape) {
                        continue;
                    }
                    let (x, y, z) = (numbers(a, 0.1), numbers(b, 0.2 + i as f32), numbers(c, 0.3));
                    let (xs, ys, zs) = (spread(&x), spread(&y), spread(&z));
                    let expected: Vec<f32> = (0..30).map(|i| xs[i].mul_add(ys[i], zs[i])).collect();
                    assert_eq!(x.mul_add(&y, &z).to_vec::<f32>().unwrap(), expected);
                    let owned = |x: &Tensor| x + x.like(0.0);
                    assert_eq!(owned(&x).mul_add(owned(&y), owned(&z)).to_vec::<f32>().unwrap(), expected);
                }
            }
        }
    }

    #[test]
    fn gradients_are_the_other_factor_and_one_summed_where_broadcast() {
        let args = vec![
            Tensor::of([[1.0f64, 2.0], [3.0, 4.0]], DType::F64),
            Tensor::of([5.0f64, 6.0], DType::F64),
            Tensor::of([[7.0f64], [8.0]], DType::F64),
        ];
        let (_, pullback) = vjp(|x: &Vec<Tensor>| Ok(x[0].mul_add(&x[1], &x[2])), &args).unwrap();
        let grads = pullback(&Tensor::ones_of([2, 2], DType::F64)).unwrap();
        let list = |x: &Tensor| x.to_vec::<f64>().unwrap();
        assert_eq!(list(&grads[0]), [5.0, 6.0, 5.0, 6.0]);
        assert_eq!(list(&grads[1]), [4.0, 6.0]);
        assert_eq!((grads[2].shape(), list(&grads[2])), (&[2, 1][..], vec![2.0, 2.0]));
    }

    #[test]
    fn batched_and_staged_it_has_the_bits_of_eager_execution() {
        let x = Tensor::from([[0.1f32, 0.2], [0.3, 0.4], [0.5, 0.6]]);
        let (a, b) = (Tensor::from([1.1f32, 1.3, 1.7]), Tensor::from(0.9f32));
        let expected = x.mul_add(a.reshape([3, 1]), &b).to_vec::<f32>().unwrap();
        let f = |(x, a, b): (Tensor, Tensor, Tensor)| Ok(x.mul_add(a, b));
        let batched = vmap(f).in_axes((0, 0, None)).call((x.clone(), a.clone(), b.clone())).unwrap();
        assert_eq!(batched.to_vec::<f32>().unwrap(), expected);
        let staged = jit(f).call((x, a.reshape([3, 1]), b)).unwrap();
        assert_eq!(staged.to_vec::<f32>().unwrap(), expected);
    }

    #[test]
    fn every_dtype_but_booleans_is_multiplied_and_added() {
        for dtype in DType::ALL {
            let [x, a, b] = [2, 3, 1].map(|x| Tensor::from([x]).cast(dtype));
            match x.try_mul_add(a, b) {
                Ok(out) => {
                    assert_eq!((out.dtype(), out.cast(DType::I32).to_vec().unwrap()), (dtype, vec![7]));
                }
                Err(error) => {
                    assert!(dtype == DType::Bool && error.to_string().contains("boolean"), "{error}");
                }
            }
        }
    }

    #[test]
    fn a_factor_of_one_is_a_sum() {
        let graph = jit(|x: Tensor| Ok(x.mul_add(x.like(1.0), &x))).graph(&Tensor::zeros([3])).unwrap();
        assert!(!graph.to_string().contains("mul_add"), "{graph}");
    }
}
