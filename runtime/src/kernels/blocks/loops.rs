//! The loops: one for each function and type, over blocks that lie in L1.
//!
//! Operands are mostly vectors, scalars having been broadcast over a block beforehand: that is one loop for each function
//! instead of one for each mixture. The commonest functions have loops for a scalar, or one for each row, too: such vectors would
//! drive others out of L1.

use std::marker::PhantomData;

use bytemuck::Pod;

use crate::kernels::simd::{SimdKernel, wide};
use crate::scalar::arith::Arith;
use crate::scalar::bits::Bits;
use crate::scalar::cast::CastTo;
use crate::scalar::math::{Real, log_add_exp};
use crate::scalar::number::Number;
use crate::scalar::signed::Signed;

/// Computes `count` elements of `out` from those of the arguments.
///
/// # Safety
/// Each argument that the function takes and `out` point to `count` elements of the types that the table chose the
/// loop for, aligned; those of `out` overlap no argument, but for loops that say so.
pub(crate) type Block = unsafe fn(args: [*const u8; 3], out: *mut u8, count: usize, parameter: i32);

/// A function of one element, named by a type so that it has a loop of its own.
pub(crate) trait One {
    type X: Pod;
    type Out: Pod;
    fn of(x: Self::X) -> Self::Out;
}

/// A function of two elements.
pub(crate) trait Two {
    type X: Pod;
    type Out: Pod;
    fn of(x: Self::X, y: Self::X) -> Self::Out;
}

/// A function of three elements.
pub(crate) trait Three {
    type C: Pod;
    type X: Pod;
    fn of(c: Self::C, x: Self::X, y: Self::X) -> Self::X;
}

macro_rules! functions {
    (One: $($name:ident<$t:ident: $bound:path> -> $out:ty, |$x:ident| $value:expr;)*) => { $(
        pub(crate) struct $name<$t>(PhantomData<$t>);
        impl<$t: Pod + $bound> One for $name<$t> {
            type X = $t;
            type Out = $out;
            #[inline(always)]
            fn of($x: $t) -> $out { $value }
        }
    )* };
    (Two: $($name:ident<$t:ident: $bound:path> -> $out:ty, |$x:ident, $y:ident| $value:expr;)*) => { $(
        pub(crate) struct $name<$t>(PhantomData<$t>);
        impl<$t: Pod + $bound> Two for $name<$t> {
            type X = $t;
            type Out = $out;
            #[inline(always)]
            fn of($x: $t, $y: $t) -> $out { $value }
        }
    )* };
}

functions! { One:
    Neg<T: Signed> -> T, |x| x.neg();
    Abs<T: Signed> -> T, |x| x.abs();
    Sign<T: Signed> -> T, |x| x.sign();
    Relu<T: Number> -> T, |x| x.relu();
    IsFinite<T: Signed> -> u8, |x| u8::from(!Number::is_nan(x) & !x.is_infinite());
    IsNan<T: Number> -> u8, |x| u8::from(Number::is_nan(x));
    IsInf<T: Signed> -> u8, |x| u8::from(x.is_infinite());
    NotZero<T: Number> -> u8, |x| u8::from(x != T::ZERO);
    Square<T: Real> -> T, |x| x * x;
    Cube<T: Real> -> T, |x| x * (x * x);
    Reciprocal<T: Real> -> T, |x| T::from_f64(1.0) / x;
}

functions! { Two:
    Add<T: Arith> -> T, |x, y| x.add(y);
    Sub<T: Arith> -> T, |x, y| x.sub(y);
    Mul<T: Arith> -> T, |x, y| x.mul(y);
    Div<T: Arith> -> T, |x, y| x.div(y);
    Rem<T: Arith> -> T, |x, y| x.rem(y);
    Pow<T: Arith> -> T, |x, y| x.pow(y);
    Max<T: Number> -> T, |x, y| x.maximum(y);
    Min<T: Number> -> T, |x, y| x.minimum(y);
    Atan2<T: Arith> -> T, |x, y| x.atan2(y);
    And<T: Bits> -> T, |x, y| x & y;
    Or<T: Bits> -> T, |x, y| x | y;
    Xor<T: Bits> -> T, |x, y| x ^ y;
    ShiftLeft<T: Bits> -> T, |x, y| x.shl(y);
    ShiftRight<T: Bits> -> T, |x, y| x.shr(y);
    Eq<T: PartialEq> -> u8, |x, y| u8::from(x == y);
    Ne<T: PartialEq> -> u8, |x, y| u8::from(x != y);
    Lt<T: PartialOrd> -> u8, |x, y| u8::from(x < y);
    Le<T: PartialOrd> -> u8, |x, y| u8::from(x <= y);
}

/// The logarithm of a sum of exponentials.
pub(crate) struct LogAddExp<T>(PhantomData<T>);

