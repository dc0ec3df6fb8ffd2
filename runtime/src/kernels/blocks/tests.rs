//! Laws, limits and accuracy of the scalar functions, and the equality of their loops on every instruction set.

use bytemuck::{Pod, cast_slice, cast_slice_mut};

use super::loops::OneLoop;
use crate::array::DType;
use crate::kernels::broadcast::Broadcast;
use crate::kernels::elementwise;
use crate::kernels::simd::{self, Level};
use crate::scalar::math::Real;
use crate::scalar::op::{One, ScalarOp, Takes, for_each_scalar_op, functions};

/// Computes a function of every element.
fn unary<T: Real + Pod>(op: ScalarOp, x: &[T], out: &mut [T]) {
    let dtype = if size_of::<T>() == 4 { DType::F32 } else { DType::F64 };
    let layout = Broadcast::new(&[out.len()], [&[out.len()]]);
    elementwise::apply(op, ([dtype], dtype), &layout, [Some(cast_slice(x))], cast_slice_mut(out));
}

/// The functions of one real number.
fn real_functions() -> impl Iterator<Item = ScalarOp> {
    let is_real = |op: &ScalarOp| op.arity() == 1 && op.takes() == Takes::Float;
    ScalarOp::ALL.iter().copied().filter(is_real).chain([ScalarOp::Abs, ScalarOp::Sign])
}

macro_rules! value {
    ($Op:ident 1 Float $x:ident) => {
        functions::$Op::of($x)
    };
    (Abs 1 Number $x:ident) => {
        Real::abs($x)
    };
    (Sign 1 Number $x:ident) => {
        Real::sign($x)
    };
    ($($other:tt)*) => {
        unreachable!("no function of one real number")
    };
}

macro_rules! values {
    ($($Op:ident $arity:tt $takes:ident $gives:ident [$($T:ident)?] [$($modular:ident)?] [$($swapped:ident)?];)*) => {
        /// The value of a function of one real number, by itself.
        fn apply<T: Real + Pod>(op: ScalarOp, x: T) -> T {
            match op {
                $(ScalarOp::$Op { .. } => value!($Op $arity $takes x),)*
            }
        }
    };
}

for_each_scalar_op!(values);

#[test]
fn all_levels_give_equal_bits() {
    fn at<F: One<f32, Out = f32>>(level: Level, input: &[f32]) -> Vec<u32> {
        let mut out = vec![0.0; input.len()];
        simd::run_at(level, OneLoop::<f32, F>(input, &mut out));
        out.iter().map(|y: &f32| if y.is_nan() { f32::NAN.to_bits() } else { y.to_bits() }).collect()
    }
    macro_rules! levels_agree {
        ($($Op:ident)*) => {
            let input: Vec<f32> = (0..u32::MAX).step_by(200_003).map(f32::from_bits).collect();
            for level in Level::available() {
                $(assert_eq!(
                    at::<functions::$Op>(level, &input),
                    at::<functions::$Op>(Level::Portable, &input),
                    "{level:?}"
                );)*
            }
        };
    }
    levels_agree! {
        Exp Exp2 Expm1 Log Log2 Log1p Sqrt Rsqrt Sin Cos Tanh Logistic Erf Erfc ErfInv Floor Ceil Round Trunc Abs Sign
    }
}

/// Returns the f32 of every `step`-th bit pattern of a range.
fn patterns(first: u32, end: u32, step: usize) -> Vec<f32> {
    (first..end).step_by(step).map(f32::from_bits).collect()
}

/// Returns numbers of all signs and exponents, more of them where functions bend, and the special ones.
fn samples() -> Vec<f32> {
    let mut xs = patterns(0, u32::MAX, 60_013);
    xs.extend((0..40_000).map(|i| -10.0 + 5.0e-4 * i as f32));
    xs.extend((0..20_000).map(|i| -105.0 + 0.01 * i as f32));
    xs.extend([
        0.0,
        -0.0,
        1.0,
        -1.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        f32::MIN_POSITIVE,
        f32::MAX,
    ]);
    xs
}

