//! The dispatch table: which loop computes which scalar function of which dtype.

use half::{bf16, f16};
use num_complex::Complex32;

use super::complex;
use super::loops::{
    Block, Converted, Cube, MulAdd, MulThenAdd, NotZero, Reciprocal, Square, function, number_in_place, one,
    one_in_place, read, select, swapped, three, two, two_in_place, with_number, with_rows, write,
};
use super::power::integer_power;
use super::widened::{cast_from, cast_to, function_of, half_mul_add, half_powi};
use crate::array::DType;
use crate::array::DType::{BF16, Bool, C64, F16, F32, F64, I8, I16, I32, I64, U8, U16, U32};
use crate::array::dtype::{dispatch, dispatch_float, dispatch_width};
use crate::scalar::math::Real;
use crate::scalar::op::{Gives, ScalarOp, Takes, for_each_scalar_op, functions};

/// A loop and its parameter.
pub(crate) type Entry = (Block, i32);

/// The loop of a function whose last argument is of dtype `from` and whose result is of dtype `to`.
///
/// None if there is no such function.
pub(crate) fn entry(op: ScalarOp, from: DType, to: DType) -> Option<Entry> {
    if from == C64 || op.gives() == Gives::Complex {
        // The real part, and a real number as a complex one, are casts like those of halves.
        return if op == ScalarOp::Cast && to != Bool {
            cast(from, to)
        } else {
            complex::entry(op, from, to)
        };
    }
    let op = if from == Bool { op.of_booleans() } else { op };
    let gives = match op.gives() {
        Gives::Same => from,
        Gives::Bool => Bool,
        Gives::Asked => to,
        Gives::Complex | Gives::Part => return None,
    };
    if !op.takes().contains(from) || gives != to {
        return None;
    }
    let is_half = matches!(from, F16 | BF16);
    let block = match op {
        ScalarOp::Copy => copy(from.size()),
        ScalarOp::Cast => return cast(from, to),
        // Integers are numbers, and finite.
        ScalarOp::IsFinite if !from.is_float() => filled::<1>,
        ScalarOp::IsNan | ScalarOp::IsInf if !from.is_float() => filled::<0>,
        ScalarOp::Not => return Some((not(from), i32::from(from != Bool))),
        ScalarOp::Powi(exponent) => return Some((powi(from, exponent), exponent)),
        ScalarOp::Select => dispatch_width!(from, T => select::<T> as Block),
        ScalarOp::MulAdd if !matches!(from, I16 | U16) => mul_add(from),
        // One pass instead of one for each conversion.
        ScalarOp::Add if from == BF16 => two::<bf16, functions::Add>,
        ScalarOp::Sub if from == BF16 => two::<bf16, functions::Sub>,
        ScalarOp::Mul if from == BF16 => two::<bf16, functions::Mul>,
        // Those of one argument that are not of floats alone look at bits of halves themselves.
        _ if is_half && (op.arity() > 1 || op.takes() == Takes::Float) => {
            let block = if from == F16 { function_of::<f16> as Block } else { function_of::<bf16> };
            return Some((block, op.index() as i32));
        }
        // What does not depend on the sign.
        ScalarOp::Add | ScalarOp::Sub | ScalarOp::Mul | ScalarOp::Eq | ScalarOp::Ne if from == I8 => {
            of_table(op, U8)?
        }
        ScalarOp::And | ScalarOp::Or | ScalarOp::Xor if from == I8 => of_table(op, U8)?,
        _ if from == I8 => return Some((function_of::<i8>, op.index() as i32)),
        _ if from == I16 => return Some((function_of::<i16>, op.index() as i32)),
        _ if from == U16 => return Some((function_of::<u16>, op.index() as i32)),
        _ => of_table(op, from)?,
    };
    Some((block, 0))
}