impl<T: Real + Number> Two for LogAddExp<T> {
    type X = T;
    type Out = T;
    #[inline(always)]
    fn of(x: T, y: T) -> T {
        log_add_exp(x, y)
    }
}

/// Bits of another, or the same, type.
pub(crate) struct Cast<A, B>(PhantomData<(A, B)>);

impl<A: Pod + CastTo<B>, B: Pod> One for Cast<A, B> {
    type X = A;
    type Out = B;
    #[inline(always)]
    fn of(x: A) -> B {
        x.cast()
    }
}

/// One of two by a condition.
pub(crate) struct Select<T>(PhantomData<T>);

impl<T: Pod> Three for Select<T> {
    type C = u8;
    type X = T;
    #[inline(always)]
    fn of(c: u8, x: T, y: T) -> T {
        if c == 0 { y } else { x }
    }
}

/// An element kept between two bounds.
pub(crate) struct Clamp<T>(PhantomData<T>);

impl<T: Number> Three for Clamp<T> {
    type C = T;
    type X = T;
    #[inline(always)]
    fn of(low: T, x: T, high: T) -> T {
        x.maximum(low).minimum(high)
    }
}

/// Product and sum in two roundings.
pub(crate) struct MulThenAdd<T>(PhantomData<T>);

impl<T: Number> Three for MulThenAdd<T> {
    type C = T;
    type X = T;
    #[inline(always)]
    fn of(x: T, a: T, b: T) -> T {
        x.mul_then_add(a, b)
    }
}

/// Product and sum in one rounding.
pub(crate) struct MulAdd<T>(PhantomData<T>);

impl<T: Real + Pod> Three for MulAdd<T> {
    type C = T;
    type X = T;
    #[inline(always)]
    fn of(x: T, a: T, b: T) -> T {
        Real::mul_add(x, a, b)
    }
}

/// Elements of 32 bits are those of models.
const fn is_wide<T>() -> bool {
    size_of::<T>() == 4
}

struct OneLoop<'a, F: One>(&'a [F::X], &'a mut [F::Out]);

impl<F: One> SimdKernel for OneLoop<'_, F> {
    type Output = ();
    const WIDEST: bool = is_wide::<F::X>();
    #[inline(always)]
    fn run(self) {
        self.1.iter_mut().zip(self.0).for_each(|(out, &x)| *out = F::of(x));
    }
}

struct TwoLoop<'a, F: Two>(&'a [F::X], &'a [F::X], &'a mut [F::Out]);

impl<F: Two> SimdKernel for TwoLoop<'_, F> {
    type Output = ();
    const WIDEST: bool = is_wide::<F::X>();
    #[inline(always)]
    fn run(self) {
        let all = self.2.iter_mut().zip(self.0).zip(self.1);
        all.for_each(|((out, &x), &y)| *out = F::of(x, y));
    }
}

struct ThreeLoop<'a, F: Three>(&'a [F::C], &'a [F::X], &'a [F::X], &'a mut [F::X]);

impl<F: Three> SimdKernel for ThreeLoop<'_, F> {
    type Output = ();
    const WIDEST: bool = is_wide::<F::X>();
    #[inline(always)]
    fn run(self) {
        let all = self.3.iter_mut().zip(self.0).zip(self.1).zip(self.2);
        all.for_each(|(((out, &c), &x), &y)| *out = F::of(c, x, y));
    }
}

/// # Safety
/// As [`Block`].
pub(crate) unsafe fn one<F: One>(args: [*const u8; 3], out: *mut u8, count: usize, _parameter: i32) {
    // SAFETY: the caller vouches for length, type, alignment and that nothing overlaps.
    let (x, out) = unsafe { (read(args[0], count), write(out, count)) };
    wide(OneLoop::<F>(x, out));
}

/// # Safety
/// As [`Block`].
pub(crate) unsafe fn two<F: Two>(args: [*const u8; 3], out: *mut u8, count: usize, _parameter: i32) {
    // SAFETY: as above.
    let (x, y, out) = unsafe { (read(args[0], count), read(args[1], count), write(out, count)) };
    wide(TwoLoop::<F>(x, y, out));
}

/// As [`two`], with the arguments exchanged.
///
/// # Safety
/// As [`Block`].
pub(crate) unsafe fn swapped<F: Two>(args: [*const u8; 3], out: *mut u8, count: usize, parameter: i32) {
    // SAFETY: the same requirements, in another order.
    unsafe { two::<F>([args[1], args[0], args[2]], out, count, parameter) }
}

/// # Safety
/// As [`Block`].
pub(crate) unsafe fn three<F: Three>(args: [*const u8; 3], out: *mut u8, count: usize, _parameter: i32) {
    // SAFETY: as above.
    let (c, x, y) = unsafe { (read(args[0], count), read(args[1], count), read(args[2], count)) };
    // SAFETY: as above.
    let out = unsafe { write(out, count) };
    wide(ThreeLoop::<F>(c, x, y, out));
}

