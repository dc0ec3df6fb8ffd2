//! Loops over blocks that lie in L1: one for each scalar function and type.
//!
//! Operands are mostly vectors, single values having been broadcast to a block beforehand: that is one loop for each function
//! instead of one for each mixture. The commonest functions have loops for a single value, or one for each row, too: such
//! vectors would take the place of others in L1.

use std::marker::PhantomData;

use bytemuck::Pod;

use crate::kernels::simd::{self, SimdKernel};
use crate::scalar::cast::CastTo;
use crate::scalar::math::Real;
use crate::scalar::number::Number;
use crate::scalar::op::{One, Three, Two};

/// As [`run`](simd::run), for the many short loops over elements.
///
/// A build without optimisation has no vectors to gain, and three copies of each loop to compile: it has one.
#[inline]
pub(crate) fn wide<K: SimdKernel<Output = ()>>(kernel: K) {
    #[cfg(not(debug_assertions))]
    simd::run(kernel);
    #[cfg(debug_assertions)]
    kernel.run();
}

/// Computes `count` elements of `out` from those of the arguments.
///
/// # Safety
/// Each argument that the function takes and `out` point to `count` elements of the types that the table chose the
/// loop for, aligned; those of `out` overlap no argument, but for loops that say so.
pub(crate) type Block = unsafe fn(args: [*const u8; 3], out: *mut u8, count: usize, parameter: i32);

/// Elements that are examined together for arguments outside the common range.
const EXAMINED: usize = 128;

/// Elements of another, or the same, type.
pub(crate) struct Converted<B>(PhantomData<B>);

impl<A: CastTo<B>, B: Pod> One<A> for Converted<B> {
    type Out = B;
    const COST: usize = 1;
    #[inline(always)]
    fn of(x: A) -> B {
        x.cast()
    }
}

/// Booleans of numbers.
pub(crate) struct NotZero;

impl<T: Number> One<T> for NotZero {
    type Out = u8;
    const COST: usize = 1;
    #[inline(always)]
    fn of(x: T) -> u8 {
        u8::from(x != T::ZERO)
    }
}

macro_rules! powers {
    ($($name:ident |$x:ident| $value:expr;)*) => { $(
        pub(crate) struct $name;

        impl<T: Real + Pod> One<T> for $name {
            type Out = T;
            const COST: usize = 1;
            #[inline(always)]
            fn of($x: T) -> T {
                $value
            }
        }
    )* };
}

powers! {
    Square |x| x * x;
    Cube |x| x * (x * x);
    Reciprocal |x| T::from_f64(1.0) / x;
}

/// Product and sum in two roundings.
pub(crate) struct MulThenAdd;

impl<T: Number> Three<T> for MulThenAdd {
    #[inline(always)]
    fn of(x: T, a: T, b: T) -> T {
        x.mul_then_add(a, b)
    }
}

/// Product and sum in one rounding.
pub(crate) struct MulAdd;

impl<T: Real> Three<T> for MulAdd {
    #[inline(always)]
    fn of(x: T, a: T, b: T) -> T {
        Real::mul_add(x, a, b)
    }
}

/// The cost from which on functions are those of `std` and `libm`, computed in f64.
const CALLED: usize = 30;

/// Elements of 32 bits are those of models, and halves are as many after they are widened; integers have the vectors that each
/// machine has.
const fn is_wide<T>() -> bool {
    matches!(size_of::<T>(), 2 | 4)
}

pub(super) struct OneLoop<'a, T, F: One<T>>(pub &'a [T], pub &'a mut [F::Out]);

