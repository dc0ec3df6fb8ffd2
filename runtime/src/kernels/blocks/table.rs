//! The dispatch table: which loop computes which function for which dtype.

use half::{bf16, f16};

use super::halves::{PIECE, half_compare, half_function, half_power, half_three, half_two, pieces};
use super::loops::{
    Angle, Block, Both, Chosen, Clamped, Converted, Cube, Direction, Either, Equal, Finite, Fused, Infinite,
    Larger, Left, Less, LessOrEqual, LogSum, Magnitude, Minus, Modulo, Nan, Negated, NotZero, OneOf, Over,
    Plus, Positive, Raised, Reciprocal, Right, Smaller, Square, Times, TimesPlus, Unequal, one, read,
    swapped, three, two, with_number, with_rows, write,
};
use crate::array::DType;
use crate::array::DType::{BF16, Bool, F16, F32, F64, I32, I64, U8, U32};
use crate::kernels::halves::Half;
use crate::kernels::unary::integer_power;
use crate::scalar::math::Real;
use crate::scalar::op::ScalarOp;
use crate::scalar::op::UnaryOp;

/// A loop and its parameter.
pub(crate) type Entry = (Block, i32);

/// The loop of a function whose last argument is of dtype `from` and whose result is of dtype `to`.
///
/// None if there is no such operation.
pub(crate) fn entry(code: ScalarOp, from: DType, to: DType) -> Option<Entry> {
    let block = match code {
        ScalarOp::Function(UnaryOp::Abs) => signed(from, Sign::Magnitude)?,
        ScalarOp::Function(UnaryOp::Sign) => signed(from, Sign::Direction)?,
        ScalarOp::Function(op) => {
            let at = UnaryOp::ALL.iter().position(|&other| other == op)?;
            let block: Block = match from {
                F32 => function::<f32>,
                F64 => function::<f64>,
                F16 => half_function::<f16>,
                BF16 => half_function::<bf16>,
                _ => return None,
            };
            return Some((block, at as i32));
        }
        ScalarOp::Power(exponent) => return Some((power(from, exponent)?, exponent)),
        ScalarOp::Copy => copy(from.size()),
        ScalarOp::Cast => match half_cast(from, to) {
            Some(entry) => return Some(entry),
            None => cast(from, to)?,
        },
        ScalarOp::Neg => signed(from, Sign::Negated)?,
        ScalarOp::Relu => signed(from, Sign::Positive)?,
        ScalarOp::IsFinite => signed(from, Sign::Finite)?,
        ScalarOp::IsNan => signed(from, Sign::Nan)?,
        ScalarOp::IsInf => signed(from, Sign::Infinite)?,
        ScalarOp::Not => return Some((not(from)?, i32::from(from != Bool))),
        ScalarOp::Select => match from.size() {
            1 => three::<Chosen<u8>>,
            2 => three::<Chosen<u16>>,
            4 => three::<Chosen<u32>>,
            _ => three::<Chosen<u64>>,
        },
        ScalarOp::Clamp => clamp(from)?,
        ScalarOp::MulAdd => mul_add(from)?,
        ScalarOp::LogAddExp => match from {
            F32 => two::<LogSum<f32>>,
            F64 => two::<LogSum<f64>>,
            F16 => half_two::<f16, LogSum<f32>>,
            BF16 => half_two::<bf16, LogSum<f32>>,
            _ => return None,
        },
        ScalarOp::Eq | ScalarOp::Ne | ScalarOp::Lt | ScalarOp::Le | ScalarOp::Gt | ScalarOp::Ge => {
            compare(code, from)
        }
        ScalarOp::And | ScalarOp::Or | ScalarOp::Xor | ScalarOp::ShiftLeft | ScalarOp::ShiftRight => {
            bits(code, from)?
        }
        // Booleans are bytes of 0 and 1, so their sum is "or" and their product "and".
        ScalarOp::Add | ScalarOp::Max if from == Bool => two::<Either<u8>>,
        ScalarOp::Mul | ScalarOp::Min if from == Bool => two::<Both<u8>>,
        _ => arithmetic(code, from)?,
    };
    Some((block, 0))
}

/// The loops of a function for a scalar, or one for each row, at the first argument and at the second.
pub(crate) struct Mixed {
    pub number: [Block; 2],
    pub rows: [Block; 2],
}