/// The loop of a line of the table of scalar functions, by the number of arguments, and what it takes and gives.
macro_rules! block {
    ($Op:ident $arity:tt $takes:ident $gives:ident [] [] [] $dtype:ident) => {
        None
    };
    ($Op:ident 2 $takes:ident $gives:ident [] [] [$swapped:ident] $dtype:ident) => {
        block!(of $takes $dtype, T i32 => swapped::<T, functions::$swapped>)
    };
    ($Op:ident 1 Float $gives:ident [$T:ident] [] [] $dtype:ident) => {
        block!(of Float $dtype, T i32 => function::<T, functions::$Op>)
    };
    ($Op:ident 1 $takes:ident Bool [$T:ident] [] [] $dtype:ident) => {
        Some(dispatch_float!($dtype, T => one::<T, functions::$Op> as Block))
    };
    ($Op:ident 1 $takes:ident $gives:ident [$T:ident] [] [] $dtype:ident) => {
        Some(dispatch!($dtype, T => one::<T, functions::$Op> as Block))
    };
    ($Op:ident 2 $takes:ident $gives:ident [$T:ident] [modular] [] $dtype:ident) => {
        block!(of $takes $dtype, T u32 => two::<T, functions::$Op>)
    };
    ($Op:ident 2 $takes:ident $gives:ident [$T:ident] [] [] $dtype:ident) => {
        block!(of $takes $dtype, T i32 => two::<T, functions::$Op>)
    };
    ($Op:ident 3 $takes:ident $gives:ident [$T:ident] [] [] $dtype:ident) => {
        block!(of $takes $dtype, T i32 => three::<T, functions::$Op>)
    };
    (of Float $dtype:ident, $T:ident $i32:ident => $block:expr) => {
        match $dtype {
            F32 => { type $T = f32; Some($block as Block) }
            F64 => { type $T = f64; Some($block as Block) }
            _ => None,
        }
    };
    (of Bits $dtype:ident, $T:ident $i32:ident => $block:expr) => {
        block!(of Integer $dtype, $T $i32 => $block)
    };
    (of Integer $dtype:ident, $T:ident $i32:ident => $block:expr) => {
        match $dtype {
            Bool | U8 => { type $T = u8; Some($block as Block) }
            U32 => { type $T = u32; Some($block as Block) }
            I32 => { type $T = $i32; Some($block as Block) }
            I64 => { type $T = i64; Some($block as Block) }
            _ => None,
        }
    };
    (of $takes:ident $dtype:ident, $T:ident $i32:ident => $block:expr) => {
        match block!(of Float $dtype, $T $i32 => $block) {
            None => block!(of Integer $dtype, $T $i32 => $block),
            found => found,
        }
    };
}

macro_rules! table {
    ($($Op:ident $arity:tt $takes:ident $gives:ident [$($T:ident)?] [$($modular:ident)?] [$($swapped:ident)?];)*) => {
        /// The loop of a function that has a meaning in the table, of a dtype that it takes, for halves where it has bits of them.
        fn of_table(op: ScalarOp, dtype: DType) -> Option<Block> {
            match op {
                $(ScalarOp::$Op { .. } => {
                    block!($Op $arity $takes $gives [$($T)?] [$($modular)?] [$($swapped)?] dtype)
                })*
            }
        }
    };
}

for_each_scalar_op!(table);

/// The loops of a function for a single value, or one for each row, at the first argument and at the second.
pub(crate) struct Mixed {
    pub number: [Block; 2],
    pub rows: [Block; 2],
}

/// Those of the commonest functions.
pub(crate) fn mixed(op: ScalarOp, dtype: DType) -> Option<Mixed> {
    macro_rules! of {
        ($F:ident, $first:literal) => {{
            use functions::$F;
            Mixed {
                number: [with_number::<f32, $F, 0, $first>, with_number::<f32, $F, 1, { !$first }>],
                rows: [with_rows::<f32, $F, 0, $first>, with_rows::<f32, $F, 1, { !$first }>],
            }
        }};
    }
    if dtype != F32 {
        return None;
    }
    Some(match op {
        ScalarOp::Add => of!(Add, true),
        ScalarOp::Sub => of!(Sub, true),
        ScalarOp::Mul => of!(Mul, true),
        ScalarOp::Div => of!(Div, true),
        ScalarOp::Max => of!(Max, true),
        ScalarOp::Min => of!(Min, true),
        ScalarOp::Lt => of!(Lt, true),
        ScalarOp::Le => of!(Le, true),
        ScalarOp::Gt => of!(Lt, false),
        ScalarOp::Ge => of!(Le, false),
        _ => return None,
    })
}

