//! Fourier transforms, as `jax.numpy.fft`, and cosine transforms, as `jax.scipy.fft`.
//!
//! Numbers are `C64` and `F32`: halves and integers are converted to `F32`, and so are `F64`, as there are no complex numbers of 128 bits
//! here. Every transform has gradients and batches; rows are shared out among threads. The transforms of `rustfft` and `realfft` take
//! time in proportion to `n log n` for every length `n`, also for primes.
//!
//! ```
//! use flaxen::fft::{self, Norm};
//! use flaxen::prelude::*;
//!
//! let x = Tensor::from([1.0f32, 2.0, 0.0, -1.0]);
//! let spectrum = fft::rfft(&x, None, -1, Norm::Backward);
//! assert_eq!((spectrum.dtype(), spectrum.shape()), (DType::C64, &[3][..]));
//! assert_eq!(fft::irfft(&spectrum, 4, -1, Norm::Backward).to_vec::<f32>()?, [1.0, 2.0, 0.0, -1.0]);
//!
//! // Energy is the same in both domains, and so are its gradients.
//! let energy = |x: &Tensor| fft::try_fft(x, None, -1, Norm::Ortho)?.try_abs()?.try_square()?.try_sum();
//! assert!((grad(energy)(&x)? - &x * 2.0).abs().max().item::<f32>()? < 1e-5);
//! # Ok::<(), flaxen::Error>(())
//! ```

mod cosine;
mod frequencies;

pub use cosine::{dct, idct, try_dct, try_idct};
pub use frequencies::{
    fftfreq, fftshift, ifftshift, rfftfreq, try_fftfreq, try_fftshift, try_ifftshift, try_rfftfreq,
};

use crate::array::DType;
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result, unwrap};
use crate::kernels::fourier::Fourier;
use crate::ops::axes::Int;
use crate::ops::complex::padded_to;
use crate::ops::fft::transform;
use crate::ops::{axis_of, convert, of_reals};

/// Which of a transform and its inverse divides by the number of elements, so that each undoes the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Norm {
    /// The inverse.
    #[default]
    Backward,
    /// Each divides by the square root: lengths of vectors stay.
    Ortho,
    /// The transform.
    Forward,
}

impl Norm {
    /// What the results of a transform over so many elements are multiplied by.
    fn scale(self, is_inverse: bool, n: usize) -> f64 {
        match (self, is_inverse) {
            (Norm::Ortho, _) => (n as f64).sqrt().recip(),
            (Norm::Backward, true) | (Norm::Forward, false) => (n as f64).recip(),
            _ => 1.0,
        }
    }
}

/// Runs a transform along an axis, which is moved to the end for it.
#[track_caller]
fn along(
    op: &'static str,
    kind: Fourier,
    x: &Tensor,
    n: Option<usize>,
    axis: impl Int,
    norm: Norm,
) -> Result<Tensor> {
    let at = axis_of(op, axis, x.rank())?;
    let x = match kind {
        Fourier::RealForward => {
            of_reals(op, x.dtype())?;
            convert(x, DType::F32, false)?
        }
        _ => convert(x, DType::C64, false)?,
    };
    let found = x.shape()[at];
    let size = match (n, kind) {
        (Some(n), _) => n,
        (None, Fourier::RealInverse) => 2 * found.saturating_sub(1),
        (None, _) => found,
    };
    if size == 0 {
        let message = format!("transforms at least 1 element, found 0 along axis {axis} of {:?}", x.shape());
        return Err(Error::argument(op, message));
    }
    let is_inverse = matches!(kind, Fourier::Inverse | Fourier::RealInverse);
    let is_last = at + 1 == x.rank();
    let x = padded_to(&x, at as isize, kind.input(size))?;
    let rows = if is_last { x } else { x.try_move_axis(at as isize, -1)? };
    let out = transform(&rows, kind, size, norm.scale(is_inverse, size))?;
    if is_last { Ok(out) } else { out.try_move_axis(-1, at as isize) }
}