/// Those of the commonest functions.
pub(crate) fn mixed(code: ScalarOp, dtype: DType) -> Option<Mixed> {
    macro_rules! of {
        ($f:ident) => {
            Mixed {
                number: [with_number::<$f<f32>, 0, true>, with_number::<$f<f32>, 1, false>],
                rows: [with_rows::<$f<f32>, 0, true>, with_rows::<$f<f32>, 1, false>],
            }
        };
        (swapped $f:ident) => {
            Mixed {
                number: [with_number::<$f<f32>, 0, false>, with_number::<$f<f32>, 1, true>],
                rows: [with_rows::<$f<f32>, 0, false>, with_rows::<$f<f32>, 1, true>],
            }
        };
    }
    if dtype != F32 {
        return None;
    }
    Some(match code {
        ScalarOp::Add => of!(Plus),
        ScalarOp::Sub => of!(Minus),
        ScalarOp::Mul => of!(Times),
        ScalarOp::Div => of!(Over),
        ScalarOp::Max => of!(Larger),
        ScalarOp::Min => of!(Smaller),
        ScalarOp::Lt => of!(Less),
        ScalarOp::Le => of!(LessOrEqual),
        ScalarOp::Gt => of!(swapped Less),
        ScalarOp::Ge => of!(swapped LessOrEqual),
        _ => return None,
    })
}

enum Sign {
    Negated,
    Magnitude,
    Direction,
    Positive,
    Finite,
    Nan,
    Infinite,
}

macro_rules! each_number {
    ($dtype:expr, $t:ident => $body:expr) => {
        crate::array::dtype::dispatch!($dtype, $t => $body)
    };
}

fn signed(dtype: DType, what: Sign) -> Option<Block> {
    if !dtype.is_float() {
        match what {
            Sign::Finite => return Some(filled::<1>),
            Sign::Nan | Sign::Infinite => return Some(filled::<0>),
            _ => {}
        }
    }
    Some(each_number!(dtype, T => match what {
        Sign::Negated => one::<Negated<T>> as Block,
        Sign::Magnitude => one::<Magnitude<T>>,
        Sign::Direction => one::<Direction<T>>,
        Sign::Positive => one::<Positive<T>>,
        questions => return question(dtype, &questions),
    }))
}

/// A question that only floats have two answers to.
fn question(dtype: DType, what: &Sign) -> Option<Block> {
    Some(crate::array::dtype::dispatch_float!(dtype, T => match what {
        Sign::Finite => one::<Finite<T>> as Block,
        Sign::Nan => one::<Nan<T>>,
        _ => one::<Infinite<T>>,
    }))
}

fn compare(code: ScalarOp, dtype: DType) -> Block {
    macro_rules! of {
        ($t:ty) => {
            match code {
                ScalarOp::Eq => two::<Equal<$t>> as Block,
                ScalarOp::Ne => two::<Unequal<$t>>,
                ScalarOp::Lt => two::<Less<$t>>,
                ScalarOp::Le => two::<LessOrEqual<$t>>,
                ScalarOp::Gt => swapped::<Less<$t>>,
                _ => swapped::<LessOrEqual<$t>>,
            }
        };
    }
    macro_rules! of_half {
        ($t:ty) => {
            match code {
                ScalarOp::Eq => half_compare::<$t, Equal<f32>, false> as Block,
                ScalarOp::Ne => half_compare::<$t, Unequal<f32>, false>,
                ScalarOp::Lt => half_compare::<$t, Less<f32>, false>,
                ScalarOp::Le => half_compare::<$t, LessOrEqual<f32>, false>,
                ScalarOp::Gt => half_compare::<$t, Less<f32>, true>,
                _ => half_compare::<$t, LessOrEqual<f32>, true>,
            }
        };
    }
    match dtype {
        Bool | U8 => of!(u8),
        U32 => of!(u32),
        I32 => match code {
            ScalarOp::Eq | ScalarOp::Ne => compare(code, U32),
            ScalarOp::Lt => two::<Less<i32>>,
            ScalarOp::Le => two::<LessOrEqual<i32>>,
            ScalarOp::Gt => swapped::<Less<i32>>,
            _ => swapped::<LessOrEqual<i32>>,
        },
        I64 => of!(i64),
        F32 => of!(f32),
        F64 => of!(f64),
        F16 => of_half!(f16),
        BF16 => of_half!(bf16),
    }
}

