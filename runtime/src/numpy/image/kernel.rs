//! The weights of the elements of a resized axis.

use super::ResizeMethod;
use crate::kernels::banded::Bands;

/// Sums of weights that are no larger count as zero: of `f32` also in `f64`, as in JAX.
const NO_WEIGHT: f64 = 1000.0 * f32::EPSILON as f64;

/// The weight at a distance from the middle, and beyond which distance it is zero.
fn interpolation<F: Float>(method: ResizeMethod, antialias: bool) -> (f64, fn(F) -> F) {
    match method {
        ResizeMethod::Cubic => (2.0, |x| cubic(x, F::of(-0.5))),
        ResizeMethod::CubicPytorch => {
            if antialias {
                (2.0, |x| cubic(x, F::of(-0.5)))
            } else {
                (2.0, |x| cubic(x, F::of(-0.75)))
            }
        }
        ResizeMethod::Lanczos3 => (3.0, |x| lanczos(x, F::of(3.0))),
        ResizeMethod::Lanczos5 => (5.0, |x| lanczos(x, F::of(5.0))),
        _ => (1.0, |x| F::of(1.0).sub(x).max(F::of(0.0))),
    }
}

/// R. G. Keys' kernel with a slope at distance 1.
fn cubic<F: Float>(x: F, a: F) -> F {
    let (one, two) = (F::of(1.0), F::of(2.0));
    if x >= two {
        F::of(0.0)
    } else if x >= one {
        // ((a·x - 5a)·x + 8a)·x - 4a
        let inner = a.mul(x).sub(F::of(5.0).mul(a)).mul(x).add(F::of(8.0).mul(a));
        inner.mul(x).sub(F::of(4.0).mul(a))
    } else {
        // ((a + 2)·x - (a + 3))·x² + 1
        a.add(two).mul(x).sub(a.add(F::of(3.0))).mul(x).mul(x).add(one)
    }
}

/// `radius · sin(πx) · sin(πx / radius) / (πx)²`.
fn lanczos<F: Float>(x: F, radius: F) -> F {
    if x > radius {
        return F::of(0.0);
    }
    if x <= F::of(1e-3) {
        return F::of(1.0);
    }
    let pi = F::of(std::f64::consts::PI);
    let angle = pi.mul(x);
    let y = radius.mul(angle.sin()).mul(angle.div(radius).sin());
    y.div(F::of(std::f64::consts::PI * std::f64::consts::PI).mul(x).mul(x))
}

/// A precision to reckon weights in: that of the image, `f32` for halves.
pub(super) trait Float: Copy + PartialOrd {
    fn of(x: f64) -> Self;
    fn to(self) -> f64;
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    fn sin(self) -> Self;
    fn abs(self) -> Self;
    fn max(self, other: Self) -> Self;
    fn min(self, other: Self) -> Self;
}

macro_rules! float {
    ($($t:ty),*) => { $(
        impl Float for $t {
            fn of(x: f64) -> Self {
                x as $t
            }
            fn to(self) -> f64 {
                self as f64
            }
            fn add(self, other: Self) -> Self {
                self + other
            }
            fn sub(self, other: Self) -> Self {
                self - other
            }
            fn mul(self, other: Self) -> Self {
                self * other
            }
            fn div(self, other: Self) -> Self {
                self / other
            }
            fn sin(self) -> Self {
                self.sin()
            }
            fn abs(self) -> Self {
                self.abs()
            }
            fn max(self, other: Self) -> Self {
                <$t>::max(self, other)
            }
            fn min(self, other: Self) -> Self {
                <$t>::min(self, other)
            }
        }
    )* };
}

float!(f32, f64);

/// The element of an axis of `from` elements that is nearest to element `i` of one of `to`: in `f32`, as in JAX, and in its order.
pub(super) fn nearest(i: usize, from: usize, to: usize) -> usize {
    let at = (i as f32 + 0.5) * from as f32 / to as f32;
    (at.floor() as usize).min(from - 1)
}

/// The weights of an axis of `from` elements for one of `to`, whose centres are at `(i + 0.5) · from / to`.
pub(super) fn weights<F: Float>(from: usize, to: usize, method: ResizeMethod, antialias: bool) -> Bands {
    let scale = to as f64 / from as f64;
    let inverse = F::of(1.0 / scale);
    if method == ResizeMethod::Area {
        return Bands::new(from, (0..to).map(|i| area(i, from, inverse)));
    }
    let (radius, kernel) = interpolation::<F>(method, antialias);
    // Where the axis shrinks, the kernel is as wide as the distance between two centres.
    let width = if antialias { inverse.max(F::of(1.0)) } else { F::of(1.0) };
    let has_edges = method == ResizeMethod::CubicPytorch && !antialias;
    let row = |i: usize| {
        let centre = F::of(i as f64).add(F::of(0.5)).mul(inverse).sub(F::of(0.5));
        let reach = (radius * width.to()).ceil() as isize + 1;
        let middle = centre.to().floor() as isize;
        let last = from as isize - 1;
        let first = (middle - reach).clamp(0, last);
        let count = ((middle + reach).clamp(0, last) - first + 1) as usize;
        let mut weights = vec![F::of(0.0); count];
        for at in middle - reach..=middle + reach {
            let weight = kernel(centre.sub(F::of(at as f64)).abs().div(width));
            let inside = at.clamp(first, first + count as isize - 1);
            if at == inside || has_edges {
                let weight_there = &mut weights[(inside - first) as usize];
                *weight_there = weight_there.add(weight);
            }
        }
        let is_outside = !has_edges && (centre < F::of(-0.5) || centre > F::of(from as f64).sub(F::of(0.5)));
        (first as usize, normalized(&weights, is_outside))
    };
    Bands::new(from, (0..to).map(row))
}

/// How much of each element lies in the part of the axis that becomes element `i`.
fn area<F: Float>(i: usize, from: usize, inverse: F) -> (usize, Vec<f64>) {
    let left = F::of(i as f64).mul(inverse);
    let right = left.add(inverse);
    let first = (left.to().floor().max(0.0) as usize).min(from - 1);
    let end = (right.to().ceil().max(0.0) as usize + 1).min(from).max(first + 1);
    let overlap = |j: usize| {
        let (start, stop) = (F::of(j as f64), F::of(j as f64).add(F::of(1.0)));
        right.min(stop).sub(left.max(start)).max(F::of(0.0))
    };
    let weights: Vec<F> = (first..end).map(overlap).collect();
    (first, normalized(&weights, false))
}

/// Weights with the sum one, because some neighbours may be outside of the image; none where all are.
fn normalized<F: Float>(weights: &[F], is_outside: bool) -> Vec<f64> {
    let total = weights.iter().fold(F::of(0.0), |total, &w| total.add(w));
    let is_none = is_outside || total.abs() <= F::of(NO_WEIGHT);
    weights.iter().map(|&w| if is_none { 0.0 } else { w.div(total).to() }).collect()
}
