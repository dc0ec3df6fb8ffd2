//! Loops over complex numbers, whose parts lie one behind the other.
//!
//! What is linear is the loop over twice as many reals. Powers, roots and other functions are computed in `f64` and rounded once, as
//! their formulas cancel.

use bytemuck::Pod;
use num_complex::{Complex32, Complex64};

use super::loops::{Block, read, select, wide, write};
use super::table::{Entry, copy, entry as entry_of_reals};
use crate::array::DType;
use crate::kernels::simd::SimdKernel;
use crate::scalar::op::{Gives, ScalarOp};

/// The loop of a function that takes complex numbers or gives them, but for casts from and to reals.
pub(super) fn entry(op: ScalarOp, from: DType, to: DType) -> Option<Entry> {
    let gives = match op.gives() {
        Gives::Same => from,
        Gives::Bool => DType::Bool,
        Gives::Complex => DType::C64,
        Gives::Part => DType::F32,
        Gives::Asked => to,
    };
    if !op.accepts(from) || gives != to {
        return None;
    }
    let block = match op {
        ScalarOp::Copy => copy(from.size()),
        ScalarOp::Cast if to == from => copy(from.size()),
        ScalarOp::Cast if to == DType::Bool => is_not_zero as Block,
        ScalarOp::Select => select::<u64>,
        ScalarOp::Add => doubled_add,
        ScalarOp::Sub => doubled_sub,
        ScalarOp::Neg => doubled_neg,
        ScalarOp::Mul => product,
        ScalarOp::Div => quotient,
        ScalarOp::MulAdd => product_and_sum,
        ScalarOp::Eq => equal,
        ScalarOp::Ne => different,
        ScalarOp::Complex => interleaved,
        ScalarOp::Imag => imaginary,
        ScalarOp::Magnitude => magnitude,
        ScalarOp::Conj => conjugate,
        ScalarOp::Powi(2) => square,
        ScalarOp::Powi(exponent) => return Some((powers, exponent)),
        ScalarOp::Pow => power,
        ScalarOp::Exp => exp,
        ScalarOp::Log => log,
        ScalarOp::Sqrt => sqrt,
        ScalarOp::Rsqrt => rsqrt,
        ScalarOp::Sin => sin,
        ScalarOp::Cos => cos,
        ScalarOp::Tan => tan,
        ScalarOp::Sinh => sinh,
        ScalarOp::Cosh => cosh,
        ScalarOp::Tanh => tanh,
        ScalarOp::Logistic => logistic,
        _ => return None,
    };
    Some((block, 0))
}

macro_rules! doubled {
    ($($name:ident $op:ident;)*) => { $(
        /// # Safety
        /// As [`Block`].
        unsafe fn $name(args: [*const u8; 3], out: *mut u8, count: usize, _parameter: i32) {
            let Some((block, parameter)) = entry_of_reals(ScalarOp::$op, DType::F32, DType::F32) else {
                unreachable!("a function of reals")
            };
            // SAFETY: the parts of so many complex numbers are twice as many reals.
            unsafe { block(args, out, 2 * count, parameter) }
        }
    )* };
}

doubled! { doubled_add Add; doubled_sub Sub; doubled_neg Neg; }

struct One<'a, A, B, F>(&'a [A], &'a mut [B], F);

impl<A: Copy, B, F: Fn(A) -> B> SimdKernel for One<'_, A, B, F> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        self.1.iter_mut().zip(self.0).for_each(|(out, &x)| *out = (self.2)(x));
    }
}

struct Two<'a, A, B, F>([&'a [A]; 2], &'a mut [B], F);

impl<A: Copy, B, F: Fn(A, A) -> B> SimdKernel for Two<'_, A, B, F> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let all = self.1.iter_mut().zip(self.0[0]).zip(self.0[1]);
        all.for_each(|((out, &x), &y)| *out = (self.2)(x, y));
    }
}

/// # Safety
/// As [`Block`].
unsafe fn one<A: Pod, B: Pod>(args: [*const u8; 3], out: *mut u8, count: usize, f: impl Fn(A) -> B) {
    // SAFETY: the caller vouches for both.
    let (x, out) = unsafe { (read::<A>(args[0], count), write::<B>(out, count)) };
    wide(One(x, out, f));
}

