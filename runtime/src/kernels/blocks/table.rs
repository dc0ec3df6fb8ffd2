//! The dispatch table: which loop computes which function for which dtype.

use half::{bf16, f16};

use super::halves::{PIECE, half_compare, half_function, half_power, half_three, half_two, pieces};
use super::loops::{
    Abs, Add, And, Atan2, Block, Cast, Clamp, Cube, Div, Eq, IsFinite, IsInf, IsNan, Le, LogAddExp, Lt, Max,
    Min, Mul, MulAdd, MulThenAdd, Ne, Neg, NotZero, Or, Pow, Reciprocal, Relu, Rem, Select, ShiftLeft,
    ShiftRight, Sign, Square, Sub, Xor, one, read, swapped, three, two, with_number, with_rows, write,
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
        ScalarOp::Function(UnaryOp::Abs) => signed(from, SignOp::Abs)?,
        ScalarOp::Function(UnaryOp::Sign) => signed(from, SignOp::Sign)?,
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
        ScalarOp::Neg => signed(from, SignOp::Neg)?,
        ScalarOp::Relu => signed(from, SignOp::Relu)?,
        ScalarOp::IsFinite => signed(from, SignOp::IsFinite)?,
        ScalarOp::IsNan => signed(from, SignOp::IsNan)?,
        ScalarOp::IsInf => signed(from, SignOp::IsInf)?,
        ScalarOp::Not => return Some((not(from)?, i32::from(from != Bool))),
        ScalarOp::Select => match from.size() {
            1 => three::<Select<u8>>,
            2 => three::<Select<u16>>,
            4 => three::<Select<u32>>,
            _ => three::<Select<u64>>,
        },
        ScalarOp::Clamp => clamp(from)?,
        ScalarOp::MulAdd => mul_add(from)?,
        ScalarOp::LogAddExp => match from {
            F32 => two::<LogAddExp<f32>>,
            F64 => two::<LogAddExp<f64>>,
            F16 => half_two::<f16, LogAddExp<f32>>,
            BF16 => half_two::<bf16, LogAddExp<f32>>,
            _ => return None,
        },
        ScalarOp::Eq | ScalarOp::Ne | ScalarOp::Lt | ScalarOp::Le | ScalarOp::Gt | ScalarOp::Ge => {
            compare(code, from)
        }
        ScalarOp::And | ScalarOp::Or | ScalarOp::Xor | ScalarOp::ShiftLeft | ScalarOp::ShiftRight => {
            bits(code, from)?
        }
        // Booleans are bytes of 0 and 1, so their sum is "or" and their product "and".
        ScalarOp::Add | ScalarOp::Max if from == Bool => two::<Or<u8>>,
        ScalarOp::Mul | ScalarOp::Min if from == Bool => two::<And<u8>>,
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
        ScalarOp::Add => of!(Add),
        ScalarOp::Sub => of!(Sub),
        ScalarOp::Mul => of!(Mul),
        ScalarOp::Div => of!(Div),
        ScalarOp::Max => of!(Max),
        ScalarOp::Min => of!(Min),
        ScalarOp::Lt => of!(Lt),
        ScalarOp::Le => of!(Le),
        ScalarOp::Gt => of!(swapped Lt),
        ScalarOp::Ge => of!(swapped Le),
        _ => return None,
    })
}

enum SignOp {
    Neg,
    Abs,
    Sign,
    Relu,
    IsFinite,
    IsNan,
    IsInf,
}

macro_rules! each_number {
    ($dtype:expr, $t:ident => $body:expr) => {
        crate::array::dtype::dispatch!($dtype, $t => $body)
    };
}

fn signed(dtype: DType, what: SignOp) -> Option<Block> {
    if !dtype.is_float() {
        match what {
            SignOp::IsFinite => return Some(filled::<1>),
            SignOp::IsNan | SignOp::IsInf => return Some(filled::<0>),
            _ => {}
        }
    }
    Some(each_number!(dtype, T => match what {
        SignOp::Neg => one::<Neg<T>> as Block,
        SignOp::Abs => one::<Abs<T>>,
        SignOp::Sign => one::<Sign<T>>,
        SignOp::Relu => one::<Relu<T>>,
        questions => return question(dtype, &questions),
    }))
}

/// A question that only floats have two answers to.
fn question(dtype: DType, what: &SignOp) -> Option<Block> {
    Some(crate::array::dtype::dispatch_float!(dtype, T => match what {
        SignOp::IsFinite => one::<IsFinite<T>> as Block,
        SignOp::IsNan => one::<IsNan<T>>,
        _ => one::<IsInf<T>>,
    }))
}

