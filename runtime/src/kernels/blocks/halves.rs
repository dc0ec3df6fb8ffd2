//! Fused kernels of `bf16` and `f16`: computed in f32 and rounded after each operation, as one by one.

use super::loops::{Three, Two, read, three, two, write};
use crate::kernels::halves::Half;
use crate::kernels::unary::integer_power;
use crate::scalar::op::UnaryOp;

/// Elements that are widened together.
pub(super) const PIECE: usize = 256;

/// Widens the arguments piece by piece, and calls `f` with them, the number of elements, and where they begin.
///
/// # Safety
/// Each of `args` points to `count` aligned elements.
pub(super) unsafe fn pieces<H: Half, const N: usize>(
    args: [*const u8; N],
    count: usize,
    mut f: impl FnMut([*const u8; 3], usize, usize),
) {
    let mut wide = [[0f32; PIECE]; N];
    for first in (0..count).step_by(PIECE) {
        let size = PIECE.min(count - first);
        let mut pointers = [std::ptr::null(); 3];
        for ((arg, wide), pointer) in args.iter().zip(&mut wide).zip(&mut pointers) {
            // SAFETY: the caller vouches for it, and the piece lies inside.
            let halves = &unsafe { read::<H>(*arg, count) }[first..first + size];
            H::widen_slice(halves, &mut wide[..size]);
            *pointer = wide.as_ptr().cast();
        }
        f(pointers, size, first);
    }
}

/// # Safety
/// As [`Block`](super::loops::Block).
pub(crate) unsafe fn half_two<H: Half, F: Two<X = f32, Out = f32>>(
    args: [*const u8; 3],
    out: *mut u8,
    count: usize,
    parameter: i32,
) {
    // SAFETY: the caller vouches for all pointers; the temporary has room for a piece.
    unsafe {
        pieces::<H, 2>([args[0], args[1]], count, |wide, size, first| {
            let mut result = [0f32; PIECE];
            two::<F>(wide, result.as_mut_ptr().cast(), size, parameter);
            H::narrow_slice(&result[..size], &mut write::<H>(out, count)[first..first + size]);
        });
    }
}

/// # Safety
/// As [`Block`](super::loops::Block).
pub(crate) unsafe fn half_three<H: Half, F: Three<C = f32, X = f32>>(
    args: [*const u8; 3],
    out: *mut u8,
    count: usize,
    parameter: i32,
) {
    // SAFETY: as above.
    unsafe {
        pieces::<H, 3>(args, count, |wide, size, first| {
            let mut result = [0f32; PIECE];
            three::<F>(wide, result.as_mut_ptr().cast(), size, parameter);
            H::narrow_slice(&result[..size], &mut write::<H>(out, count)[first..first + size]);
        });
    }
}

/// A comparison, maybe of the arguments exchanged.
///
/// # Safety
/// As [`Block`](super::loops::Block).
pub(crate) unsafe fn half_compare<H: Half, F: Two<X = f32, Out = u8>, const SWAPPED: bool>(
    args: [*const u8; 3],
    out: *mut u8,
    count: usize,
    parameter: i32,
) {
    let args = if SWAPPED { [args[1], args[0]] } else { [args[0], args[1]] };
    // SAFETY: the caller vouches for all pointers; a boolean is a byte.
    unsafe {
        pieces::<H, 2>(args, count, |wide, size, first| two::<F>(wide, out.add(first), size, parameter));
    }
}

/// # Safety
/// As [`Block`](super::loops::Block).
pub(super) unsafe fn half_function<H: Half>(
    args: [*const u8; 3],
    out: *mut u8,
    count: usize,
    parameter: i32,
) {
    // SAFETY: as above.
    unsafe { by_f32::<H>(args, out, count, &|x, out| UnaryOp::ALL[parameter as usize].map_piece(x, out)) };
}

/// # Safety
/// As [`Block`](super::loops::Block).
pub(super) unsafe fn half_power<H: Half>(args: [*const u8; 3], out: *mut u8, count: usize, parameter: i32) {
    // SAFETY: as above.
    unsafe { by_f32::<H>(args, out, count, &|x, out| integer_power(x, parameter, out)) };
}

/// # Safety
/// As [`Block`](super::loops::Block).
unsafe fn by_f32<H: Half>(args: [*const u8; 3], out: *mut u8, count: usize, f: &dyn Fn(&[f32], &mut [f32])) {
    // SAFETY: the caller vouches for both.
    let (x, out) = unsafe { (read::<H>(args[0], count), write::<H>(out, count)) };
    let (mut wide, mut result) = ([0f32; PIECE], [0f32; PIECE]);
    for (x, out) in x.chunks(PIECE).zip(out.chunks_mut(PIECE)) {
        let (wide, result) = (&mut wide[..x.len()], &mut result[..x.len()]);
        H::widen_slice(x, wide);
        f(wide, result);
        H::narrow_slice(result, out);
    }
}
