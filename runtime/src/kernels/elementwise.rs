//! Functions of elements one operation at a time, with broadcasting.
//!
//! The loops are those of the interpreter's table, called for whole rows of memory. Where an operand stands still, or lies where the
//! result goes, a block of it is prepared first: its loops then are those of operands that all move, of which there is one for each
//! function and dtype, and not one for each mixture.

use std::mem::MaybeUninit;

use super::blocks::wide;
use super::blocks::{self, Block, InPlace};
use super::broadcast::Broadcast;
use super::simd::SimdKernel;
use super::threads;
use crate::array::DType;
use crate::scalar::op::ScalarOp;

/// Elements of a block that is prepared: a few of them fit L1.
const BLOCK: usize = 1024;

/// Computes `op` of the arguments, of dtypes `from`, broadcast to `out`, of dtype `to`.
///
/// An argument that is `None` is what `out` holds: it has the shape of `out` and is as wide.
///
/// # Panics
/// If there is no such operation, or sizes do not fit the layout.
pub(crate) fn apply<const N: usize>(
    op: ScalarOp,
    (from, to): ([DType; N], DType),
    layout: &Broadcast<N>,
    args: [Option<&[u8]>; N],
    out: &mut [u8],
) {
    if out.is_empty() {
        return;
    }
    let Some((block, parameter)) = blocks::entry(op, from[N - 1], to) else {
        unreachable!("`infer` refuses {op:?} of {from:?}")
    };
    let (widths, width) = (from.map(DType::size), to.size());
    for (k, reach) in layout.reach().into_iter().enumerate() {
        let bytes = args[k].map_or(out.len(), <[u8]>::len);
        assert!(bytes >= reach * widths[k], "bytes of an argument");
    }
    let is_like_out = |k: usize| widths[k] == width && (layout.step[k] == 1 || out.len() == width);
    assert!((0..N).all(|k| args[k].is_some() || is_like_out(k)), "an argument that the result lies in");
    let with_number = if N == 2 { blocks::mixed(op, from[0]).map(|mixed| mixed.number) } else { None };
    let in_place = if args.contains(&None) { blocks::in_place(op, from[0]) } else { None };
    let row = Row { block, in_place, parameter, with_number, args, widths, width, step: layout.step };
    if layout.is_flat() {
        return threads::split(out, width, op.cost(), |first, out| {
            row.run(out, layout.step.map(|step| first * step));
        });
    }
    let size = layout.row * width;
    threads::split(out, size, op.cost() * layout.row, |first, out| {
        layout.rows(first, out.len() / size, &mut |start, at| {
            row.run(&mut out[start * width..][..size], at);
        });
    });
}

/// How a row, or a part of one, is computed.
struct Row<'a, const N: usize> {
    block: Block,
    parameter: i32,
    /// The loops where the first argument is one number, or the second.
    with_number: Option<[Block; 2]>,
    /// The loops where an argument is what the result lies in.
    in_place: Option<InPlace>,
    args: [Option<&'a [u8]>; N],
    widths: [usize; N],
    width: usize,
    step: [usize; N],
}

