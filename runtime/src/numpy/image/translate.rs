//! `scale_and_translate`: an image under a map of its axes that may be a value itself.

use super::ResizeMethod;
use super::resize::check;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::ops::create::iota;
use crate::ops::elementwise::inexact;
use crate::ops::{axis_of, promoted_inexact, reduce};

/// The image `x` in one of `shape`, with its coordinates multiplied by `scale` and moved by `translation` along some axes, as
/// `jax.image.scale_and_translate`.
///
/// `scale` and `translation` are vectors with a number for each of the axes of `spatial`, and may be traced: there are gradients for both.
/// Element `i` of an axis has the coordinate `i + 0.5`. What comes from outside of the image is zero. With a scale of
/// `(n - 1) / (m - 1)` and a translation of `0.5 · (1 - scale)` the corners of `m` elements meet those of `n`.
///
/// ```
/// use flaxen::image::{ResizeMethod, scale_and_translate};
/// use flaxen::prelude::*;
/// let x = Tensor::from([1.0f32, 2.0, 3.0, 4.0]);
/// let (scale, by) = (Tensor::from([1.0f32]), Tensor::from([1.0f32]));
/// let y = scale_and_translate(&x, [4], [0], &scale, &by, ResizeMethod::Linear).run()?;
/// assert_eq!(y.to_vec::<f32>()?, [0.0, 1.0, 2.0, 3.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn scale_and_translate(
    x: &Tensor,
    shape: impl AsRef<[usize]>,
    spatial: impl AsRef<[isize]>,
    scale: &Tensor,
    translation: &Tensor,
    method: ResizeMethod,
) -> ScaleAndTranslate {
    ScaleAndTranslate {
        x: x.clone(),
        shape: shape.as_ref().into(),
        spatial: spatial.as_ref().into(),
        map: [scale.clone(), translation.clone()],
        method,
        antialias: true,
    }
}

/// A map of an image about to be run; see [`scale_and_translate`].
#[derive(Clone, Debug)]
#[must_use = "nothing is computed before `run`"]
pub struct ScaleAndTranslate {
    x: Tensor,
    shape: Vec<usize>,
    spatial: Vec<isize>,
    map: [Tensor; 2],
    method: ResizeMethod,
    antialias: bool,
}

impl ScaleAndTranslate {
    /// Sets whether an axis that shrinks is smoothed first; true by default.
    pub fn antialias(self, antialias: bool) -> ScaleAndTranslate {
        ScaleAndTranslate { antialias, ..self }
    }

    /// Computes the image.
    ///
    /// # Errors
    /// If the shape has not as many axes as the image, or changes others than the spatial ones, scale or translation have not a number for each
    /// of these, or the method is [`Nearest`](ResizeMethod::Nearest), or [`CubicPytorch`](ResizeMethod::CubicPytorch) without `antialias`.
    #[track_caller]
    pub fn run(self) -> Result<Tensor> {
        const OP: &str = "scale_and_translate";
        let ScaleAndTranslate { x, shape, spatial, map, method, antialias } = self;
        check(OP, &x, &shape)?;
        let is_padded = method == ResizeMethod::CubicPytorch && !antialias;
        if method == ResizeMethod::Nearest || is_padded {
            let message = format!("{method:?} without antialias: it is there in `resize`");
            return Err(Error::argument(OP, message));
        }
        let [scale, translation] = promoted_inexact(map)?;
        if [&scale, &translation].iter().any(|x| x.shape() != [spatial.len()]) {
            let found = format!("scale {}, translation {}", scale.aval(), translation.aval());
            return Err(Error::shape(
                OP,
                found,
                format!("vectors of {} numbers, one for each axis", spatial.len()),
            ));
        }
        let mut image = inexact(&x)?;
        for (i, &axis) in spatial.iter().enumerate() {
            let axis = axis_of(OP, axis, x.rank())?;
            let number = |x: &Tensor| x.try_index_axis(0, i as isize);
            let sizes = [image.shape()[axis], shape[axis]];
            let weights = weights(sizes, &number(&scale)?, &number(&translation)?, method, antialias)?;
            let weights = weights.try_cast(image.dtype())?;
            image =
                image.try_tensordot(&weights, &[axis as isize], &[0])?.try_move_axis(-1, axis as isize)?;
        }
        if image.shape() != shape {
            let found = format!("{:?} to {shape:?} along axes {spatial:?}", x.shape());
            return Err(Error::shape(OP, found, "other sizes for the spatial axes alone"));
        }
        Ok(image)
    }
}

