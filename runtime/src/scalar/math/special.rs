//! Special functions that are computed in double precision and rounded: those of one, two and three arguments.

use super::{Real, bessel, incomplete_beta, incomplete_gamma, normal_quantile, zeta as hurwitz};

macro_rules! rounded {
    ($($(#[$doc:meta])* $name:ident($($x:ident),+) => $function:path;)*) => {
        $($(#[$doc])*
        pub fn $name<T: Real>($($x: T),+) -> T {
            T::from_f64($function($($x.to_f64()),+))
        })*
    };
}

rounded! {
    /// Returns `e^-|x|·I₀(x)`, with the modified Bessel function of the first kind.
    bessel_i0e(x) => bessel::bessel_i0e;
    /// Returns `e^-|x|·I₁(x)`, with the modified Bessel function of the first kind.
    bessel_i1e(x) => bessel::bessel_i1e;
    /// Returns where the standard normal distribution function is `p`.
    ndtri(p) => normal_quantile::ndtri;
    /// Returns the logarithm of the standard normal distribution function.
    log_ndtr(x) => normal_quantile::log_ndtr;
    /// Returns the regularized lower incomplete gamma function.
    igamma(a, x) => incomplete_gamma::igamma;
    /// Returns the regularized upper incomplete gamma function.
    igammac(a, x) => incomplete_gamma::igammac;
    /// Returns the derivative of [`igamma`] by its shape.
    igamma_grad_a(a, x) => incomplete_gamma::igamma_grad_a;
    /// Returns the derivative by the shape of a sample of the gamma distribution.
    random_gamma_grad(a, x) => incomplete_gamma::random_gamma_grad;
    /// Returns Hurwitz' zeta function.
    zeta(x, q) => hurwitz::zeta;
    /// Returns the regularized incomplete beta function.
    betainc(a, b, x) => incomplete_beta::betainc;
}

/// Returns `-x·log(x)`: 0 at 0, and minus infinity below.
pub fn entr<T: Real>(x: T) -> T {
    let zero = T::from_f64(0.0);
    match () {
        () if x < zero => T::from_f64(f64::NEG_INFINITY),
        () if x == zero => zero,
        () => -(x * x.log()),
    }
}