impl<T: Number, F: One<T>> SimdKernel for OneLoop<'_, T, F> {
    type Output = ();
    const VECTORS: bool = !T::IS_INTEGER;
    const WIDEST: bool = is_wide::<T>();
    #[inline(always)]
    fn run(self) {
        if !F::HAS_NEAR {
            return self.1.iter_mut().zip(self.0).for_each(|(out, &x)| *out = F::of(x));
        }
        for (out, x) in self.1.chunks_mut(EXAMINED).zip(self.0.chunks(EXAMINED)) {
            if x.iter().fold(true, |near, &x| near & F::is_near(x)) {
                out.iter_mut().zip(x).for_each(|(out, &x)| *out = F::near(x));
            } else {
                out.iter_mut().zip(x).for_each(|(out, &x)| *out = F::of(x));
            }
        }
    }
}

struct TwoLoop<'a, T, F: Two<T>>(&'a [T], &'a [T], &'a mut [F::Out]);

impl<T: Number, F: Two<T>> SimdKernel for TwoLoop<'_, T, F> {
    type Output = ();
    const VECTORS: bool = !T::IS_INTEGER;
    const WIDEST: bool = is_wide::<T>();
    #[inline(always)]
    fn run(self) {
        let all = self.2.iter_mut().zip(self.0).zip(self.1);
        all.for_each(|((out, &x), &y)| *out = F::of(x, y));
    }
}

struct ThreeLoop<'a, T, F>(&'a [T], &'a [T], &'a [T], &'a mut [T], PhantomData<F>);

impl<T: Number, F: Three<T>> SimdKernel for ThreeLoop<'_, T, F> {
    type Output = ();
    const VECTORS: bool = !T::IS_INTEGER;
    const WIDEST: bool = is_wide::<T>();
    #[inline(always)]
    fn run(self) {
        let all = self.3.iter_mut().zip(self.0).zip(self.1).zip(self.2);
        all.for_each(|(((out, &x), &y), &z)| *out = F::of(x, y, z));
    }
}

/// What is selected, for which only the width matters.
pub(crate) trait Word: Pod {
    /// `x` if `c` is true, else `y`: without a branch, which the compiler would make gathers of.
    fn selected(c: u8, x: Self, y: Self) -> Self;
}

macro_rules! words {
    ($($t:ty)*) => { $(
        impl Word for $t {
            #[inline(always)]
            fn selected(c: u8, x: $t, y: $t) -> $t {
                let mask = <$t>::from(c != 0).wrapping_neg();
                y ^ ((x ^ y) & mask)
            }
        }
    )* };
}

words! { u8 u16 u32 u64 }

/// A selection.
struct SelectLoop<'a, T>(&'a [u8], &'a [T], &'a [T], &'a mut [T]);

impl<T: Word> SimdKernel for SelectLoop<'_, T> {
    type Output = ();
    const WIDEST: bool = is_wide::<T>();
    #[inline(always)]
    fn run(self) {
        let all = self.3.iter_mut().zip(self.0).zip(self.1).zip(self.2);
        all.for_each(|(((out, &c), &x), &y)| *out = T::selected(c, x, y));
    }
}

/// # Safety
/// As [`Block`].
pub(crate) unsafe fn one<T: Number, F: One<T>>(
    args: [*const u8; 3],
    out: *mut u8,
    count: usize,
    _parameter: i32,
) {
    // SAFETY: the caller vouches for length, type, alignment and that nothing overlaps.
    let (x, out) = unsafe { (read(args[0], count), write(out, count)) };
    wide(OneLoop::<T, F>(x, out));
}

/// As [`one`], of what takes so long that a build without optimisation has vectors for it, too.
///
/// # Safety
/// As [`Block`].
pub(crate) unsafe fn function<T: Number, F: One<T>>(
    args: [*const u8; 3],
    out: *mut u8,
    count: usize,
    _parameter: i32,
) {
    // SAFETY: as above.
    let (x, out) = unsafe { (read(args[0], count), write(out, count)) };
    let map = OneLoop::<T, F>(x, out);
    // A function that is called element by element has no vectors to gain.
    if F::COST >= CALLED { map.run() } else { simd::run(map) }
}