/// The weights of `m` elements for each of `n`, `[m, n]`; see `kernel`, where the map is known.
#[track_caller]
fn weights(
    [m, n]: [usize; 2],
    scale: &Tensor,
    translation: &Tensor,
    method: ResizeMethod,
    antialias: bool,
) -> Result<Tensor> {
    let count = |shape: [usize; 2], axis: usize| iota(shape, scale.dtype(), axis);
    let (zero, one) = (scale.like(0.0), scale.like(1.0));
    let inverse = scale.try_reciprocal()?;
    let (rows, columns) = (count([m, 1], 0)?, count([1, n], 1)?);
    let shift = translation.try_mul(&inverse)?;
    let centre =
        columns.try_add(scale.like(0.5))?.try_mul(&inverse)?.try_sub(&shift)?.try_sub(scale.like(0.5))?;
    let weights = if method == ResizeMethod::Area {
        let left = columns.try_mul(&inverse)?.try_sub(&shift)?;
        let right = left.try_add(&inverse)?;
        let overlap = right.try_minimum(rows.try_add(&one)?)?.try_sub(left.try_maximum(&rows)?)?;
        overlap.try_maximum(&zero)?
    } else {
        let width = if antialias { inverse.try_maximum(&one)? } else { one.clone() };
        kernel(&centre.try_sub(&rows)?.try_abs()?.try_div(width)?, method)?
    };
    let total = reduce::sum_axes(&weights, &[0])?.try_reshape([1, n])?;
    let has_weight = total.try_abs()?.try_gt(scale.like(1000.0 * f64::from(f32::EPSILON)))?;
    let divisor = total.try_ne(&zero)?.try_select(&total, &one)?;
    let weights = has_weight.try_select(weights.try_div(divisor)?, &zero)?;
    let is_inside =
        centre.try_ge(scale.like(-0.5))?.try_bitand(centre.try_le(scale.like(m as f64 - 0.5))?)?;
    is_inside.try_select(weights, &zero)
}

/// The weight at distances from the middle.
#[track_caller]
fn kernel(x: &Tensor, method: ResizeMethod) -> Result<Tensor> {
    let number = |value: f64| x.like(value);
    match method {
        ResizeMethod::Cubic | ResizeMethod::CubicPytorch => {
            let near =
                x.try_mul(number(1.5))?.try_sub(number(2.5))?.try_mul(x)?.try_mul(x)?.try_add(number(1.0))?;
            let far = x.try_mul(number(-0.5))?.try_add(number(2.5))?.try_mul(x)?.try_sub(number(4.0))?;
            let far = far.try_mul(x)?.try_add(number(2.0))?;
            let weight = x.try_ge(number(1.0))?.try_select(far, near)?;
            x.try_ge(number(2.0))?.try_select(number(0.0), weight)
        }
        ResizeMethod::Lanczos3 | ResizeMethod::Lanczos5 => {
            let radius = number(if method == ResizeMethod::Lanczos3 { 3.0 } else { 5.0 });
            let angle = x.try_mul(number(std::f64::consts::PI))?;
            let y = radius.try_mul(angle.try_sin()?)?.try_mul(angle.try_div(&radius)?.try_sin()?)?;
            let square = x.try_mul(x)?.try_mul(number(std::f64::consts::PI * std::f64::consts::PI))?;
            let safe = x.try_ne(number(0.0))?.try_select(square, number(1.0))?;
            let weight = x.try_gt(number(1e-3))?.try_select(y.try_div(safe)?, number(1.0))?;
            x.try_gt(radius)?.try_select(number(0.0), weight)
        }
        _ => number(1.0).try_sub(x)?.try_maximum(number(0.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::DType;
    use crate::numpy::image::resize;

    #[test]
    fn a_map_that_fills_the_result_is_a_resizing() {
        let x = Tensor::from_vec((0..54).map(|i| (f64::from(i) * 0.7).sin()).collect::<Vec<_>>(), [6, 9]);
        for method in [ResizeMethod::Linear, ResizeMethod::Cubic, ResizeMethod::Lanczos3, ResizeMethod::Area]
        {
            for antialias in [false, true] {
                for shape in [[3, 5], [13, 20], [6, 4]] {
                    let scale = Tensor::from([shape[0] as f32 / 6.0, shape[1] as f32 / 9.0]);
                    let by = Tensor::from([0.0f32, 0.0]);
                    let mapped = scale_and_translate(&x, shape, [0, 1], &scale, &by, method);
                    let mapped = mapped.antialias(antialias).run().unwrap();
                    let resized = resize(&x, shape, method).antialias(antialias).run().unwrap();
                    assert!(mapped.all_close(&resized, 1e-4, 1e-5).unwrap(), "{method:?} {shape:?}");
                }
            }
        }
        assert_eq!(x.dtype(), DType::F32);
    }
}
