//! Loops over elements of 8 and 16 bits: widened to `f32` or `i32`, computed by the loop for that, and narrowed after each operation.
//!
//! So there is one instance of each function for floats and one for integers of 32 bits, and not one for each of their narrow dtypes.

use bytemuck::{Pod, Zeroable as _};
use half::{bf16, f16};
use num_complex::Complex32;

use super::loops::{MulThenAdd, read, three, write};
use super::table::{Entry, entry, powers};
use crate::array::DType;
use crate::kernels::halves::Half;
use crate::scalar::op::{Gives, ScalarOp};

/// Elements that are widened together.
const PIECE: usize = 256;

/// Elements that are computed as wider ones.
pub(super) trait Narrow: Pod {
    /// What they are computed as.
    type Wide: Pod;
    const WIDE: DType;

    fn widen_slice(narrow: &[Self], wide: &mut [Self::Wide]);
    /// Rounds floats; integers wrap around.
    fn narrow_slice(wide: &[Self::Wide], narrow: &mut [Self]);
    /// As [`narrow_slice`](Narrow::narrow_slice), of what was a float: integers beyond the narrow ones become the nearest of these.
    fn narrow_rounded(wide: &[Self::Wide], narrow: &mut [Self]) {
        Self::narrow_slice(wide, narrow);
    }
}

macro_rules! floats {
    ($($half:ty)*) => { $(
        impl Narrow for $half {
            type Wide = f32;
            const WIDE: DType = DType::F32;
            fn widen_slice(narrow: &[$half], wide: &mut [f32]) {
                Half::widen_slice(narrow, wide);
            }
            fn narrow_slice(wide: &[f32], narrow: &mut [$half]) {
                Half::narrow_slice(wide, narrow);
            }
        }
    )* };
}

macro_rules! integers {
    ($($t:ty)*) => { $(
        impl Narrow for $t {
            type Wide = i32;
            const WIDE: DType = DType::I32;
            fn widen_slice(narrow: &[$t], wide: &mut [i32]) {
                wide.iter_mut().zip(narrow).for_each(|(wide, &x)| *wide = x.into());
            }
            fn narrow_slice(wide: &[i32], narrow: &mut [$t]) {
                narrow.iter_mut().zip(wide).for_each(|(narrow, &x)| *narrow = x as $t);
            }
            fn narrow_rounded(wide: &[i32], narrow: &mut [$t]) {
                let nearest = |x: i32| x.clamp(<$t>::MIN.into(), <$t>::MAX.into()) as $t;
                narrow.iter_mut().zip(wide).for_each(|(narrow, &x)| *narrow = nearest(x));
            }
        }
    )* };
}

/// Only for casts: the real part.
impl Narrow for Complex32 {
    type Wide = f32;
    const WIDE: DType = DType::F32;
    fn widen_slice(narrow: &[Complex32], wide: &mut [f32]) {
        wide.iter_mut().zip(narrow).for_each(|(wide, x)| *wide = x.re);
    }
    fn narrow_slice(wide: &[f32], narrow: &mut [Complex32]) {
        narrow.iter_mut().zip(wide).for_each(|(narrow, &x)| *narrow = x.into());
    }
}

floats! { f16 bf16 }
integers! { i8 i16 u16 }

/// The function at this position of [`ScalarOp::ALL`].
///
/// # Safety
/// As [`Block`](super::Block).
pub(super) unsafe fn function_of<H: Narrow>(
    args: [*const u8; 3],
    out: *mut u8,
    count: usize,
    parameter: i32,
) {
    let op = ScalarOp::ALL[parameter as usize];
    let to = if op.gives() == Gives::Bool { DType::Bool } else { H::WIDE };
    let Some(entry) = entry(op, H::WIDE, to) else { unreachable!("{op} of {}", H::WIDE) };
    let given = (to == DType::Bool).then_some(1);
    // SAFETY: the caller vouches for all pointers.
    unsafe {
        match op.arity() {
            1 => widened::<H, 1>(entry, given, args, out, count),
            2 => widened::<H, 2>(entry, given, args, out, count),
            _ => widened::<H, 3>(entry, given, args, out, count),
        }
    }
}