impl<const N: usize> Row<'_, N> {
    /// Computes `out`, a part of the layout's output whose arguments begin at elements `at`.
    fn run(&self, out: &mut [u8], at: [usize; N]) {
        let count = out.len() / self.width;
        let is_held = self.args.iter().any(Option::is_none);
        let mut args = [std::ptr::null(); 3];
        for k in 0..N {
            args[k] = match self.args[k] {
                Some(bytes) => bytes[at[k] * self.widths[k]..].as_ptr(),
                None => out.as_ptr(),
            };
        }
        let stands = |k: usize| self.step[k] == 0;
        let standing = (0..N).filter(|&k| stands(k)).count();
        let to = out.as_mut_ptr();
        // SAFETY: `apply` has checked that the layout stays inside of all arguments, each of which has `count` elements from `at` on,
        // or one if it stands; the table chose the loops for the dtypes; only an argument that is held overlaps `out`.
        unsafe {
            // All operands move: one call. All stand: one value, repeated. A mixture has loops of its own for the commonest
            // functions, and else is brought to where all move, block by block.
            if is_held && let Some(loops) = &self.in_place {
                let held = usize::from(self.args[0].is_some());
                let loops = if standing == 0 || count == 1 { loops.moving } else { loops.number };
                (loops[held])(args, to, count, self.parameter);
            } else if !is_held && (standing == 0 || count == 1) {
                (self.block)(args, to, count, self.parameter);
            } else if !is_held && standing == N {
                let mut value = [0u64];
                (self.block)(args, value.as_mut_ptr().cast(), 1, self.parameter);
                blocks::expand(self.width, value.as_ptr().cast(), 1, count, to);
            } else {
                match self.with_number {
                    Some(loops) if standing == 1 => {
                        let number = usize::from(stands(N - 1));
                        if is_held {
                            self.by_blocks(loops[number], args, Some(number), to, count);
                        } else {
                            (loops[number])(args, to, count, self.parameter);
                        }
                    }
                    _ => self.by_blocks(self.block, args, None, to, count),
                }
            }
        }
    }

    /// Calls `block` for a block after the other, for which standing arguments but `number` are repeated, and held ones copied.
    ///
    /// # Safety
    /// As [`Block`], but that arguments that stand are one number each, and that those that are held lie where `to` does.
    // Its frame would be that of the caller, too, if it were inlined.
    #[inline(never)]
    unsafe fn by_blocks(
        &self,
        block: Block,
        mut args: [*const u8; 3],
        number: Option<usize>,
        to: *mut u8,
        count: usize,
    ) {
        let mut buffers = [[MaybeUninit::<u64>::uninit(); BLOCK]; N];
        let repeated = |k: usize| self.step[k] == 0 && number != Some(k);
        for k in (0..N).filter(|&k| repeated(k)) {
            let buffer = buffers[k].as_mut_ptr().cast();
            // SAFETY: a block of the widest elements fits.
            unsafe { blocks::expand(self.widths[k], args[k], 1, count.min(BLOCK), buffer) };
            args[k] = buffer;
        }
        for first in (0..count).step_by(BLOCK) {
            let size = BLOCK.min(count - first);
            let mut here = args;
            for k in (0..N).filter(|&k| self.step[k] != 0) {
                // SAFETY: inside of the argument, which has `count` elements.
                here[k] = unsafe { args[k].add(first * self.widths[k]) };
                if self.args[k].is_none() {
                    let buffer = buffers[k].as_mut_ptr().cast();
                    // SAFETY: as above.
                    unsafe { std::ptr::copy_nonoverlapping(here[k], buffer, size * self.width) };
                    here[k] = buffer;
                }
            }
            // SAFETY: nothing overlaps now.
            unsafe { block(here, to.add(first * self.width), size, self.parameter) };
        }
    }
}

/// Writes `f(x)` for every element; the closure becomes a vectorised loop of its own.
pub fn map<A: Copy + Sync, O: Send>(x: &[A], out: &mut [O], work: usize, f: impl Fn(A) -> O + Sync) {
    threads::split(out, 1, work, |first, out| {
        wide(Map { x: &x[first..][..out.len()], out, f: &f });
    });
}

struct Map<'a, A, O, F> {
    x: &'a [A],
    out: &'a mut [O],
    f: &'a F,
}

impl<A: Copy, O, F: Fn(A) -> O> SimdKernel for Map<'_, A, O, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (out, &x) in self.out.iter_mut().zip(self.x) {
            *out = (self.f)(x);
        }
    }
}

