//! Loops over `bf16` and `f16`: widened to f32, computed by the loop for that, and rounded once after each operation.

use super::loops::{MulThenAdd, read, three, write};
use super::table::{Entry, entry, powers};
use crate::array::DType;
use crate::kernels::halves::Half;
use crate::scalar::op::{Gives, ScalarOp};

/// Elements that are widened together.
const PIECE: usize = 256;

/// The function at this position of [`ScalarOp::ALL`].
///
/// # Safety
/// As [`Block`](super::Block).
pub(super) unsafe fn half<H: Half>(args: [*const u8; 3], out: *mut u8, count: usize, parameter: i32) {
    let op = ScalarOp::ALL[parameter as usize];
    let to = if op.gives() == Gives::Bool { DType::Bool } else { DType::F32 };
    let Some(entry) = entry(op, DType::F32, to) else { unreachable!("{op} of f32") };
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
pub(super) unsafe fn half_powi<H: Half>(args: [*const u8; 3], out: *mut u8, count: usize, exponent: i32) {
    // SAFETY: the caller vouches for all pointers.
    unsafe { widened::<H, 1>((powers::<f32>, exponent), None, args, out, count) }
}

/// A product of two halves is exact in f32.
///
/// # Safety
/// As [`Block`](super::Block).
pub(super) unsafe fn half_mul_add<H: Half>(args: [*const u8; 3], out: *mut u8, count: usize, parameter: i32) {
    // SAFETY: the caller vouches for all pointers.
    unsafe { widened::<H, 3>((three::<f32, MulThenAdd>, parameter), None, args, out, count) }
}

/// The cast to the dtype with this number in [`DType::ALL`].
///
/// # Safety
/// As [`Block`](super::Block).
pub(super) unsafe fn from_half<H: Half>(args: [*const u8; 3], out: *mut u8, count: usize, parameter: i32) {
    let to = DType::ALL[parameter as usize];
    let Some(entry) = entry(ScalarOp::Cast, DType::F32, to) else { unreachable!("there are all casts") };
    // SAFETY: the caller vouches for all pointers.
    unsafe { widened::<H, 1>(entry, Some(to.size()), args, out, count) }
}

/// The cast from the dtype with this number in [`DType::ALL`].
///
/// # Safety
/// As [`Block`](super::Block).
pub(super) unsafe fn to_half<H: Half>(args: [*const u8; 3], out: *mut u8, count: usize, parameter: i32) {
    let from = DType::ALL[parameter as usize];
    let Some((cast, parameter)) = entry(ScalarOp::Cast, from, DType::F32) else {
        unreachable!("there are all casts")
    };
    let mut wide = [0f32; PIECE];
    // SAFETY: the caller vouches for both.
    let out = unsafe { write::<H>(out, count) };
    for (i, out) in out.chunks_mut(PIECE).enumerate() {
        // SAFETY: this piece of the argument; the temporary has room for it.
        unsafe {
            let x = args[0].add(i * PIECE * from.size());
            cast([x, x, x], wide.as_mut_ptr().cast(), out.len(), parameter);
        }
        H::narrow_slice(&wide[..out.len()], out);
    }
}

/// Computes halves by a loop over f32, piece by piece; or, where the loop gives elements of so many bytes, these.
///
/// # Safety
/// As [`Block`](super::Block), for `N` arguments.
unsafe fn widened<H: Half, const N: usize>(
    (block, parameter): Entry,
    given: Option<usize>,
    args: [*const u8; 3],
    out: *mut u8,
    count: usize,
) {
    let (mut wide, mut result) = ([[0f32; PIECE]; N], [0f32; PIECE]);
    for first in (0..count).step_by(PIECE) {
        let size = PIECE.min(count - first);
        let mut pointers = [std::ptr::null(); 3];
        for ((arg, wide), pointer) in args.iter().zip(&mut wide).zip(&mut pointers) {
            // SAFETY: the caller vouches for it, and the piece lies inside.
            let halves = &unsafe { read::<H>(*arg, count) }[first..first + size];
            H::widen_slice(halves, &mut wide[..size]);
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