fn arithmetic(code: ScalarOp, dtype: DType) -> Option<Block> {
    macro_rules! of {
        ($t:ty) => {
            match code {
                ScalarOp::Add => two::<Plus<$t>> as Block,
                ScalarOp::Sub => two::<Minus<$t>>,
                ScalarOp::Mul => two::<Times<$t>>,
                ScalarOp::Div => two::<Over<$t>>,
                ScalarOp::Rem => two::<Modulo<$t>>,
                ScalarOp::Pow => two::<Raised<$t>>,
                ScalarOp::Max => two::<Larger<$t>>,
                ScalarOp::Min => two::<Smaller<$t>>,
                ScalarOp::Atan2 if dtype.is_float() => two::<Angle<$t>>,
                _ => return None,
            }
        };
    }
    macro_rules! of_half {
        ($t:ty) => {
            match code {
                ScalarOp::Add => half_two::<$t, Plus<f32>> as Block,
                ScalarOp::Sub => half_two::<$t, Minus<f32>>,
                ScalarOp::Mul => half_two::<$t, Times<f32>>,
                ScalarOp::Div => half_two::<$t, Over<f32>>,
                ScalarOp::Rem => half_two::<$t, Modulo<f32>>,
                ScalarOp::Pow => half_two::<$t, Raised<f32>>,
                ScalarOp::Max => half_two::<$t, Larger<f32>>,
                ScalarOp::Min => half_two::<$t, Smaller<f32>>,
                ScalarOp::Atan2 => half_two::<$t, Angle<f32>>,
                _ => return None,
            }
        };
    }
    Some(match dtype {
        Bool => return None,
        U8 => of!(u8),
        U32 => of!(u32),
        I32 => match code {
            ScalarOp::Add | ScalarOp::Sub | ScalarOp::Mul => return arithmetic(code, U32),
            ScalarOp::Div => two::<Over<i32>>,
            ScalarOp::Rem => two::<Modulo<i32>>,
            ScalarOp::Pow => two::<Raised<i32>>,
            ScalarOp::Max => two::<Larger<i32>>,
            ScalarOp::Min => two::<Smaller<i32>>,
            _ => return None,
        },
        I64 => of!(i64),
        F32 => of!(f32),
        F64 => of!(f64),
        F16 => of_half!(f16),
        BF16 => of_half!(bf16),
    })
}

fn bits(code: ScalarOp, dtype: DType) -> Option<Block> {
    macro_rules! of {
        ($t:ty) => {
            match code {
                ScalarOp::And => two::<Both<$t>> as Block,
                ScalarOp::Or => two::<Either<$t>>,
                ScalarOp::Xor => two::<OneOf<$t>>,
                ScalarOp::ShiftLeft => two::<Left<$t>>,
                _ => two::<Right<$t>>,
            }
        };
    }
    Some(match dtype {
        Bool | U8 => of!(u8),
        U32 => of!(u32),
        I32 => match code {
            ScalarOp::ShiftLeft => two::<Left<i32>>,
            ScalarOp::ShiftRight => two::<Right<i32>>,
            _ => return bits(code, U32),
        },
        I64 => of!(i64),
        _ => return None,
    })
}

fn cast(from: DType, to: DType) -> Option<Block> {
    macro_rules! to {
        ($b:ty) => {
            match from {
                Bool | U8 => one::<Converted<u8, $b>> as Block,
                U32 => one::<Converted<u32, $b>>,
                I32 => one::<Converted<i32, $b>>,
                I64 => one::<Converted<i64, $b>>,
                F32 => one::<Converted<f32, $b>>,
                F64 => one::<Converted<f64, $b>>,
                F16 | BF16 => return None,
            }
        };
    }
    Some(match (from, to) {
        (_, Bool) => each_number!(from, A => one::<NotZero<A>> as Block),
        _ if from == to => copy(to.size()),
        (F64, F16) => one::<Converted<f64, f16>>,
        (F64, BF16) => one::<Converted<f64, bf16>>,
        (_, U8) => to!(u8),
        (_, U32) => to!(u32),
        (_, I32) => to!(i32),
        (_, I64) => to!(i64),
        (_, F32) => to!(f32),
        (_, F64) => to!(f64),
        (_, F16 | BF16) => return None,
    })
}

/// A cast from or to halves, but that from `f64`: by way of `f32`, which holds all halves.
fn half_cast(from: DType, to: DType) -> Option<Entry> {
    let at = |dtype: DType| DType::ALL.iter().position(|&other| other == dtype).map(|at| at as i32);
    match (from, to) {
        _ if from == to || to == Bool => None,
        (F16, _) => Some((from_half::<f16>, at(to)?)),
        (BF16, _) => Some((from_half::<bf16>, at(to)?)),
        (F64, _) => None,
        (_, F16) => Some((to_half::<f16>, at(from)?)),
        (_, BF16) => Some((to_half::<bf16>, at(from)?)),
        _ => None,
    }
}