/// The loops of a function whose first argument is what the result lies in, or whose second one is: where the other argument moves,
/// and where it is a single value.
pub(crate) struct InPlace {
    pub moving: [Block; 2],
    pub number: [Block; 2],
}

/// Those of the commonest functions; others are computed from a copy, block by block.
pub(crate) fn in_place(op: ScalarOp, dtype: DType) -> Option<InPlace> {
    macro_rules! one {
        ($F:ident) => {
            InPlace {
                moving: [one_in_place::<f32, functions::$F>; 2],
                number: [one_in_place::<f32, functions::$F>; 2],
            }
        };
    }
    macro_rules! two {
        ($F:ident) => {{
            use functions::$F;
            InPlace {
                moving: [two_in_place::<f32, $F, 1, true>, two_in_place::<f32, $F, 0, false>],
                number: [number_in_place::<f32, $F, 1, true>, number_in_place::<f32, $F, 0, false>],
            }
        }};
    }
    if dtype != F32 {
        return None;
    }
    Some(match op {
        ScalarOp::Neg => one!(Neg),
        ScalarOp::Abs => one!(Abs),
        ScalarOp::Relu => one!(Relu),
        ScalarOp::Add => two!(Add),
        ScalarOp::Sub => two!(Sub),
        ScalarOp::Mul => two!(Mul),
        ScalarOp::Div => two!(Div),
        ScalarOp::Max => two!(Max),
        ScalarOp::Min => two!(Min),
        _ => return None,
    })
}

/// Casts from or to halves go by way of `f32`, which holds all halves; but for those from `f64`. Those of narrow integers go by way of
/// `i32`, and those of complex numbers by that of their real part.
fn cast(from: DType, to: DType) -> Option<Entry> {
    macro_rules! to {
        ($b:ty) => {
            match from {
                Bool | U8 => one::<u8, Converted<$b>> as Block,
                U32 => one::<u32, Converted<$b>>,
                I32 => one::<i32, Converted<$b>>,
                I64 => one::<i64, Converted<$b>>,
                F32 => one::<f32, Converted<$b>>,
                F64 => one::<f64, Converted<$b>>,
                I8 | I16 | U16 | F16 | BF16 | C64 => return None,
            }
        };
    }
    let number = |dtype: DType| DType::ALL.iter().position(|&other| other == dtype).map(|at| at as i32);
    let block = match (from, to) {
        _ if from == to => copy(to.size()),
        (C64, _) => return Some((cast_from::<Complex32>, number(to)?)),
        (_, C64) => return Some((cast_to::<Complex32>, number(from)?)),
        // The lowest byte.
        _ if to == I8 && !from.is_float() => return cast(from, U8),
        (I8, _) => return Some((cast_from::<i8>, number(to)?)),
        (I16, _) => return Some((cast_from::<i16>, number(to)?)),
        (U16, _) => return Some((cast_from::<u16>, number(to)?)),
        (_, Bool) => dispatch!(from, A => one::<A, NotZero> as Block),
        (_, I8) => return Some((cast_to::<i8>, number(from)?)),
        (_, I16) => return Some((cast_to::<i16>, number(from)?)),
        (_, U16) => return Some((cast_to::<u16>, number(from)?)),
        (F64, F16) => one::<f64, Converted<f16>>,
        (F64, BF16) => one::<f64, Converted<bf16>>,
        (F16, _) => return Some((cast_from::<f16>, number(to)?)),
        (BF16, _) => return Some((cast_from::<bf16>, number(to)?)),
        (_, F16) => return Some((cast_to::<f16>, number(from)?)),
        (_, BF16) => return Some((cast_to::<bf16>, number(from)?)),
        (_, U8) => to!(u8),
        (_, U32) => to!(u32),
        (_, I32) => to!(i32),
        (_, I64) => to!(i64),
        (_, F32) => to!(f32),
        (_, F64) => to!(f64),
    };
    Some((block, 0))
}

