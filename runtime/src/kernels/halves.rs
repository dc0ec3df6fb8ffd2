//! Loops over `bf16` and `f16`: widened to f32, computed there, a block at a time, and rounded once.

use std::any::TypeId;
use std::ops::Deref;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use super::scratch::Scratch;
use super::simd::{self, SimdKernel};
use super::threads;
use crate::array::memory;
use crate::scalar::number::Number;
use crate::scalar::rounding::{bf16_of_f32, f32_of_bf16};

/// `bf16` or `f16`.
pub trait Half: Number<Acc = f32> {
    /// Rounds all of `wide`.
    ///
    /// # Panics
    /// If the lengths differ.
    fn narrow_slice(wide: &[f32], out: &mut [Self]);

    /// Converts all of `halves`, exactly.
    ///
    /// # Panics
    /// If the lengths differ.
    fn widen_slice(halves: &[Self], out: &mut [f32]);
}

impl Half for f16 {
    // Processors have an instruction.
    fn narrow_slice(wide: &[f32], out: &mut [f16]) {
        out.convert_from_f32_slice(wide);
    }

    fn widen_slice(halves: &[f16], out: &mut [f32]) {
        halves.convert_to_f32_slice(out);
    }
}

impl Half for bf16 {
    fn narrow_slice(wide: &[f32], out: &mut [bf16]) {
        assert_eq!(wide.len(), out.len(), "values and halves differ in length");
        simd::run(Narrow(wide, out));
    }

    fn widen_slice(halves: &[bf16], out: &mut [f32]) {
        assert_eq!(halves.len(), out.len(), "halves and values differ in length");
        simd::run(Widen(halves, out));
    }
}

pub(crate) struct Narrow<'a>(pub &'a [f32], pub &'a mut [bf16]);

impl SimdKernel for Narrow<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.1.iter_mut().zip(self.0).for_each(|(out, &x)| *out = bf16_of_f32(x));
    }
}

struct Widen<'a>(&'a [bf16], &'a mut [f32]);

impl SimdKernel for Widen<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.1.iter_mut().zip(self.0).for_each(|(out, &x)| *out = f32_of_bf16(x));
    }
}

/// Converts `bf16` or `f16` to what their sums are carried in.
///
/// # Panics
/// If the lengths differ, or `T` is another type.
pub(crate) fn widen_into<T: Number>(halves: &[T], wide: &mut [T::Acc]) {
    if TypeId::of::<T>() == TypeId::of::<f16>() {
        f16::widen_slice(bytemuck::cast_slice(halves), bytemuck::cast_slice_mut(wide));
    } else {
        bf16::widen_slice(bytemuck::cast_slice(halves), bytemuck::cast_slice_mut(wide));
    }
}

/// Rounds sums to `bf16` or `f16`.
///
/// # Panics
/// As [`widen_into`].
pub(crate) fn narrow_into<T: Number>(wide: &[T::Acc], halves: &mut [T]) {
    if TypeId::of::<T>() == TypeId::of::<f16>() {
        f16::narrow_slice(bytemuck::cast_slice(wide), bytemuck::cast_slice_mut(halves));
    } else {
        bf16::narrow_slice(bytemuck::cast_slice(wide), bytemuck::cast_slice_mut(halves));
    }
}

/// Elements in the type that their sums are carried in.
pub enum Widened<'a, A: Copy + 'static> {
    /// They are of that type.
    Same(&'a [A]),
    /// They were converted.
    Converted(ScratchSlice<A>),
}

/// The first so many elements of scratch memory.
pub struct ScratchSlice<A: Copy + 'static>(Scratch<A>, usize);

impl<A: Copy> Deref for Widened<'_, A> {
    type Target = [A];

    fn deref(&self) -> &[A] {
        match self {
            Widened::Same(data) => data,
            Widened::Converted(ScratchSlice(wide, count)) => &wide[..*count],
        }
    }
}

/// Scratch memory of at least so many elements, whose contents are unspecified.
fn scratch<A: Number>(count: usize) -> Scratch<A> {
    let mut scratch = Scratch::new();
    if scratch.len() < count {
        memory::resize(&mut scratch, count, A::ZERO);
    }
    scratch
}

/// Returns the elements in the type that sums are carried in; converts only `bf16` and `f16`.
pub fn widen_all<T: Number>(data: &[T]) -> Widened<'_, T::Acc> {
    if TypeId::of::<T>() == TypeId::of::<T::Acc>() {
        return Widened::Same(bytemuck::cast_slice(data));
    }
    let mut wide = scratch(data.len());
    threads::split(&mut wide[..data.len()], 1, 1, |first, piece| {
        widen_into(&data[first..][..piece.len()], piece);
    });
    Widened::Converted(ScratchSlice(wide, data.len()))
}

/// Lets `compute` fill a slice of the type that sums are carried in, and rounds it into `out`.
///
/// For types that carry their own sums, that slice is `out` itself, with what is in it; else it is zeros.
pub fn narrow_all<T: Number>(out: &mut [T], compute: impl FnOnce(&mut [T::Acc])) {
    if TypeId::of::<T>() == TypeId::of::<T::Acc>() {
        return compute(bytemuck::cast_slice_mut(out));
    }
    let mut wide = scratch(out.len());
    let wide = &mut wide[..out.len()];
    wide.fill(T::Acc::ZERO);
    compute(wide);
    threads::split(out, 1, 1, |first, piece| narrow_into(&wide[first..][..piece.len()], piece));
}

/// As [`narrow_all`]; `compute` is given what calls `epilogue(first, piece)` for pieces of `out` that are finished, and calls it
/// for all of them. What is rounded is handed on in whole rows of so many elements.
pub(crate) fn narrow_with_epilogue<T: Number>(
    out: &mut [T],
    row: usize,
    epilogue: &(dyn Fn(usize, &mut [T]) + Sync),
    compute: impl FnOnce(&mut [T::Acc], &(dyn Fn(usize, &mut [T::Acc]) + Sync)),
) {
    if TypeId::of::<T>() == TypeId::of::<T::Acc>() {
        return compute(bytemuck::cast_slice_mut(out), &|first, piece| {
            epilogue(first, bytemuck::cast_slice_mut(piece));
        });
    }
    narrow_all(out, |wide| compute(wide, &|_, _| ()));
    threads::split(out, row, row, |first, rows| epilogue(first * row, rows));
}