/// Returns the error of `y` in units in the last place of the f32 nearest to `exact`.
fn ulps(y: f32, exact: f64) -> f64 {
    let nearest = exact as f32;
    if y == nearest || (y.is_nan() && nearest.is_nan()) {
        return 0.0;
    }
    if !y.is_finite() || !nearest.is_finite() {
        return f64::INFINITY;
    }
    let exponent = (nearest.abs().max(f32::MIN_POSITIVE).to_bits() >> 23) as i32 - 127;
    (f64::from(y) - exact).abs() / 2f64.powi(exponent - 23)
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * b.abs().max(1.0)
}

#[test]
fn single_precision_is_within_a_few_units_of_double_precision() {
    let xs = samples();
    for op in real_functions() {
        let limit = match op {
            ScalarOp::Log1p | ScalarOp::Logistic => 2.5,
            // Near one the formula loses digits in 1 - x², and has to: its bits are XLA's.
            ScalarOp::ErfInv => 60.0,
            ScalarOp::Erfc => 0.51,
            // The error of a logarithm, twice as many units where the product lies below a power of two, and a rounding.
            ScalarOp::Entr => 3.7,
            _ => 1.6,
        };
        let mut ys = vec![0.0; xs.len()];
        unary(op, &xs, &mut ys);
        for (&x, &y) in xs.iter().zip(&ys) {
            let exact = apply(op, f64::from(x));
            assert!(ulps(y, exact) <= limit, "{}({x:e}) = {y:e}, not {exact:e}", op.name());
        }
    }
}

#[test]
fn logarithms_and_the_inverse_error_function_have_the_bits_of_xla() {
    // Sums of the bit patterns that jitted `lax.log`, `lax.log1p` and `lax.erf_inv` of jax 0.10.2 return on a CPU with FMA.
    let cases = [
        (ScalarOp::Log, 0x0080_0000, 0x7F80_0000, 4099, 1_129_164_509_820_229),
        (ScalarOp::Log1p, 0x0080_0000, 0x7F80_0000, 4099, 428_466_198_225_020),
        (ScalarOp::Log1p, 0x8080_0000, 0xBF80_0000, 4099, 692_215_629_132_997),
        (ScalarOp::ErfInv, 0x0100_0000, 0x3F80_0000, 2053, 275_604_313_946_000),
        (ScalarOp::ErfInv, 0x3F00_0000, 0x3F80_0000, 11, 810_489_434_451_052),
    ];
    for (op, first, end, step, expected) in cases {
        let arguments = patterns(first, end, step);
        let mut values = vec![0.0; arguments.len()];
        unary(op, &arguments, &mut values);
        assert_eq!(values.iter().map(|y| u64::from(y.to_bits())).sum::<u64>(), expected, "{}", op.name());
    }
}

#[test]
fn slices_hold_the_values_of_the_scalar_functions() {
    fn check<T: Real + Pod>(xs: &[T]) {
        for op in real_functions() {
            let mut ys = vec![T::from_f64(0.0); xs.len()];
            unary(op, xs, &mut ys);
            for (&x, &y) in xs.iter().zip(&ys) {
                let expected = apply(op, x).to_f64().to_bits();
                let nan = apply(op, x).to_f64().is_nan();
                let same = |y: T| y.to_f64().to_bits() == expected || (nan && y.to_f64().is_nan());
                assert!(same(y), "{}({x:?})", op.name());
            }
        }
    }
    // One argument far out for sine and cosine, in the middle of many near ones.
    let near = (0..1000).map(|i| if i == 500 { 1.0e6 } else { f64::from(i).sin() * 9.0 });
    let limits = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    let xs: Vec<f64> = near.chain(limits).collect();
    check(&xs);
    check(&xs.iter().map(|&x| x as f32).collect::<Vec<_>>());
}

#[test]
fn threads_do_not_change_results() {
    let xs: Vec<f32> = (0..200_000).map(|i| (i as f32 * 0.37).sin() * 4.0).collect();
    let mut ys = vec![0.0; xs.len()];
    unary(ScalarOp::Tanh, &xs, &mut ys);
    assert!(xs.iter().zip(&ys).all(|(&x, &y)| Real::tanh(x) == y));
}

#[test]
#[should_panic(expected = "bytes of an argument")]
fn slices_of_different_length_are_refused() {
    unary(ScalarOp::Exp, &[1.0f32], &mut [0.0; 2]);
}