/// Writes `f(x, y, z)` for every triple, all broadcast to the output, by a plain loop: for functions that vectors do not have.
pub fn zip3<A: Copy + Sync, B: Copy + Sync, C: Copy + Sync, O: Send>(
    layout: &Broadcast<3>,
    (x, y, z): (&[A], &[B], &[C]),
    out: &mut [O],
    work: usize,
    f: impl Fn(A, B, C) -> O + Sync,
) {
    let [dx, dy, dz] = layout.step;
    rows(layout, out, work, &|out, [i, j, k]| {
        for (n, out) in out.iter_mut().enumerate() {
            *out = f(x[i + n * dx], y[j + n * dy], z[k + n * dz]);
        }
    });
}

/// Copies `x`, broadcast to the output.
pub fn expand<A: Copy + Sync + Send>(layout: &Broadcast<1>, x: &[A], out: &mut [A]) {
    let [step] = layout.step;
    rows(layout, out, 1, &|out, [i]| match step {
        0 => out.fill(x[i]),
        _ => out.copy_from_slice(&x[i..i + out.len()]),
    });
}

/// Calls `row` with each row of the output, or part of one, and where its operands start; over threads where it pays.
fn rows<const N: usize, O: Send>(
    layout: &Broadcast<N>,
    out: &mut [O],
    work: usize,
    row: &(dyn Fn(&mut [O], [usize; N]) + Sync),
) {
    if layout.is_flat() {
        return threads::split(out, 1, work, |first, out| row(out, layout.step.map(|step| first * step)));
    }
    let size = layout.row;
    threads::split(out, size, work * size, |first, out| {
        let count = out.len() / size;
        layout.rows(first, count, &mut |start, at| row(&mut out[start..start + size], at));
    });
}

#[cfg(test)]
mod tests {
    use bytemuck::{Pod, cast_slice, cast_slice_mut};
    use half::{bf16, f16};

    use super::*;

    /// Element `flat` of the output, read from an array of `shape` that is broadcast to `out`.
    fn read(out: &[usize], shape: &[usize], flat: usize) -> usize {
        let (mut rest, mut at, mut stride) = (flat, 0, 1);
        for (k, &size) in out.iter().rev().enumerate() {
            let own = shape.len().checked_sub(k + 1).map_or(1, |axis| shape[axis]);
            at += if own == 1 { 0 } else { rest % size * stride };
            stride *= own;
            rest /= size;
        }
        at
    }

    const SHAPES: [&[usize]; 6] = [&[3, 5, 37], &[37], &[3, 1, 37], &[5, 1], &[], &[3, 1, 1]];

    /// Rows that are longer than a block, too.
    const LONG: [&[usize]; 4] = [&[2, 2 * BLOCK + 5], &[2 * BLOCK + 5], &[2, 1], &[]];

    fn values<T>(shape: &[usize], from: i32, of: impl Fn(i32) -> T) -> Vec<T> {
        (0..shape.iter().product::<usize>() as i32).map(|i| of(from + i)).collect()
    }

    /// What `op` gives, into new memory and into the memory of each argument that has the shape of the result.
    fn results<T: Pod, const N: usize>(
        op: ScalarOp,
        dtype: DType,
        out_shape: &[usize],
        shapes: [&[usize]; N],
        args: [&[T]; N],
    ) -> Vec<Vec<T>> {
        let layout = Broadcast::new(out_shape, shapes);
        let bytes = args.map(|arg| Some(cast_slice(arg)));
        let mut out = vec![T::zeroed(); out_shape.iter().product()];
        apply(op, ([dtype; N], dtype), &layout, bytes, cast_slice_mut(&mut out));
        let mut all = vec![out];
        for k in (0..N).filter(|&k| shapes[k] == out_shape) {
            let (mut out, mut bytes) = (args[k].to_vec(), bytes);
            bytes[k] = None;
            apply(op, ([dtype; N], dtype), &layout, bytes, cast_slice_mut(&mut out));
            all.push(out);
        }
        all
    }