macro_rules! one_axis {
    ($($(#[$doc:meta])* $name:ident $try_name:ident $kind:ident;)*) => { $(
        $(#[$doc])*
        ///
        /// `axis` has `n` elements then, or as many as it has here: it is cut off, or followed by zeros.
        ///
        /// # Panics
        /// If there is no such axis, or nothing along it.
        #[track_caller]
        pub fn $name(x: impl TensorLike, n: impl Into<Option<usize>>, axis: impl Int, norm: Norm) -> Tensor {
            unwrap($try_name(x, n, axis, norm))
        }

        #[doc = concat!("As [`", stringify!($name), "`].")]
        ///
        /// # Errors
        /// If there is no such axis, or nothing along it.
        #[track_caller]
        pub fn $try_name(
            x: impl TensorLike,
            n: impl Into<Option<usize>>,
            axis: impl Int,
            norm: Norm,
        ) -> Result<Tensor> {
            along(stringify!($name), Fourier::$kind, &x.operand()?, n.into(), axis, norm)
        }
    )* };
}

one_axis! {
    /// The Fourier transform along an axis, `y_k = Σ_j x_j e^(-2πi jk/n)`, as `C64`.
    fft try_fft Forward;
    /// The inverse of [`fft`], `y_k = 1/n · Σ_j x_j e^(2πi jk/n)`, as `C64`.
    ifft try_ifft Inverse;
    /// The first `n/2 + 1` elements of [`fft`] of real numbers, as `C64`: the others are conjugates of these.
    ///
    /// Complex numbers are refused.
    rfft try_rfft RealForward;
}

/// The inverse of [`rfft`]: `n` real numbers of `n/2 + 1` complex ones, as `F32`; without an `n`, `2 · (m - 1)` of `m`.
///
/// The imaginary parts of the first element, and for an even `n` of the last one, are not read.
///
/// # Panics
/// If there is no such axis, or the result would have no elements.
#[track_caller]
pub fn irfft(x: impl TensorLike, n: impl Into<Option<usize>>, axis: impl Int, norm: Norm) -> Tensor {
    unwrap(try_irfft(x, n, axis, norm))
}

/// As [`irfft`].
///
/// # Errors
/// If there is no such axis, or the result would have no elements.
#[track_caller]
pub fn try_irfft(
    x: impl TensorLike,
    n: impl Into<Option<usize>>,
    axis: impl Int,
    norm: Norm,
) -> Result<Tensor> {
    along("irfft", Fourier::RealInverse, &x.operand()?, n.into(), axis, norm)
}

/// The axes of a transform over several, and their sizes: of all axes if neither is said, or of the last ones that have sizes.
fn axes(
    op: &'static str,
    x: &Tensor,
    s: Option<&[usize]>,
    axes: Option<&[isize]>,
) -> Result<Vec<(isize, Option<usize>)>> {
    let count = s.map(<[usize]>::len).or(axes.map(<[isize]>::len)).unwrap_or(x.rank());
    let rank = x.rank() as isize;
    let axes = match axes {
        Some(axes) => axes.iter().map(|&axis| axis_of(op, axis, x.rank()).map(|at| at as isize)).collect(),
        None if count > x.rank() => Err(Error::argument(op, format!("{count} sizes for {rank} axes"))),
        None => Ok((rank - count as isize..rank).collect()),
    };
    let axes: Vec<isize> = axes?;
    if axes.len() != count || axes.is_empty() {
        let message =
            format!("{count} sizes for {} axes: give one for each, of at least one axis", axes.len());
        return Err(Error::argument(op, message));
    }
    if (1..axes.len()).any(|i| axes[..i].contains(&axes[i])) {
        return Err(Error::argument(op, format!("axes {axes:?} name one axis twice")));
    }
    Ok(axes.into_iter().enumerate().map(|(i, axis)| (axis, s.map(|s| s[i]))).collect())
}

/// A transform over several axes: that of the last one may be from or to real numbers.
#[track_caller]
fn over(
    op: &'static str,
    kind: Fourier,
    x: &Tensor,
    axes: &[(isize, Option<usize>)],
    norm: Norm,
) -> Result<Tensor> {
    let Some((&(axis, n), others)) = axes.split_last() else { return Ok(x.clone()) };
    let complex = match kind {
        Fourier::Forward | Fourier::RealForward => Fourier::Forward,
        Fourier::Inverse | Fourier::RealInverse => Fourier::Inverse,
    };
    let all =
        |x: Tensor| others.iter().rev().try_fold(x, |x, &(axis, n)| along(op, complex, &x, n, axis, norm));
    match kind {
        Fourier::RealInverse => along(op, kind, &all(x.clone())?, n, axis, norm),
        _ => all(along(op, kind, x, n, axis, norm)?),
    }
}

macro_rules! two_axes {
    ($($(#[$doc:meta])* $name:ident $try_name:ident $kind:ident;)*) => { $(
        $(#[$doc])*
        ///
        /// The axes have the sizes `s` then, if these are given: they are cut off, or followed by zeros.
        ///
        /// # Panics
        /// If an axis is not there, twice, or empty.
        #[track_caller]
        pub fn $name(
            x: impl TensorLike,
            s: impl Into<Option<[usize; 2]>>,
            axes: [isize; 2],
            norm: Norm,
        ) -> Tensor {
            unwrap($try_name(x, s, axes, norm))
        }

        #[doc = concat!("As [`", stringify!($name), "`].")]
        ///
        /// # Errors
        /// If an axis is not there, twice, or empty.
        #[track_caller]
        pub fn $try_name(
            x: impl TensorLike,
            s: impl Into<Option<[usize; 2]>>,
            axes: [isize; 2],
            norm: Norm,
        ) -> Result<Tensor> {
            let (op, x, s) = (stringify!($name), x.operand()?, s.into());
            let axes = self::axes(op, &x, s.as_ref().map(<[usize; 2]>::as_slice), Some(&axes))?;
            over(op, Fourier::$kind, &x, &axes, norm)
        }
    )* };
}

two_axes! {
    /// The Fourier transform over two axes, `[-2, -1]` for images that are matrices, as `C64`.
    fft2 try_fft2 Forward;
    /// The inverse of [`fft2`], as `C64`.
    ifft2 try_ifft2 Inverse;
    /// The Fourier transform of real numbers over two axes: [`rfft`] over the second one, then [`fft`] over the first.
    rfft2 try_rfft2 RealForward;
    /// The inverse of [`rfft2`], as `F32`: [`ifft`] over the first axis, then [`irfft`] over the second.
    irfft2 try_irfft2 RealInverse;
}

macro_rules! many_axes {
    ($($(#[$doc:meta])* $name:ident $try_name:ident $kind:ident;)*) => { $(
        $(#[$doc])*
        ///
        /// Over all axes if neither `axes` nor their sizes `s` are given, and over the last ones if only sizes are; axes are cut off to
        /// their sizes, or followed by zeros.
        ///
        /// # Panics
        /// If an axis is not there, twice, or empty, or there is not one size for each.
        #[track_caller]
        pub fn $name(x: impl TensorLike, s: Option<&[usize]>, axes: Option<&[isize]>, norm: Norm) -> Tensor {
            unwrap($try_name(x, s, axes, norm))
        }

        #[doc = concat!("As [`", stringify!($name), "`].")]
        ///
        /// # Errors
        /// If an axis is not there, twice, or empty, or there is not one size for each.
        #[track_caller]
        pub fn $try_name(
            x: impl TensorLike,
            s: Option<&[usize]>,
            axes: Option<&[isize]>,
            norm: Norm,
        ) -> Result<Tensor> {
            let (op, x) = (stringify!($name), x.operand()?);
            let axes = self::axes(op, &x, s, axes)?;
            over(op, Fourier::$kind, &x, &axes, norm)
        }
    )* };
}

many_axes! {
    /// The Fourier transform over several axes, as `C64`.
    fftn try_fftn Forward;
    /// The inverse of [`fftn`], as `C64`.
    ifftn try_ifftn Inverse;
    /// The Fourier transform of real numbers over several axes: [`rfft`] over the last of them, then [`fft`] over the others.
    rfftn try_rfftn RealForward;
    /// The inverse of [`rfftn`], as `F32`.
    irfftn try_irfftn RealInverse;
}