/// # Safety
/// As [`Block`].
pub(crate) unsafe fn two<T: Number, F: Two<T>>(
    args: [*const u8; 3],
    out: *mut u8,
    count: usize,
    _parameter: i32,
) {
    // SAFETY: as above.
    let (x, y, out) = unsafe { (read(args[0], count), read(args[1], count), write(out, count)) };
    wide(TwoLoop::<T, F>(x, y, out));
}

/// As [`two`], with the arguments exchanged.
///
/// # Safety
/// As [`Block`].
pub(crate) unsafe fn swapped<T: Number, F: Two<T>>(
    args: [*const u8; 3],
    out: *mut u8,
    count: usize,
    parameter: i32,
) {
    // SAFETY: the same requirements, in another order.
    unsafe { two::<T, F>([args[1], args[0], args[2]], out, count, parameter) }
}

/// # Safety
/// As [`Block`].
pub(crate) unsafe fn three<T: Number, F: Three<T>>(
    args: [*const u8; 3],
    out: *mut u8,
    count: usize,
    _parameter: i32,
) {
    // SAFETY: as above.
    let (x, y, z) = unsafe { (read(args[0], count), read(args[1], count), read(args[2], count)) };
    // SAFETY: as above.
    let out = unsafe { write(out, count) };
    wide(ThreeLoop::<T, F>(x, y, z, out, PhantomData));
}

/// # Safety
/// As [`Block`].
pub(crate) unsafe fn select<T: Word>(args: [*const u8; 3], out: *mut u8, count: usize, _parameter: i32) {
    // SAFETY: as above.
    let (c, x, y) = unsafe { (read(args[0], count), read(args[1], count), read(args[2], count)) };
    // SAFETY: as above.
    let out = unsafe { write(out, count) };
    wide(SelectLoop::<T>(c, x, y, out));
}

struct NumberLoop<'a, T, F: Two<T>, const FIRST: bool>(T, &'a [T], &'a mut [F::Out]);

impl<T: Number, F: Two<T>, const FIRST: bool> SimdKernel for NumberLoop<'_, T, F, FIRST> {
    type Output = ();
    const VECTORS: bool = !T::IS_INTEGER;
    const WIDEST: bool = is_wide::<T>();
    #[inline(always)]
    fn run(self) {
        let number = self.0;
        let all = self.2.iter_mut().zip(self.1);
        all.for_each(|(out, &x)| *out = if FIRST { F::of(number, x) } else { F::of(x, number) });
    }
}

struct RowLoop<'a, T, F: Two<T>, const FIRST: bool>(&'a [T], usize, &'a [T], &'a mut [F::Out]);

impl<T: Number, F: Two<T>, const FIRST: bool> SimdKernel for RowLoop<'_, T, F, FIRST> {
    type Output = ();
    const VECTORS: bool = !T::IS_INTEGER;
    const WIDEST: bool = is_wide::<T>();
    #[inline(always)]
    fn run(self) {
        let rows = self.3.chunks_mut(self.1).zip(self.2.chunks(self.1)).zip(self.0);
        rows.for_each(|((out, x), &number)| NumberLoop::<T, F, FIRST>(number, x, out).run());
    }
}

/// One number at argument `AT`, and a vector at the other one; `FIRST` if the function takes the number first.
///
/// # Safety
/// As [`Block`], but for the number, which is one.
pub(crate) unsafe fn with_number<T: Number, F: Two<T>, const AT: usize, const FIRST: bool>(
    args: [*const u8; 3],
    out: *mut u8,
    count: usize,
    _parameter: i32,
) {
    // SAFETY: the caller vouches for length, type, alignment and that nothing overlaps.
    let (number, x, out) = unsafe { (read::<T>(args[AT], 1), read(args[1 - AT], count), write(out, count)) };
    wide(NumberLoop::<T, F, FIRST>(number[0], x, out));
}

