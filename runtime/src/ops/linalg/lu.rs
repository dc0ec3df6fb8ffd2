//! The LU factorisation.

use smallvec::smallvec;

use super::triangular::solve;
use super::{dispatch_real, lower, matrix, transposed, upper, with_matrix};
use crate::array::{Array, Aval, DType};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind, bind1};
use crate::error::{Result, unwrap};
use crate::kernels::linalg::{self, Side, Triangle};
use crate::kernels::threads;
use crate::ops::{batch_all, convert, cotangent, unpack};

/// `L` below ones that are not stored, and `U`, as one matrix; with which row each was exchanged; and where each row was before.
#[derive(Clone, PartialEq, Debug)]
struct Lu;

impl Primitive for Lu {
    fn name(&self) -> &'static str {
        "lu"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let (batch, m, n) = matrix("lu", args[0])?;
        let integers = |size: usize| {
            let shape: Vec<usize> = batch.iter().copied().chain([size]).collect();
            Aval::unchecked(shape, DType::I32)
        };
        Ok(smallvec![Aval::new(&args[0].shape, args[0].dtype), integers(m.min(n)), integers(m)])
    }

    fn op(&self) -> Op<'_> {
        Op::Lu
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask { args: 0, outs: 0b101 }
    }

    /// The transpose of the derivative `L·Φ(L⁻¹ da U⁻¹) + Ψ(L⁻¹ da U⁻¹)·U`, where `Φ` is the part below the diagonal and `Ψ` the rest (S. F.
    /// Walter and L. Lehmann, "Algorithmic differentiation of linear algebra functions in UTPM", 2010). Where the matrix is
    /// not square, the smaller factor is extended to one by the identity.
    fn vjp(&self, residuals: &Residuals, mut cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        let Some(ct) = cts[0].take() else { return Ok(smallvec![None]) };
        let (_, m, n) = matrix("lu", residuals.arg_aval(0))?;
        let (l, u) = square_factors(residuals.out(0), m, n)?;
        let inner = lower(&transposed(&l)?.try_matmul(&ct)?, true)?
            .try_add(upper(&ct.try_matmul(&transposed(&u)?)?, false)?)?;
        let left = Triangle { lower: true, transpose: true, unit_diagonal: true };
        let inner = solve(&l, &inner, Side::Left, left)?;
        let right = Triangle { lower: false, transpose: true, unit_diagonal: false };
        let inner = solve(&u, &inner, Side::Right, right)?;
        Ok(smallvec![Some(rows(&inner, &residuals.out(2).try_argsort(-1)?)?)])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((bind(self, args)?, smallvec![mapped[0]; 3]))
    }

    on_cpu!();
}

impl CpuRules for Lu {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let [a] = unpack(args);
        let [.., m, n] = *a.shape() else { unreachable!("`infer` refuses fewer than two axes") };
        let mut factors: Outs<Array> = outs.into_iter().map(Array::zeros).collect();
        let k = m.min(n);
        dispatch_real!(a.dtype(), T => {
            if let [lu, pivots, order] = &mut factors[..]
                && let (Some(lu), Some(pivots), Some(order)) =
                    (lu.unique::<T>(), pivots.unique::<i32>(), order.unique::<i32>())
            {
                lu.copy_from_slice(a.data());
                for order in order.chunks_exact_mut(m.max(1)) {
                    order.iter_mut().zip(0..).for_each(|(order, i)| *order = i);
                }
                if k > 0 {
                    let each = lu.chunks_exact_mut(m * n).zip(pivots.chunks_exact_mut(k)).zip(order.chunks_exact_mut(m));
                    let mut each: Vec<_> = each.collect();
                    threads::split(&mut each, 1, m * n * k, |_, each| {
                        for ((lu, pivots), order) in each {
                            linalg::lu(lu, m, n, pivots);
                            for (i, &pivot) in pivots.iter().enumerate() {
                                order.swap(i, pivot as usize);
                            }
                        }
                    });
                }
            }
        });
        Ok(factors)
    }
}

