//! Complex numbers: their parts, conjugates, angles, and what is computed of the parts by functions of reals.
//!
//! Gradients follow JAX. A cotangent `t` of a complex number stands for the linear function that takes a tangent `z` to the real part
//! of `t·z`, so that the rules of functions that have a complex derivative are those of reals, and nothing is conjugated on the way
//! back. The gradient of a real function of `x + iy` is then `∂f/∂x − i·∂f/∂y`.

use super::axes::reduced_size;
use super::dot_general::product_of;
use super::elementwise::apply;
use super::{convert, shape};
use crate::array::{Array, Aval, DType, Shape};
use crate::core::op::DotDimensions;
use crate::core::precision::OperandPrecision;
use crate::core::primitive::Outs;
use crate::core::{Tensor, TensorLike};
use crate::error::{Result, unwrap};
use crate::ops::axes::Int;
use crate::scalar::op::ScalarOp;

/// # Complex numbers
impl Tensor {
    /// The complex numbers of a real and an imaginary part, which broadcast, as `lax.complex`.
    ///
    /// The parts are `F32`, or are converted to it; a single number is a [`Complex32`](num_complex::Complex32), which mixes with tensors
    /// as other bare numbers do.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// use num_complex::Complex32;
    /// let z = Tensor::complex([1.0f32, 0.0], [0.0f32, 2.0]);
    /// assert_eq!((z.dtype(), z.real().dtype()), (DType::C64, DType::F32));
    /// assert_eq!((&z * Complex32::I).to_vec::<Complex32>()?, [Complex32::I, Complex32::new(-2.0, 0.0)]);
    /// assert_eq!(z.abs().to_vec::<f32>()?, [1.0, 2.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # What there is of them
    /// Everything that only moves elements; `+ − × ÷`, powers, `exp`, `log`, roots, trigonometry and its hyperbolic kin, `sigmoid`, `==`
    /// and `!=`; sums, means, variances, norms, products of elements and of tensors; [`fft`](mod@crate::fft) and
    /// [`signal`](mod@crate::signal); all transforms, and files. The gradient of a real function is that of JAX, the conjugate of the
    /// direction of steepest ascent; that of a function `f` with a complex derivative, as JAX's `holomorphic=True`, is the gradient of
    /// `f(z).real()`.
    ///
    /// What needs an order, as `max`, `sort` and `<`, is an error, where JAX compares pairs; and so are `cumprod`, convolutions, windows,
    /// factorisations of matrices and random samples. Layers and optimizers take real parameters: give them the parts.
    ///
    /// # Panics
    /// If a part is complex, or the shapes do not broadcast.
    #[track_caller]
    pub fn complex(re: impl TensorLike, im: impl TensorLike) -> Tensor {
        unwrap(Tensor::try_complex(re, im))
    }

    /// As [`complex`](Tensor::complex).
    ///
    /// # Errors
    /// If a part is complex, or the shapes do not broadcast.
    #[track_caller]
    pub fn try_complex(re: impl TensorLike, im: impl TensorLike) -> Result<Tensor> {
        let part = |x: Tensor| {
            super::of_reals("complex", x.dtype())?;
            convert(&x, DType::F32, x.aval().weak)
        };
        apply(ScalarOp::Complex, [part(re.operand()?)?, part(im.operand()?)?])
    }

    /// The real parts, as `F32`; of real numbers themselves.
    ///
    /// # Panics
    /// If this is a value of a transform that has returned.
    #[track_caller]
    pub fn real(&self) -> Tensor {
        unwrap(self.try_real())
    }

    /// As [`real`](Tensor::real).
    ///
    /// # Errors
    /// If this is a value of a transform that has returned.
    #[track_caller]
    pub fn try_real(&self) -> Result<Tensor> {
        if self.dtype().is_complex() { convert(self, DType::F32, self.aval().weak) } else { Ok(self.clone()) }
    }

    /// The imaginary parts, as `F32`; of real numbers zeros of their dtype.
    ///
    /// # Panics
    /// If this is a value of a transform that has returned.
    #[track_caller]
    pub fn imag(&self) -> Tensor {
        unwrap(self.try_imag())
    }

    /// As [`imag`](Tensor::imag).
    ///
    /// # Errors
    /// If this is a value of a transform that has returned.
    #[track_caller]
    pub fn try_imag(&self) -> Result<Tensor> {
        if self.dtype().is_complex() {
            apply(ScalarOp::Imag, [self.clone()])
        } else {
            super::zeros_of(self.aval())
        }
    }