#[test]
fn infinities_zeros_and_overflow_have_their_limits() {
    const INF: f32 = f32::INFINITY;
    let cases = [
        (ScalarOp::Exp, [(INF, INF), (-INF, 0.0), (89.0, INF), (-104.0, 0.0), (0.0, 1.0)].as_slice()),
        (
            ScalarOp::Exp2,
            &[(INF, INF), (-INF, 0.0), (128.0, INF), (-149.0, 1.0e-45), (-151.0, 0.0), (10.0, 1024.0)],
        ),
        (ScalarOp::Expm1, &[(INF, INF), (-INF, -1.0), (89.0, INF), (-0.0, -0.0), (1.0e-30, 1.0e-30)]),
        (ScalarOp::Log, &[(INF, INF), (0.0, -INF), (-0.0, -INF), (1.0, 0.0), (-1.0, f32::NAN)]),
        (ScalarOp::Log2, &[(INF, INF), (0.0, -INF), (1.0e-45, -149.0), (1024.0, 10.0), (0.125, -3.0)]),
        (ScalarOp::Log1p, &[(INF, INF), (-1.0, -INF), (-2.0, f32::NAN), (-0.0, -0.0), (1.0e-45, 1.0e-45)]),
        (ScalarOp::Rsqrt, &[(INF, 0.0), (0.0, INF), (4.0, 0.5), (-1.0, f32::NAN)]),
        (ScalarOp::Tanh, &[(INF, 1.0), (-INF, -1.0), (-0.0, -0.0), (9.1, 1.0)]),
        (ScalarOp::Logistic, &[(INF, 1.0), (-INF, 0.0), (0.0, 0.5), (-104.0, 0.0)]),
        (ScalarOp::Erf, &[(INF, 1.0), (-INF, -1.0), (-0.0, -0.0), (4.0, 1.0)]),
        (ScalarOp::Erfc, &[(INF, 0.0), (-INF, 2.0), (0.0, 1.0)]),
        (ScalarOp::ErfInv, &[(1.0, INF), (-1.0, -INF), (1.5, f32::NAN), (INF, f32::NAN), (-0.0, -0.0)]),
        (ScalarOp::Sin, &[(INF, f32::NAN), (-0.0, -0.0)]),
        (ScalarOp::Cos, &[(-INF, f32::NAN), (-0.0, 1.0)]),
        (ScalarOp::Sign, &[(-INF, -1.0), (1.0e-45, 1.0), (-0.0, -0.0), (0.0, 0.0)]),
        (ScalarOp::Round, &[(0.5, 0.0), (1.5, 2.0), (2.5, 2.0), (-0.5, -0.0), (-1.5, -2.0)]),
        (ScalarOp::Lgamma, &[(INF, INF), (0.0, INF), (-2.0, INF), (1.0, 0.0)]),
        (ScalarOp::Digamma, &[(INF, INF), (0.0, f32::NAN), (-2.0, f32::NAN), (-INF, f32::NAN)]),
        (ScalarOp::Trigamma, &[(INF, 0.0), (0.0, INF), (-2.0, INF)]),
    ];
    for (op, points) in cases {
        for &(x, y) in points {
            let (single, double) = (apply(op, x), apply(op, f64::from(x)) as f32);
            assert!(
                single.to_bits() == y.to_bits() || (single.is_nan() && y.is_nan()),
                "{}({x}) = {single}",
                op.name()
            );
            assert!(double.is_nan() == y.is_nan(), "{}({x}) = {double} in f64", op.name());
        }
        assert!(apply(op, f32::NAN).is_nan() && apply(op, f64::NAN).is_nan(), "{} of NaN", op.name());
    }
}

#[test]
fn odd_functions_change_sign_with_their_argument_and_even_ones_do_not() {
    for x in samples().into_iter().filter(|x| x.is_finite()) {
        for op in [ScalarOp::Sin, ScalarOp::Tanh, ScalarOp::Erf, ScalarOp::Sinh, ScalarOp::Cbrt] {
            assert_eq!(apply(op, -x).to_bits(), (-apply(op, x)).to_bits(), "{}({x})", op.name());
        }
        assert_eq!(Real::cos(-x), Real::cos(x));
    }
}