/// The cast to the dtype with this number in [`DType::ALL`].
///
/// # Safety
/// As [`Block`].
unsafe fn from_half<H: Half>(args: [*const u8; 3], out: *mut u8, count: usize, parameter: i32) {
    let to = DType::ALL[parameter as usize];
    let Some((cast, parameter)) = entry(ScalarOp::Cast, F32, to) else { unreachable!("there are all casts") };
    // SAFETY: the caller vouches for all of these; a piece of `out` begins after as many elements as that of the argument.
    unsafe {
        pieces::<H, 1>([args[0]], count, |wide, size, first| {
            cast(wide, out.add(first * to.size()), size, parameter);
        });
    }
}

/// The cast from the dtype with this number in [`DType::ALL`].
///
/// # Safety
/// As [`Block`].
unsafe fn to_half<H: Half>(args: [*const u8; 3], out: *mut u8, count: usize, parameter: i32) {
    let from = DType::ALL[parameter as usize];
    let Some((cast, parameter)) = entry(ScalarOp::Cast, from, F32) else {
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

/// Ones or zeros.
///
/// # Safety
/// As [`Block`].
unsafe fn filled<const VALUE: u8>(_args: [*const u8; 3], out: *mut u8, count: usize, _parameter: i32) {
    // SAFETY: the caller vouches for it.
    unsafe { write::<u8>(out, count) }.fill(VALUE);
}

fn clamp(dtype: DType) -> Option<Block> {
    Some(match dtype {
        Bool => return None,
        U8 => three::<Clamped<u8>>,
        U32 => three::<Clamped<u32>>,
        I32 => three::<Clamped<i32>>,
        I64 => three::<Clamped<i64>>,
        F32 => three::<Clamped<f32>>,
        F64 => three::<Clamped<f64>>,
        F16 => half_three::<f16, Clamped<f32>>,
        BF16 => half_three::<bf16, Clamped<f32>>,
    })
}

fn mul_add(dtype: DType) -> Option<Block> {
    Some(match dtype {
        Bool => return None,
        U8 => three::<TimesPlus<u8>>,
        U32 | I32 => three::<TimesPlus<u32>>,
        I64 => three::<TimesPlus<i64>>,
        F32 => three::<Fused<f32>>,
        F64 => three::<Fused<f64>>,
        // A product of two halves is exact in f32.
        F16 => half_three::<f16, TimesPlus<f32>>,
        BF16 => half_three::<bf16, TimesPlus<f32>>,
    })
}

fn power(dtype: DType, exponent: i32) -> Option<Block> {
    macro_rules! of {
        ($t:ty) => {
            match exponent {
                -1 => one::<Reciprocal<$t>> as Block,
                2 => one::<Square<$t>>,
                3 => one::<Cube<$t>>,
                _ => powers::<$t>,
            }
        };
    }
    Some(match dtype {
        Bool => return None,
        U8 => whole_powers::<u8>,
        U32 | I32 => whole_powers::<u32>,
        I64 => whole_powers::<i64>,
        F32 => of!(f32),
        F64 => of!(f64),
        F16 => half_power::<f16>,
        BF16 => half_power::<bf16>,
    })
}

fn not(dtype: DType) -> Option<Block> {
    Some(match dtype.size() {
        _ if dtype.is_float() => return None,
        1 => inverted::<1>,
        4 => inverted::<4>,
        _ => inverted::<8>,
    })
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

/// The function with this number in [`UnaryOp::ALL`].
///
/// # Safety
/// As [`Block`].
unsafe fn function<T: Real + bytemuck::Pod>(
    args: [*const u8; 3],
    out: *mut u8,
    count: usize,
    parameter: i32,
) {
    // SAFETY: the caller vouches for both.
    let (x, out) = unsafe { (read::<T>(args[0], count), write::<T>(out, count)) };
    UnaryOp::ALL[parameter as usize].map_piece(x, out);
}

/// # Safety
/// As [`Block`].
unsafe fn powers<T: Real + bytemuck::Pod>(args: [*const u8; 3], out: *mut u8, count: usize, parameter: i32) {
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

whole! { u8 u32 i64 }

/// # Safety
/// As [`Block`].
unsafe fn whole_powers<T: Whole>(args: [*const u8; 3], out: *mut u8, count: usize, parameter: i32) {
    // SAFETY: the caller vouches for both.
    let (x, out) = unsafe { (read::<T>(args[0], count), write::<T>(out, count)) };
    out.iter_mut().zip(x).for_each(|(out, x)| *out = x.raised(parameter.unsigned_abs()));
}