    /// The numbers with the imaginary part turned around; real numbers stay as they are.
    ///
    /// # Panics
    /// If this is a value of a transform that has returned.
    #[doc(alias = "conjugate")]
    #[track_caller]
    pub fn conj(&self) -> Tensor {
        unwrap(self.try_conj())
    }

    /// As [`conj`](Tensor::conj).
    ///
    /// # Errors
    /// If this is a value of a transform that has returned.
    #[track_caller]
    pub fn try_conj(&self) -> Result<Tensor> {
        if self.dtype().is_complex() { apply(ScalarOp::Conj, [self.clone()]) } else { Ok(self.clone()) }
    }

    /// The angles between the positive real axis and the numbers, in radians from -π to π.
    ///
    /// # Panics
    /// If this is a value of a transform that has returned.
    #[track_caller]
    pub fn angle(&self) -> Tensor {
        unwrap(self.try_angle())
    }

    /// As [`angle`](Tensor::angle).
    ///
    /// # Errors
    /// If this is a value of a transform that has returned.
    #[track_caller]
    pub fn try_angle(&self) -> Result<Tensor> {
        self.try_imag()?.try_atan2(self.try_real()?)
    }

    /// Whether the dtype is one of complex numbers, as `jnp.iscomplexobj`.
    #[doc(alias = "iscomplexobj")]
    pub fn is_complex(&self) -> bool {
        self.dtype().is_complex()
    }
}

/// Evaluates what treats both parts alike: as reals, along an axis of two behind all others.
pub(super) fn of_parts(
    x: Array,
    out: Aval,
    eval: impl FnOnce(Array, Aval) -> Result<Outs<Array>>,
) -> Result<Outs<Array>> {
    let as_pairs = |aval: &Aval| {
        let shape: Shape = aval.shape.iter().copied().chain([2]).collect();
        Aval::unchecked(shape, DType::F32)
    };
    let pairs = as_pairs(x.aval());
    let result = eval(x.with_aval(pairs), as_pairs(&out))?;
    Ok(result.into_iter().map(|pairs| pairs.with_aval(out.clone())).collect())
}

/// The product over ascending axes, halved again and again.
#[track_caller]
pub(super) fn product(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let kept: Shape = (0..x.rank()).filter(|axis| !axes.contains(axis)).collect();
    let order: Shape = kept.iter().chain(axes).copied().collect();
    let moved = shape::permuted(x, order)?;
    let rows: Shape = kept.iter().map(|&axis| x.shape()[axis]).collect();
    let mut size = reduced_size(x.shape(), axes);
    if size == 0 {
        return super::create::full(Aval::unchecked(&rows, x.dtype()), 1.0);
    }
    let mut left = moved.try_reshape(rows.iter().copied().chain([size]).collect::<Shape>())?;
    while size > 1 {
        let half = size / 2;
        let part = |from: usize, to: usize| left.try_slice_axis(-1, from..to);
        let pairs = part(0, half)?.try_mul(part(half, 2 * half)?)?;
        let odd = if size % 2 == 1 { Some(part(2 * half, size)?) } else { None };
        left = match odd {
            Some(odd) => Tensor::try_concatenate(&[pairs, odd], -1)?,
            None => pairs,
        };
        size = size.div_ceil(2);
    }
    left.try_reshape(rows)
}

/// The contraction of complex numbers, as four of their parts.
#[track_caller]
pub(super) fn dot_general(
    x: &Tensor,
    y: &Tensor,
    dimensions: &DotDimensions,
    precision: &OperandPrecision,
) -> Result<Tensor> {
    let ([a, b], [c, d]) = ([x.try_real()?, x.try_imag()?], [y.try_real()?, y.try_imag()?]);
    let product = |x: &Tensor, y: &Tensor| product_of(x, y, dimensions.clone(), precision);
    let re = product(&a, &c)?.try_sub(product(&b, &d)?)?;
    Tensor::try_complex(re, product(&a, &d)?.try_add(product(&b, &c)?)?)
}

/// The tensor with so many elements along an axis: cut off, or followed by zeros.
#[track_caller]
pub(crate) fn padded_to(x: &Tensor, axis: impl Int, size: usize) -> Result<Tensor> {
    let at = super::axis_of("pad", axis, x.rank())?;
    let found = x.shape()[at];
    if size <= found {
        return if size == found { Ok(x.clone()) } else { x.try_slice_axis(axis, 0..size) };
    }
    let mut widths = vec![(0, 0); x.rank()];
    widths[at].1 = size - found;
    x.try_pad(widths, x.like(0.0))
}