#[test]
fn the_inverse_error_function_undoes_the_error_function_in_double_precision() {
    for y in (1..2000).map(|i| f64::from(i) / 2000.0).chain([1e-300, 1e-12, 1.0 - 1e-9, 1.0 - 1e-15]) {
        let x = Real::erf_inv(y);
        assert_eq!(Real::erf_inv(-y), -x);
        if y < 0.5 {
            assert!((libm::erf(x) - y).abs() <= 4e-16 * y, "{y}");
        } else {
            assert!((libm::erfc(x) - (1.0 - y)).abs() <= 2e-14 * (1.0 - y), "{y}");
        }
    }
}

#[test]
fn digamma_and_trigamma_obey_recurrence_reflection_and_their_known_values() {
    use std::f64::consts::PI;
    const EULER: f64 = 0.577_215_664_901_532_9;
    assert!(close(1f64.digamma(), -EULER, 1e-15));
    assert!(close(0.5f64.digamma(), -EULER - 2.0 * 2f64.ln(), 1e-15));
    assert!(close(1f64.trigamma(), PI * PI / 6.0, 1e-15));
    assert!(close(0.5f64.trigamma(), PI * PI / 2.0, 1e-15));
    for x in (0..160).map(|i| -7.9 + 0.25 * f64::from(i)) {
        assert!(close((x + 1.0).digamma(), x.digamma() + 1.0 / x, 1e-12), "{x}");
        assert!(close((x + 1.0).trigamma(), x.trigamma() - 1.0 / (x * x), 1e-11), "{x}");
        assert!(close((1.0 - x).digamma() - x.digamma(), PI / (PI * x).tan(), 1e-10), "{x}");
        // Differences of finite width say nothing close to a pole.
        if x > 0.5 {
            let h = 1e-5;
            assert!(close(((x + h).lgamma() - (x - h).lgamma()) / (2.0 * h), x.digamma(), 1e-8), "{x}");
            assert!(close(((x + h).digamma() - (x - h).digamma()) / (2.0 * h), x.trigamma(), 1e-8), "{x}");
        }
    }
}

#[test]
fn maximum_and_minimum_propagate_nan_and_order_zeros() {
    assert_eq!(Real::max(1.0f32, 2.0), 2.0);
    assert_eq!(Real::min(1.0f64, 2.0), 1.0);
    assert!(Real::max(f32::NAN, 1.0).is_nan() && Real::max(1.0, f32::NAN).is_nan());
    assert!(Real::min(f64::NAN, 1.0).is_nan() && Real::min(1.0, f64::NAN).is_nan());
    for (a, b) in [(0.0f32, -0.0), (-0.0, 0.0)] {
        assert!(Real::max(a, b).is_sign_positive() && Real::min(a, b).is_sign_negative());
    }
    assert_eq!(Real::max(-3.0f64, -3.0), -3.0);
}

#[test]
fn powers_remainders_and_angles_follow_their_definitions() {
    assert_eq!(Real::rem(-5.5f32, 2.0), -1.5);
    assert!(Real::rem(2.0f64, 0.0).is_nan());
    assert!(Real::rem(-0.0f32, 2.0).is_sign_negative());
    assert_eq!(Real::pow(-8.0f32, 2.0), 64.0);
    assert!(Real::pow(-8.0f64, 0.5).is_nan());
    assert_eq!(Real::atan2(-1.0f32, -1.0), -2.356_194_5);
    for n in -9..10 {
        assert!(close(Real::powi(1.1f64, n), Real::pow(1.1, f64::from(n)), 1e-14), "{n}");
    }
    assert_eq!(Real::powi(-0.0f32, -3), f32::NEG_INFINITY);
    assert_eq!(Real::powi(f32::NAN, 0), 1.0);
}

#[test]
fn integer_powers_over_a_slice_are_those_of_its_elements() {
    let xs: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.7).sin() * 3.0).collect();
    for n in [-4, -1, 0, 1, 2, 3, 7, 64, i32::MIN] {
        let mut out = vec![0.0; xs.len()];
        super::power::integer_power(&xs, n, &mut out);
        assert!(
            xs.iter().zip(&out).all(|(&x, &y): (&f32, &f32)| Real::powi(x, n).to_bits() == y.to_bits()),
            "{n}"
        );
    }
}