struct NumberLoop<'a, F: Two, const FIRST: bool>(F::X, &'a [F::X], &'a mut [F::Out]);

impl<F: Two, const FIRST: bool> SimdKernel for NumberLoop<'_, F, FIRST> {
    type Output = ();
    const WIDEST: bool = is_wide::<F::X>();
    #[inline(always)]
    fn run(self) {
        let number = self.0;
        let all = self.2.iter_mut().zip(self.1);
        all.for_each(|(out, &x)| *out = if FIRST { F::of(number, x) } else { F::of(x, number) });
    }
}

struct RowLoop<'a, F: Two, const FIRST: bool>(&'a [F::X], usize, &'a [F::X], &'a mut [F::Out]);

impl<F: Two, const FIRST: bool> SimdKernel for RowLoop<'_, F, FIRST> {
    type Output = ();
    const WIDEST: bool = is_wide::<F::X>();
    #[inline(always)]
    fn run(self) {
        let rows = self.3.chunks_mut(self.1).zip(self.2.chunks(self.1)).zip(self.0);
        rows.for_each(|((out, x), &number)| NumberLoop::<F, FIRST>(number, x, out).run());
    }
}

/// A scalar at argument `AT`, and a vector at the other one; `FIRST` if the function takes the scalar first.
///
/// # Safety
/// As [`Block`], but for the scalar, which is one element.
pub(crate) unsafe fn with_number<F: Two, const AT: usize, const FIRST: bool>(
    args: [*const u8; 3],
    out: *mut u8,
    count: usize,
    _parameter: i32,
) {
    // SAFETY: the caller vouches for length, type, alignment and that nothing overlaps.
    let (number, x, out) = unsafe { (read(args[AT], 1), read(args[1 - AT], count), write(out, count)) };
    wide(NumberLoop::<F, FIRST>(number[0], x, out));
}

/// A scalar for each row of `cols` elements at argument `AT`; `FIRST` if the function takes it first.
///
/// # Safety
/// As [`Block`], but for the scalars, of which there is one for each row that has begun.
pub(crate) unsafe fn with_rows<F: Two, const AT: usize, const FIRST: bool>(
    args: [*const u8; 3],
    out: *mut u8,
    count: usize,
    cols: i32,
) {
    let cols = cols as usize;
    // SAFETY: as above.
    let (rows, x) = unsafe { (read(args[AT], count.div_ceil(cols)), read(args[1 - AT], count)) };
    // SAFETY: as above.
    let out = unsafe { write(out, count) };
    wide(RowLoop::<F, FIRST>(rows, cols, x, out));
}

/// Broadcasts each of `rows` scalars to `cols` elements.
///
/// # Safety
/// `from` points to `rows` aligned scalars of this width, `to` to room for all.
pub(crate) unsafe fn expand(width: usize, from: *const u8, rows: usize, cols: usize, to: *mut u8) {
    // SAFETY: the caller vouches for both.
    unsafe {
        match width {
            1 => wide(Expand(read::<u8>(from, rows), cols, write::<u8>(to, rows * cols))),
            2 => wide(Expand(read::<u16>(from, rows), cols, write::<u16>(to, rows * cols))),
            4 => wide(Expand(read::<u32>(from, rows), cols, write::<u32>(to, rows * cols))),
            _ => wide(Expand(read::<u64>(from, rows), cols, write::<u64>(to, rows * cols))),
        }
    }
}

struct Expand<'a, T>(&'a [T], usize, &'a mut [T]);

impl<T: Copy> SimdKernel for Expand<'_, T> {
    type Output = ();
    const WIDEST: bool = is_wide::<T>();
    #[inline(always)]
    fn run(self) {
        if self.1 == 0 {
            return;
        }
        for (&x, out) in self.0.iter().zip(self.2.chunks_exact_mut(self.1)) {
            out.fill(x);
        }
    }
}

/// # Safety
/// `from` points to `count` aligned elements that nobody writes meanwhile.
pub(crate) unsafe fn read<'a, T: Pod>(from: *const u8, count: usize) -> &'a [T] {
    assert!(from.cast::<T>().is_aligned(), "a block begins between two elements");
    // SAFETY: the caller vouches for it.
    unsafe { std::slice::from_raw_parts(from.cast(), count) }
}

/// # Safety
/// `to` points to `count` aligned elements that nobody else reads or writes meanwhile.
pub(crate) unsafe fn write<'a, T: Pod>(to: *mut u8, count: usize) -> &'a mut [T] {
    assert!(to.cast::<T>().is_aligned(), "a block begins between two elements");
    // SAFETY: the caller vouches for it.
    unsafe { std::slice::from_raw_parts_mut(to.cast(), count) }
}