/// # Safety
/// As [`Block`](super::Block).
pub(super) unsafe fn half_powi<H: Narrow<Wide = f32>>(
    args: [*const u8; 3],
    out: *mut u8,
    count: usize,
    exponent: i32,
) {
    // SAFETY: the caller vouches for all pointers.
    unsafe { widened::<H, 1>((powers::<f32>, exponent), None, args, out, count) }
}

/// A product of two halves is exact in f32.
///
/// # Safety
/// As [`Block`](super::Block).
pub(super) unsafe fn half_mul_add<H: Narrow<Wide = f32>>(
    args: [*const u8; 3],
    out: *mut u8,
    count: usize,
    parameter: i32,
) {
    // SAFETY: the caller vouches for all pointers.
    unsafe { widened::<H, 3>((three::<f32, MulThenAdd>, parameter), None, args, out, count) }
}

/// The cast to the dtype with this number in [`DType::ALL`].
///
/// # Safety
/// As [`Block`](super::Block).
pub(super) unsafe fn cast_from<H: Narrow>(args: [*const u8; 3], out: *mut u8, count: usize, parameter: i32) {
    let to = DType::ALL[parameter as usize];
    let Some(entry) = entry(ScalarOp::Cast, H::WIDE, to) else { unreachable!("there are all casts") };
    // SAFETY: the caller vouches for all pointers.
    unsafe { widened::<H, 1>(entry, Some(to.size()), args, out, count) }
}

/// The cast from the dtype with this number in [`DType::ALL`].
///
/// # Safety
/// As [`Block`](super::Block).
pub(super) unsafe fn cast_to<H: Narrow>(args: [*const u8; 3], out: *mut u8, count: usize, parameter: i32) {
    let from = DType::ALL[parameter as usize];
    let Some((cast, parameter)) = entry(ScalarOp::Cast, from, H::WIDE) else {
        unreachable!("there are all casts")
    };
    let narrow = if from.is_float() { H::narrow_rounded } else { H::narrow_slice };
    let mut wide = [H::Wide::zeroed(); PIECE];
    // SAFETY: the caller vouches for both.
    let out = unsafe { write::<H>(out, count) };
    for (i, out) in out.chunks_mut(PIECE).enumerate() {
        // SAFETY: this piece of the argument; the temporary has room for it.
        unsafe {
            let x = args[0].add(i * PIECE * from.size());
            cast([x, x, x], wide.as_mut_ptr().cast(), out.len(), parameter);
        }
        narrow(&wide[..out.len()], out);
    }
}

/// Computes narrow elements by a loop over wide ones, piece by piece; or, where the loop gives elements of so many bytes, these.
///
/// # Safety
/// As [`Block`](super::Block), for `N` arguments.
unsafe fn widened<H: Narrow, const N: usize>(
    (block, parameter): Entry,
    given: Option<usize>,
    args: [*const u8; 3],
    out: *mut u8,
    count: usize,
) {
    let (mut wide, mut result) = ([[H::Wide::zeroed(); PIECE]; N], [H::Wide::zeroed(); PIECE]);
    for first in (0..count).step_by(PIECE) {
        let size = PIECE.min(count - first);
        let mut pointers = [std::ptr::null(); 3];
        for ((arg, wide), pointer) in args.iter().zip(&mut wide).zip(&mut pointers) {
            // SAFETY: the caller vouches for it, and the piece lies inside.
            let narrow = &unsafe { read::<H>(*arg, count) }[first..first + size];
            H::widen_slice(narrow, &mut wide[..size]);
            *pointer = wide.as_ptr().cast();
        }
        // SAFETY: as above; the temporaries have room for a piece.
        unsafe {
            if let Some(width) = given {
                block(pointers, out.add(first * width), size, parameter);
            } else {
                block(pointers, result.as_mut_ptr().cast(), size, parameter);
                H::narrow_slice(&result[..size], &mut write::<H>(out, count)[first..first + size]);
            }
        }
    }
}