/// Ones or zeros.
///
/// # Safety
/// As [`Block`].
unsafe fn filled<const VALUE: u8>(_args: [*const u8; 3], out: *mut u8, count: usize, _parameter: i32) {
    // SAFETY: the caller vouches for it.
    unsafe { write::<u8>(out, count) }.fill(VALUE);
}

fn mul_add(dtype: DType) -> Block {
    match dtype {
        Bool | U8 | I8 => three::<u8, MulThenAdd>,
        I16 | U16 | C64 => unreachable!("{dtype} has another loop"),
        U32 | I32 => three::<u32, MulThenAdd>,
        I64 => three::<i64, MulThenAdd>,
        F32 => three::<f32, MulAdd>,
        F64 => three::<f64, MulAdd>,
        F16 => half_mul_add::<f16>,
        BF16 => half_mul_add::<bf16>,
    }
}

fn powi(dtype: DType, exponent: i32) -> Block {
    macro_rules! of {
        ($t:ty) => {
            match exponent {
                -1 => one::<$t, Reciprocal> as Block,
                2 => one::<$t, Square>,
                3 => one::<$t, Cube>,
                _ => powers::<$t>,
            }
        };
    }
    match dtype {
        Bool | U8 | I8 => whole_powers::<u8>,
        I16 | U16 => whole_powers::<u16>,
        U32 | I32 => whole_powers::<u32>,
        I64 => whole_powers::<i64>,
        F32 => of!(f32),
        F64 => of!(f64),
        C64 => unreachable!("{dtype} has another loop"),
        F16 => half_powi::<f16>,
        BF16 => half_powi::<bf16>,
    }
}

fn not(dtype: DType) -> Block {
    match dtype.size() {
        1 => inverted::<1>,
        2 => inverted::<2>,
        4 => inverted::<4>,
        _ => inverted::<8>,
    }
}

/// Copies elements of a width.
pub(crate) fn copy(width: usize) -> Block {
    match width {
        1 => copied::<1>,
        2 => copied::<2>,
        4 => copied::<4>,
        _ => copied::<8>,
    }
}

/// # Safety
/// As [`Block`].
unsafe fn copied<const WIDTH: usize>(args: [*const u8; 3], out: *mut u8, count: usize, _parameter: i32) {
    // SAFETY: the caller vouches for both.
    unsafe { std::ptr::copy_nonoverlapping(args[0], out, count * WIDTH) }
}

/// All bits, or with the parameter 0 the lowest one.
///
/// # Safety
/// As [`Block`].
unsafe fn inverted<const WIDTH: usize>(args: [*const u8; 3], out: *mut u8, count: usize, parameter: i32) {
    let mask = if parameter == 0 { 1 } else { u8::MAX };
    // SAFETY: the caller vouches for both.
    let (x, out) = unsafe { (read::<u8>(args[0], count * WIDTH), write::<u8>(out, count * WIDTH)) };
    out.iter_mut().zip(x).for_each(|(out, x)| *out = x ^ mask);
}

/// # Safety
/// As [`Block`].
pub(super) unsafe fn powers<T: Real + bytemuck::Pod>(
    args: [*const u8; 3],
    out: *mut u8,
    count: usize,
    parameter: i32,
) {
    // SAFETY: the caller vouches for both.
    let (x, out) = unsafe { (read::<T>(args[0], count), write::<T>(out, count)) };
    integer_power(x, parameter, out);
}

/// Integers, whose powers wrap around.
trait Whole: bytemuck::Pod {
    fn raised(self, exponent: u32) -> Self;
}

macro_rules! whole {
    ($($t:ty)*) => { $(
        impl Whole for $t {
            fn raised(self, exponent: u32) -> $t {
                self.wrapping_pow(exponent)
            }
        }
    )* };
}

whole! { u8 u16 u32 i64 }

/// # Safety
/// As [`Block`].
unsafe fn whole_powers<T: Whole>(args: [*const u8; 3], out: *mut u8, count: usize, parameter: i32) {
    // SAFETY: the caller vouches for both.
    let (x, out) = unsafe { (read::<T>(args[0], count), write::<T>(out, count)) };
    out.iter_mut().zip(x).for_each(|(out, x)| *out = x.raised(parameter.unsigned_abs()));
}