    fn two_are_read_right<T: Pod + PartialEq>(
        dtype: DType,
        of: impl Fn(i32) -> T,
        minus: impl Fn(T, T) -> T,
    ) {
        for shapes in [&SHAPES[..], &LONG] {
            for &a in shapes {
                for &b in shapes {
                    let (x, y) = (values(a, 1, &of), values(b, 1000, &of));
                    let expected = |at| minus(x[read(shapes[0], a, at)], y[read(shapes[0], b, at)]);
                    for out in results(ScalarOp::Sub, dtype, shapes[0], [a, b], [&x, &y]) {
                        assert!(out.iter().enumerate().all(|(at, &z)| z == expected(at)), "{a:?} {b:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_mixture_of_moving_and_standing_operands_of_two_is_read_right() {
        two_are_read_right(DType::I32, |i| i, |x, y| x - y);
        // Of these, some loops take a single number.
        two_are_read_right(DType::F32, |i| i as f32, |x, y| x - y);
        two_are_read_right(DType::F64, f64::from, |x, y| x - y);
    }

    #[test]
    fn every_mixture_of_moving_and_standing_operands_of_three_is_read_right() {
        for shapes in [&SHAPES[..], &LONG] {
            for &a in shapes {
                for &b in shapes {
                    for &c in shapes {
                        let [x, y, z] =
                            [(a, 1), (b, 1000), (c, -500)].map(|(s, from)| values(s, from, |i| i));
                        let at = |shape, at| read(shapes[0], shape, at);
                        let expected = |i| x[at(a, i)] * y[at(b, i)] + z[at(c, i)];
                        for out in results(ScalarOp::MulAdd, DType::I32, shapes[0], [a, b, c], [&x, &y, &z]) {
                            assert!(
                                out.iter().enumerate().all(|(i, &z)| z == expected(i)),
                                "{a:?} {b:?} {c:?}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn every_half_is_widened_and_rounded_once() {
        let all = 0..=u16::MAX;
        let halves: Vec<f16> = all.clone().map(f16::from_bits).filter(|x| !x.is_nan()).collect();
        let brains: Vec<bf16> = all.map(bf16::from_bits).filter(|x| !x.is_nan()).collect();
        let shape: &[usize] = &[halves.len()];
        for out in results(ScalarOp::Div, DType::F16, shape, [shape, &[]], [&halves, &[f16::from_f32(3.0)]]) {
            assert!(halves.iter().zip(&out).all(|(x, y)| *y == f16::from_f32(x.to_f32() / 3.0)));
        }
        let shape: &[usize] = &[brains.len()];
        for out in results(ScalarOp::Div, DType::BF16, shape, [shape, &[]], [&brains, &[bf16::from_f32(3.0)]])
        {
            assert!(brains.iter().zip(&out).all(|(x, y)| *y == bf16::from_f32(x.to_f32() / 3.0)));
        }
    }

    #[test]
    fn a_result_of_another_width_is_written_beside_its_argument() {
        let x: Vec<i32> = (0..2 * BLOCK as i32 + 3).map(|i| i - 5).collect();
        let layout = Broadcast::new(&[x.len()], [&[x.len()]]);
        let mut out = vec![0.0f64; x.len()];
        let dtypes = ([DType::I32], DType::F64);
        apply(ScalarOp::Cast, dtypes, &layout, [Some(cast_slice(&x))], cast_slice_mut(&mut out));
        assert!(out.iter().zip(&x).all(|(&out, &x)| out == f64::from(x)));
    }

    #[test]
    fn work_on_several_threads_is_the_same() {
        let size = threads::THRESHOLD + 3;
        let x: Vec<f32> = (0..size).map(|i| i as f32).collect();
        for out in results(ScalarOp::Add, DType::F32, &[size], [&[size], &[]], [&x, &[0.5]]) {
            assert!(out.iter().zip(&x).all(|(&out, &x)| out == x + 0.5));
        }
        let mut out = vec![0.0; size];
        map(&x, &mut out, 8, |x| x + 0.5);
        assert!(out.iter().zip(&x).all(|(&out, &x)| out == x + 0.5));
    }
}
