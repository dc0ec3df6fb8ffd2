//! Single-precision sine and cosine, without branches for arguments up to [`LIMIT`].
//!
//! Arguments are reduced as W. J. Cody and W. Waite do ("Software manual for the elementary functions", 1980): a multiple of π/2
//! is subtracted in parts; a polynomial for each of sine and cosine does the rest.

use super::exponential::{ROUNDER, rounded};
use super::polynomial::horner;

/// The largest magnitude for which subtracting a multiple of π/2 in three parts keeps full precision.
pub const LIMIT: f32 = 48_000.0;

/// The parts of π/2, each the nearest number to what the earlier ones miss.
const FRAC_PI_2_PARTS: [f32; 3] = [std::f32::consts::FRAC_PI_2, -4.371_139e-8, -1.715_124_5e-15];

/// Returns `sin(x + quarters·π/2)` for `|x| <= LIMIT`.
#[inline(always)]
fn sin_shifted(x: f32, quarters: i32) -> f32 {
    let t = x.mul_add(std::f32::consts::FRAC_2_PI, ROUNDER);
    let n = t - ROUNDER;
    let [a, b, c] = FRAC_PI_2_PARTS;
    let r = n.mul_add(-c, n.mul_add(-b, n.mul_add(-a, x)));
    let s = r * r;
    let p = horner(s, [2.8372472e-06, -0.00019853498, 0.00833338, -0.16666667]);
    let sine = p.mul_add(s * r, r);
    let q = horner(s, [2.4430668e-05, -0.0013887301, 0.041666646, -0.5]);
    let cosine = q.mul_add(s, 1.0);
    let quadrant = rounded(t).wrapping_add(quarters);
    let y = if quadrant & 1 == 0 { sine } else { cosine };
    f32::from_bits(y.to_bits() ^ (((quadrant & 2) as u32) << 30))
}

/// Returns the sine of `|x| <= LIMIT`.
#[inline(always)]
pub fn sin_within_limit(x: f32) -> f32 {
    let y = sin_shifted(x, 0);
    if x == 0.0 { x } else { y }
}

/// Returns the cosine of `|x| <= LIMIT`.
#[inline(always)]
pub fn cos_within_limit(x: f32) -> f32 {
    sin_shifted(x, 1)
}

/// Returns the sine of any number.
#[inline]
pub fn sin(x: f32) -> f32 {
    if x.abs() <= LIMIT { sin_within_limit(x) } else { f64::from(x).sin() as f32 }
}

/// Returns the cosine of any number.
#[inline]
pub fn cos(x: f32) -> f32 {
    if x.abs() <= LIMIT { cos_within_limit(x) } else { f64::from(x).cos() as f32 }
}