/// The factors as square matrices, with the identity where there is no row or column of theirs: `L` of `m` and `U` of `n` rows.
#[track_caller]
fn square_factors(lu: &Tensor, m: usize, n: usize) -> Result<(Tensor, Tensor)> {
    let batch = &lu.shape()[..lu.rank() - 2];
    let extended = |part: &Tensor, size: usize, k: usize| -> Result<Tensor> {
        let missing = size - k;
        let axis = if part.shape()[part.rank() - 1] == size { -2 } else { -1 };
        let shape =
            if axis == -1 { with_matrix(batch, size, missing) } else { with_matrix(batch, missing, size) };
        if missing == 0 {
            Ok(part.clone())
        } else {
            Tensor::try_concatenate(&[part.clone(), Tensor::zeros_of(shape, part.dtype())], axis)
        }
    };
    let k = m.min(n) as isize;
    let l = extended(&lower(&lu.try_slice_axis(-1, 0..k)?, true)?, m, k as usize)?;
    let u = extended(&upper(&lu.try_slice_axis(-2, 0..k)?, false)?, n, k as usize)?;
    let beyond = Tensor::eye_of(n, n, 0, u.dtype()).try_slice_axis(-2, k..n as isize)?;
    let beyond = if n as isize > k {
        let shape = with_matrix(&[], k as usize, n);
        Tensor::try_concatenate(&[Tensor::zeros_of(shape, u.dtype()), beyond], 0)?
    } else {
        u.like(0.0)
    };
    Ok((l.try_add(Tensor::eye_of(m, m, 0, lu.dtype()))?, u.try_add(beyond)?))
}

/// The rows of matrices in another order, `[.., m]`.
#[track_caller]
pub(crate) fn rows(x: &Tensor, order: &Tensor) -> Result<Tensor> {
    x.try_take_along_axis(order.try_expand_dims([-1])?, -2)
}

/// The factors, the pivots and the order of rows of matrices that are `F32` or `F64`.
#[track_caller]
pub(crate) fn factorized(a: &Tensor) -> Result<[Tensor; 3]> {
    Ok(unpack(bind(&Lu, smallvec![a.clone()])?.into_iter().collect()))
}

/// From a matrix, its factors, the order of its rows, and right-hand sides to the solutions: the derivative is that of the solution of
/// the system, and does not go through the factors (M. Giles, "Collected matrix derivative results", 2008).
#[derive(Clone, Copy, PartialEq, Debug)]
struct Solve {
    /// With the transpose of the matrix.
    transpose: bool,
}

impl Primitive for Solve {
    fn name(&self) -> &'static str {
        "solve"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok(smallvec![args[3].clone()])
    }

    fn decompose(&self, args: &[Tensor]) -> Result<Outs> {
        Ok(smallvec![substituted(&args[1], &args[2], &args[3], self.transpose)?])
    }

    fn residuals(&self, needs_grad: &[bool]) -> ResidualMask {
        ResidualMask { args: 0b111, outs: u32::from(needs_grad[0]) }
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, needs_grad: &[bool]) -> Result<Grads> {
        let [a, lu, order] = [0, 1, 2].map(|i| residuals.arg(i).clone());
        let other = Solve { transpose: !self.transpose };
        let db = bind1(&other, [a, lu, order, cotangent(cts)])?;
        let da = if needs_grad[0] {
            let x = residuals.out(0);
            let (left, right) = if self.transpose { (x, &db) } else { (&db, x) };
            Some(-left.try_matmul(&transposed(right)?)?)
        } else {
            None
        };
        Ok(smallvec![da, None, None, needs_grad[3].then_some(db)])
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((bind(self, batch_all(axis.size, args, mapped)?)?, smallvec![true]))
    }
}