/// A number for each row of `cols` elements at argument `AT`; `FIRST` if the function takes it first.
///
/// # Safety
/// As [`Block`], but for the numbers, of which there is one for each row that has begun.
pub(crate) unsafe fn with_rows<T: Number, F: Two<T>, const AT: usize, const FIRST: bool>(
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
    wide(RowLoop::<T, F, FIRST>(rows, cols, x, out));
}

struct OneInPlace<'a, T, F>(&'a mut [T], PhantomData<F>);

impl<T: Number, F: One<T, Out = T>> SimdKernel for OneInPlace<'_, T, F> {
    type Output = ();
    const VECTORS: bool = !T::IS_INTEGER;
    const WIDEST: bool = is_wide::<T>();
    #[inline(always)]
    fn run(self) {
        self.0.iter_mut().for_each(|x| *x = F::of(*x));
    }
}

struct TwoInPlace<'a, T, F, const FIRST: bool>(&'a mut [T], &'a [T], PhantomData<F>);

impl<T: Number, F: Two<T, Out = T>, const FIRST: bool> SimdKernel for TwoInPlace<'_, T, F, FIRST> {
    type Output = ();
    const VECTORS: bool = !T::IS_INTEGER;
    const WIDEST: bool = is_wide::<T>();
    #[inline(always)]
    fn run(self) {
        let all = self.0.iter_mut().zip(self.1);
        all.for_each(|(x, &y)| *x = if FIRST { F::of(*x, y) } else { F::of(y, *x) });
    }
}

struct NumberInPlace<'a, T, F, const FIRST: bool>(&'a mut [T], T, PhantomData<F>);

impl<T: Number, F: Two<T, Out = T>, const FIRST: bool> SimdKernel for NumberInPlace<'_, T, F, FIRST> {
    type Output = ();
    const VECTORS: bool = !T::IS_INTEGER;
    const WIDEST: bool = is_wide::<T>();
    #[inline(always)]
    fn run(self) {
        let y = self.1;
        self.0.iter_mut().for_each(|x| *x = if FIRST { F::of(*x, y) } else { F::of(y, *x) });
    }
}

/// The argument is what `out` holds.
///
/// # Safety
/// As [`Block`], but for the argument.
pub(crate) unsafe fn one_in_place<T: Number, F: One<T, Out = T>>(
    _args: [*const u8; 3],
    out: *mut u8,
    count: usize,
    _parameter: i32,
) {
    // SAFETY: the caller vouches for length, type and alignment.
    wide(OneInPlace::<T, F>(unsafe { write(out, count) }, PhantomData));
}

/// Argument `1 - OTHER` is what `out` holds; it is the first one if `FIRST`.
///
/// # Safety
/// As [`Block`], but for that argument.
pub(crate) unsafe fn two_in_place<T: Number, F: Two<T, Out = T>, const OTHER: usize, const FIRST: bool>(
    args: [*const u8; 3],
    out: *mut u8,
    count: usize,
    _parameter: i32,
) {
    // SAFETY: as above.
    let (y, out) = unsafe { (read(args[OTHER], count), write(out, count)) };
    wide(TwoInPlace::<T, F, FIRST>(out, y, PhantomData));
}

/// As [`two_in_place`], with one number at the other argument.
///
/// # Safety
/// As [`two_in_place`], but for the number, which is one.
pub(crate) unsafe fn number_in_place<T: Number, F: Two<T, Out = T>, const OTHER: usize, const FIRST: bool>(
    args: [*const u8; 3],
    out: *mut u8,
    count: usize,
    _parameter: i32,
) {
    // SAFETY: as above.
    let (y, out) = unsafe { (read::<T>(args[OTHER], 1), write(out, count)) };
    wide(NumberInPlace::<T, F, FIRST>(out, y[0], PhantomData));
}

/// Repeats each of `rows` numbers `cols` times.
///
/// # Safety
/// `from` points to `rows` aligned numbers of this width, `to` to room for all.
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