fn compare(code: ScalarOp, dtype: DType) -> Block {
    macro_rules! of {
        ($t:ty) => {
            match code {
                ScalarOp::Eq => two::<Eq<$t>> as Block,
                ScalarOp::Ne => two::<Ne<$t>>,
                ScalarOp::Lt => two::<Lt<$t>>,
                ScalarOp::Le => two::<Le<$t>>,
                ScalarOp::Gt => swapped::<Lt<$t>>,
                _ => swapped::<Le<$t>>,
            }
        };
    }
    macro_rules! of_half {
        ($t:ty) => {
            match code {
                ScalarOp::Eq => half_compare::<$t, Eq<f32>, false> as Block,
                ScalarOp::Ne => half_compare::<$t, Ne<f32>, false>,
                ScalarOp::Lt => half_compare::<$t, Lt<f32>, false>,
                ScalarOp::Le => half_compare::<$t, Le<f32>, false>,
                ScalarOp::Gt => half_compare::<$t, Lt<f32>, true>,
                _ => half_compare::<$t, Le<f32>, true>,
            }
        };
    }
    match dtype {
        Bool | U8 => of!(u8),
        U32 => of!(u32),
        I32 => match code {
            ScalarOp::Eq | ScalarOp::Ne => compare(code, U32),
            ScalarOp::Lt => two::<Lt<i32>>,
            ScalarOp::Le => two::<Le<i32>>,
            ScalarOp::Gt => swapped::<Lt<i32>>,
            _ => swapped::<Le<i32>>,
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
                ScalarOp::Add => two::<Add<$t>> as Block,
                ScalarOp::Sub => two::<Sub<$t>>,
                ScalarOp::Mul => two::<Mul<$t>>,
                ScalarOp::Div => two::<Div<$t>>,
                ScalarOp::Rem => two::<Rem<$t>>,
                ScalarOp::Pow => two::<Pow<$t>>,
                ScalarOp::Max => two::<Max<$t>>,
                ScalarOp::Min => two::<Min<$t>>,
                ScalarOp::Atan2 if dtype.is_float() => two::<Atan2<$t>>,
                _ => return None,
            }
        };
    }
    macro_rules! of_half {
        ($t:ty) => {
            match code {
                ScalarOp::Add => half_two::<$t, Add<f32>> as Block,
                ScalarOp::Sub => half_two::<$t, Sub<f32>>,
                ScalarOp::Mul => half_two::<$t, Mul<f32>>,
                ScalarOp::Div => half_two::<$t, Div<f32>>,
                ScalarOp::Rem => half_two::<$t, Rem<f32>>,
                ScalarOp::Pow => half_two::<$t, Pow<f32>>,
                ScalarOp::Max => half_two::<$t, Max<f32>>,
                ScalarOp::Min => half_two::<$t, Min<f32>>,
                ScalarOp::Atan2 => half_two::<$t, Atan2<f32>>,
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
            ScalarOp::Div => two::<Div<i32>>,
            ScalarOp::Rem => two::<Rem<i32>>,
            ScalarOp::Pow => two::<Pow<i32>>,
            ScalarOp::Max => two::<Max<i32>>,
            ScalarOp::Min => two::<Min<i32>>,
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
                ScalarOp::And => two::<And<$t>> as Block,
                ScalarOp::Or => two::<Or<$t>>,
                ScalarOp::Xor => two::<Xor<$t>>,
                ScalarOp::ShiftLeft => two::<ShiftLeft<$t>>,
                _ => two::<ShiftRight<$t>>,
            }
        };
    }
    Some(match dtype {
        Bool | U8 => of!(u8),
        U32 => of!(u32),
        I32 => match code {
            ScalarOp::ShiftLeft => two::<ShiftLeft<i32>>,
            ScalarOp::ShiftRight => two::<ShiftRight<i32>>,
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
                Bool | U8 => one::<Cast<u8, $b>> as Block,
                U32 => one::<Cast<u32, $b>>,
                I32 => one::<Cast<i32, $b>>,
                I64 => one::<Cast<i64, $b>>,
                F32 => one::<Cast<f32, $b>>,
                F64 => one::<Cast<f64, $b>>,
                F16 | BF16 => return None,
            }
        };
    }
    Some(match (from, to) {
        (_, Bool) => each_number!(from, A => one::<NotZero<A>> as Block),
        _ if from == to => copy(to.size()),
        (F64, F16) => one::<Cast<f64, f16>>,
        (F64, BF16) => one::<Cast<f64, bf16>>,
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
        U8 => three::<Clamp<u8>>,
        U32 => three::<Clamp<u32>>,
        I32 => three::<Clamp<i32>>,
        I64 => three::<Clamp<i64>>,
        F32 => three::<Clamp<f32>>,
        F64 => three::<Clamp<f64>>,
        F16 => half_three::<f16, Clamp<f32>>,
        BF16 => half_three::<bf16, Clamp<f32>>,
    })
}

fn mul_add(dtype: DType) -> Option<Block> {
    Some(match dtype {
        Bool => return None,
        U8 => three::<MulThenAdd<u8>>,
        U32 | I32 => three::<MulThenAdd<u32>>,
        I64 => three::<MulThenAdd<i64>>,
        F32 => three::<MulAdd<f32>>,
        F64 => three::<MulAdd<f64>>,
        // A product of two halves is exact in f32.
        F16 => half_three::<f16, MulThenAdd<f32>>,
        BF16 => half_three::<bf16, MulThenAdd<f32>>,
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