macro_rules! of_one {
    ($($name:ident |$x:ident: $from:ty| -> $to:ty { $value:expr })*) => { $(
        /// # Safety
        /// As [`Block`].
        unsafe fn $name(args: [*const u8; 3], out: *mut u8, count: usize, _parameter: i32) {
            // SAFETY: the caller vouches for both.
            unsafe { one(args, out, count, |$x: $from| -> $to { $value }) }
        }
    )* };
}

macro_rules! of_two {
    ($($name:ident |$x:ident, $y:ident: $from:ty| -> $to:ty { $value:expr })*) => { $(
        /// # Safety
        /// As [`Block`].
        unsafe fn $name(args: [*const u8; 3], out: *mut u8, count: usize, _parameter: i32) {
            // SAFETY: the caller vouches for all three.
            let (x, y) = unsafe { (read::<$from>(args[0], count), read(args[1], count)) };
            // SAFETY: as above.
            let out = unsafe { write::<$to>(out, count) };
            wide(Two([x, y], out, |$x: $from, $y: $from| -> $to { $value }));
        }
    )* };
}

fn precise(x: Complex32) -> Complex64 {
    Complex64::new(x.re.into(), x.im.into())
}

fn rounded(x: Complex64) -> Complex32 {
    Complex32::new(x.re as f32, x.im as f32)
}

#[inline(always)]
fn times(x: Complex32, y: Complex32) -> Complex32 {
    Complex32::new(x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re)
}

/// With the magnitude taken out of the exponent, which may be too large while the product is not.
fn exponential(x: Complex64) -> Complex64 {
    let (sin, cos) = x.im.sin_cos();
    // No infinity times a zero: a real number stays one.
    if x.im == 0.0 { Complex64::new(x.re.exp(), x.im) } else { Complex64::new(cos, sin) * x.re.exp() }
}

of_one! {
    is_not_zero |x: Complex32| -> u8 { u8::from(x.re != 0.0 || x.im != 0.0) }
    imaginary |x: Complex32| -> f32 { x.im }
    magnitude |x: Complex32| -> f32 { f64::from(x.re).hypot(x.im.into()) as f32 }
    conjugate |x: Complex32| -> Complex32 { x.conj() }
    square |x: Complex32| -> Complex32 { times(x, x) }
    exp |x: Complex32| -> Complex32 { rounded(exponential(precise(x))) }
    log |x: Complex32| -> Complex32 { rounded(precise(x).ln()) }
    sqrt |x: Complex32| -> Complex32 { rounded(precise(x).sqrt()) }
    rsqrt |x: Complex32| -> Complex32 { rounded(precise(x).sqrt().inv()) }
    sin |x: Complex32| -> Complex32 { rounded(precise(x).sin()) }
    cos |x: Complex32| -> Complex32 { rounded(precise(x).cos()) }
    tan |x: Complex32| -> Complex32 { rounded(precise(x).tan()) }
    sinh |x: Complex32| -> Complex32 { rounded(precise(x).sinh()) }
    cosh |x: Complex32| -> Complex32 { rounded(precise(x).cosh()) }
    tanh |x: Complex32| -> Complex32 { rounded(precise(x).tanh()) }
    logistic |x: Complex32| -> Complex32 { rounded((exponential(-precise(x)) + 1.0).inv()) }
}

of_two! {
    interleaved |re, im: f32| -> Complex32 { Complex32::new(re, im) }
    product |x, y: Complex32| -> Complex32 { times(x, y) }
    quotient |x, y: Complex32| -> Complex32 { rounded(precise(x) / precise(y)) }
    power |x, y: Complex32| -> Complex32 { rounded(precise(x).powc(precise(y))) }
    equal |x, y: Complex32| -> u8 { u8::from(x == y) }
    different |x, y: Complex32| -> u8 { u8::from(x != y) }
}

/// # Safety
/// As [`Block`].
unsafe fn powers(args: [*const u8; 3], out: *mut u8, count: usize, exponent: i32) {
    // SAFETY: the caller vouches for both.
    unsafe { one(args, out, count, |x: Complex32| rounded(precise(x).powi(exponent))) }
}

/// # Safety
/// As [`Block`].
unsafe fn product_and_sum(args: [*const u8; 3], out: *mut u8, count: usize, _parameter: i32) {
    // SAFETY: the caller vouches for all four.
    let [x, y, z] = unsafe { args.map(|arg| read::<Complex32>(arg, count)) };
    // SAFETY: as above.
    let out = unsafe { write::<Complex32>(out, count) };
    out.iter_mut().zip(x).zip(y).zip(z).for_each(|(((out, &x), &y), &z)| *out = times(x, y) + z);
}
