//! Images of another size: [`resize`] and [`scale_and_translate`], as `jax.image`, and [`interpolate`], as PyTorch.

mod interpolate;
mod kernel;
mod resize;
mod translate;

pub use interpolate::{Interpolate, InterpolateMode, interpolate, interpolate_by};
pub use resize::{Resize, resize};
pub use translate::{ScaleAndTranslate, scale_and_translate};

/// How elements between those of an image are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResizeMethod {
    /// The nearest element, of any dtype.
    Nearest,
    /// Between two elements: the triangle kernel. Over two axes that is bilinear.
    Linear,
    /// The kernel of R. G. Keys, "Cubic convolution interpolation for digital image processing" (1981), with `a = -0.5`.
    Cubic,
    /// As [`Cubic`](ResizeMethod::Cubic) with `antialias`; without it `a = -0.75`, and elements beyond the edge are those of the edge.
    CubicPytorch,
    /// The sinc function within a radius of 3, in the window of a wider one (Lanczos).
    Lanczos3,
    /// As [`Lanczos3`](ResizeMethod::Lanczos3), within a radius of 5.
    Lanczos5,
    /// The mean over the area of each element of the result.
    Area,
}