/// The solutions of a system by its factors, of matrices with the same leading axes.
#[track_caller]
pub(crate) fn substituted(lu: &Tensor, order: &Tensor, b: &Tensor, transpose: bool) -> Result<Tensor> {
    let l = Triangle { lower: true, transpose, unit_diagonal: true };
    let u = Triangle { lower: false, transpose, unit_diagonal: false };
    if transpose {
        let x = solve(lu, &solve(lu, b, Side::Left, u)?, Side::Left, l)?;
        rows(&x, &order.try_argsort(-1)?)
    } else {
        solve(lu, &solve(lu, &rows(b, order)?, Side::Left, l)?, Side::Left, u)
    }
}

/// The solutions `x` of `a · x = b`, of matrices with the same leading axes.
#[track_caller]
pub(crate) fn solved(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if b.size() == 0 {
        return Ok(b.clone());
    }
    let [lu, _, order] = factorized(&a.stop_gradient())?;
    bind1(&Solve { transpose: false }, [a.clone(), lu, order, b.clone()])
}

/// # Linear algebra: LU
impl Tensor {
    /// The factors of matrices `[.., m, n]` with rows exchanged, and with which row each was: `jax.scipy.linalg.lu_factor`.
    ///
    /// The factors are one matrix: `U` on and above the diagonal, and below it `L`, whose diagonal is one. The pivots are `I32` of
    /// `[.., min(m, n)]`. Integers give `F32`. [`lu_solve`](Tensor::lu_solve) takes both.
    ///
    /// # Panics
    /// If there are fewer than two axes, or the dtype is `F16` or `BF16`.
    #[track_caller]
    pub fn lu_factor(&self) -> (Tensor, Tensor) {
        unwrap(self.try_lu_factor())
    }

    /// As [`lu_factor`](Tensor::lu_factor).
    ///
    /// # Errors
    /// If there are fewer than two axes, or the dtype is `F16` or `BF16`.
    #[track_caller]
    pub fn try_lu_factor(&self) -> Result<(Tensor, Tensor)> {
        let [lu, pivots, _] = factorized(&convert(self, self.dtype().to_inexact(), false)?)?;
        Ok((lu, pivots))
    }

    /// `(p, l, u)` with `p · l · u = self`, of matrices `[.., m, n]`: `jax.scipy.linalg.lu`.
    ///
    /// `p` is a permutation `[.., m, m]`, `l` is `[.., m, k]` with ones on its diagonal and `u` is `[.., k, n]`, with `k` the smaller of `m`
    /// and `n`. Integers give `F32`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let (p, l, u) = Tensor::from([[0.0f32, 3.0], [2.0, 1.0]]).lu();
    /// assert_eq!(p.to_vec::<f32>()?, [0.0, 1.0, 1.0, 0.0]);
    /// assert_eq!(l.to_vec::<f32>()?, [1.0, 0.0, 0.0, 1.0]);
    /// assert_eq!(u.to_vec::<f32>()?, [2.0, 1.0, 0.0, 3.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there are fewer than two axes, or the dtype is `F16` or `BF16`.
    #[track_caller]
    pub fn lu(&self) -> (Tensor, Tensor, Tensor) {
        unwrap(self.try_lu())
    }

    /// As [`lu`](Tensor::lu).
    ///
    /// # Errors
    /// If there are fewer than two axes, or the dtype is `F16` or `BF16`.
    #[track_caller]
    pub fn try_lu(&self) -> Result<(Tensor, Tensor, Tensor)> {
        let x = convert(self, self.dtype().to_inexact(), false)?;
        let (_, m, n) = matrix("lu", x.aval())?;
        let [lu, _, order] = factorized(&x)?;
        let k = m.min(n);
        // Row `i` of the product of the factors is row `order[i]` of the matrix.
        let numbers = crate::ops::create::iota([m, 1], DType::I32, 0)?;
        let p = order.try_expand_dims([-2])?.try_eq(numbers)?.try_cast(x.dtype())?;
        let l = lower(&lu.try_slice_axis(-1, 0..k)?, true)?.try_add(Tensor::eye_of(m, k, 0, x.dtype()))?;
        Ok((p, l, upper(&lu.try_slice_axis(-2, 0..k)?, false)?))
    }
}
