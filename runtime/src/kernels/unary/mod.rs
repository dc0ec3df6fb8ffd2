//! Functions of one element over slices: named at compile time by a type, or at run time by [`UnaryOp`].

mod power;
#[cfg(test)]
mod tests;

pub use power::integer_power;

use super::simd::{self, SimdKernel};
use super::threads;
use crate::scalar::math::Real;
use crate::scalar::op::{UnaryFn, UnaryOp, for_each_unary_op};

macro_rules! pieces {
    ($($op:ident)*) => {
        impl UnaryOp {
            pub(crate) fn map_piece<T: Real>(self, input: &[T], out: &mut [T]) {
                match self {
                    $(UnaryOp::$op => map::<crate::scalar::op::functions::$op, T>(input, out),)*
                }
            }
        }
    };
}
for_each_unary_op!(pieces);

/// The cost from which on functions are those of `std` and `libm`, computed in f64.
const CALLED: usize = 30;
/// Elements that are examined together for arguments outside the common range.
const BLOCK: usize = 128;

struct MapUnary<'a, F, T> {
    input: &'a [T],
    out: &'a mut [T],
    function: std::marker::PhantomData<F>,
}

impl<F: UnaryFn, T: Real> SimdKernel for MapUnary<'_, F, T> {
    type Output = ();
    const WIDEST: bool = size_of::<T>() == 4;

    #[inline(always)]
    fn run(self) {
        if !F::HAS_NEAR {
            for (out, &x) in self.out.iter_mut().zip(self.input) {
                *out = F::apply(x);
            }
            return;
        }
        for (out, input) in self.out.chunks_mut(BLOCK).zip(self.input.chunks(BLOCK)) {
            if input.iter().fold(true, |near, &x| near & F::is_near(x)) {
                for (out, &x) in out.iter_mut().zip(input) {
                    *out = F::near(x);
                }
            } else {
                for (out, &x) in out.iter_mut().zip(input) {
                    *out = F::apply(x);
                }
            }
        }
    }
}

/// Writes `F` of every element of `input` to `out`, on the calling thread.
///
/// # Panics
/// If the lengths differ.
pub fn map<F: UnaryFn, T: Real>(input: &[T], out: &mut [T]) {
    assert_eq!(input.len(), out.len(), "input and output of a map differ in length");
    let map = MapUnary { input, out, function: std::marker::PhantomData::<F> };
    // A function that is called element by element has no vectors to gain.
    if F::COST >= CALLED { map.run() } else { simd::run(map) }
}

/// Writes a function of every element of `input` to `out`, on several threads if that is worth it.
///
/// ```
/// use flaxen::kernels::unary::unary;
/// use flaxen::scalar::op::UnaryOp;
///
/// let mut out = [0.0f32; 2];
/// unary(UnaryOp::Exp, &[0.0, f32::NEG_INFINITY], &mut out);
/// assert_eq!(out, [1.0, 0.0]);
/// ```
///
/// # Panics
/// If the lengths differ.
pub fn unary<T: Real>(op: UnaryOp, input: &[T], out: &mut [T]) {
    assert_eq!(input.len(), out.len(), "input and output of `{}` differ in length", op.name());
    threads::split(out, 1, op.cost(), |first, out| op.map_piece(&input[first..][..out.len()], out));
}

#[cfg(test)]
mod level_tests {
    use super::*;
    use crate::kernels::simd::Level;
    use crate::scalar::op::functions;
    use std::marker::PhantomData;

    fn at<F: UnaryFn>(level: Level, input: &[f32]) -> Vec<u32> {
        let mut out = vec![0.0; input.len()];
        simd::run_at(level, MapUnary { input, out: &mut out, function: PhantomData::<F> });
        out.iter().map(|y: &f32| if y.is_nan() { f32::NAN.to_bits() } else { y.to_bits() }).collect()
    }

    macro_rules! levels_agree {
        ($($function:ident)*) => {
            #[test]
            fn all_levels_give_equal_bits() {
                let input: Vec<f32> = (0..u32::MAX).step_by(200_003).map(f32::from_bits).collect();
                for level in Level::available() {
                    $(assert_eq!(
                        at::<functions::$function>(level, &input),
                        at::<functions::$function>(Level::Portable, &input),
                        "{level:?}"
                    );)*
                }
            }
        };
    }
    levels_agree!(Exp Exp2 Expm1 Log Log2 Log1p Sqrt Rsqrt Sin Cos Tanh Logistic Erf Erfc ErfInv Floor Ceil Round Trunc Abs Sign);
}
