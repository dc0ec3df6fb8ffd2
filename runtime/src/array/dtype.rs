//! Element types, and which one a mixed operation has.

use std::fmt;

use bytemuck::Pod;
use half::{bf16, f16};
use num_complex::Complex32;

/// The type of a tensor's elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum DType {
    /// True or false, a byte each.
    Bool,
    /// Unsigned 8-bit integers.
    U8,
    /// Unsigned 16-bit integers.
    U16,
    /// Unsigned 32-bit integers, also the words of random keys.
    U32,
    /// Signed 8-bit integers.
    I8,
    /// Signed 16-bit integers.
    I16,
    /// Signed 32-bit integers, the default for indices.
    I32,
    /// Signed 64-bit integers.
    I64,
    /// IEEE half precision.
    F16,
    /// The upper half of an `F32`.
    BF16,
    /// IEEE single precision, the default.
    F32,
    /// IEEE double precision.
    F64,
    /// Complex numbers: a real and an imaginary part, each an `F32`; see [`Tensor::complex`](crate::Tensor::complex).
    C64,
}

/// From small to large: what a mixture of two kinds becomes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Bool,
    Integer,
    Float,
    Complex,
}

impl DType {
    /// The least and the greatest of integers of less than 64 bits.
    pub(crate) fn narrow_range(self) -> Option<[i64; 2]> {
        match self {
            DType::U8 => Some([0, u8::MAX.into()]),
            DType::U16 => Some([0, u16::MAX.into()]),
            DType::U32 => Some([0, u32::MAX.into()]),
            DType::I8 => Some([i8::MIN.into(), i8::MAX.into()]),
            DType::I16 => Some([i16::MIN.into(), i16::MAX.into()]),
            DType::I32 => Some([i32::MIN.into(), i32::MAX.into()]),
            _ => None,
        }
    }

    /// Whether it is one of the integers that kernels which look at numbers are given as `I32`.
    pub(crate) const fn is_short_integer(self) -> bool {
        matches!(self, DType::I8 | DType::I16 | DType::U16)
    }

    /// Every dtype, in order of promotion.
    pub const ALL: [DType; 13] = [
        DType::Bool,
        DType::U8,
        DType::U16,
        DType::U32,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::F16,
        DType::BF16,
        DType::F32,
        DType::F64,
        DType::C64,
    ];

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            DType::Bool | DType::U8 | DType::I8 => 1,
            DType::U16 | DType::I16 | DType::F16 | DType::BF16 => 2,
            DType::U32 | DType::I32 | DType::F32 => 4,
            DType::I64 | DType::F64 | DType::C64 => 8,
        }
    }

    /// Bytes of what has an order of bytes: an element, or a part of a complex one.
    #[cfg_attr(not(any(feature = "io", feature = "serde")), allow(dead_code))]
    pub(crate) const fn word(self) -> usize {
        if self.is_complex() { 4 } else { self.size() }
    }

    /// The name NumPy and JAX print: `float32`.
    pub const fn name(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::U8 => "uint8",
            DType::U16 => "uint16",
            DType::U32 => "uint32",
            DType::I8 => "int8",
            DType::I16 => "int16",
            DType::I32 => "int32",
            DType::I64 => "int64",
            DType::F16 => "float16",
            DType::BF16 => "bfloat16",
            DType::F32 => "float32",
            DType::F64 => "float64",
            DType::C64 => "complex64",
        }
    }

    /// The short name of printed graphs: `f32`.
    pub const fn short_name(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::U8 => "u8",
            DType::U16 => "u16",
            DType::U32 => "u32",
            DType::I8 => "i8",
            DType::I16 => "i16",
            DType::I32 => "i32",
            DType::I64 => "i64",
            DType::F16 => "f16",
            DType::BF16 => "bf16",
            DType::F32 => "f32",
            DType::F64 => "f64",
            DType::C64 => "c64",
        }
    }

    /// True for `F16`, `BF16`, `F32` and `F64`.
    pub const fn is_float(self) -> bool {
        matches!(self, DType::F16 | DType::BF16 | DType::F32 | DType::F64)
    }

    /// True for `C64`.
    pub const fn is_complex(self) -> bool {
        matches!(self, DType::C64)
    }

    /// True for floats and complex numbers: the dtypes that have gradients.
    pub const fn is_inexact(self) -> bool {
        self.is_float() || self.is_complex()
    }

    /// True for the integers, signed or not; false for `Bool`.
    pub const fn is_integer(self) -> bool {
        matches!(self.kind(), Kind::Integer)
    }

    /// True for `U8`, `U16` and `U32`.
    pub const fn is_unsigned(self) -> bool {
        matches!(self, DType::U8 | DType::U16 | DType::U32)
    }

    pub(crate) const fn kind(self) -> Kind {
        match self {
            DType::Bool => Kind::Bool,
            DType::F16 | DType::BF16 | DType::F32 | DType::F64 => Kind::Float,
            DType::C64 => Kind::Complex,
            _ => Kind::Integer,
        }
    }

    /// The dtype functions of real and complex numbers compute in: itself, or `F32` for integers and booleans.
    pub const fn to_inexact(self) -> DType {
        if self.is_inexact() { self } else { DType::F32 }
    }

    /// The dtype of a mixture, as JAX defines it: `promote(I32, F16)` is `F16`, `promote(BF16, F16)` is `F32`.
    ///
    /// Unlike JAX without 64-bit mode, `U32` with a signed integer is `I64`; unlike JAX with it, `F64` with `C64` is `C64`, since there are
    /// no complex numbers of 128 bits here.
    pub fn promote(self, other: DType) -> DType {
        use DType::{BF16, F16, F32, I8, I16, I32, I64, U8, U16, U32};
        let (low, high) = if self <= other { (self, other) } else { (other, self) };
        match (low, high) {
            _ if low == high => low,
            // The least signed integers that hold both.
            (U8, I8) => I16,
            (U16, I8 | I16) => I32,
            (U32, I8 | I16 | I32) => I64,
            (F16, BF16) => F32,
            // Otherwise the order of the variants is the order of promotion.
            _ => high,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that can be an element of a tensor.
///
/// Implemented for `f32 f64 bf16 f16 i8 i16 i32 i64 u8 u16 u32 bool` and [`Complex32`].
pub trait Element:
    sealed::Sealed + Copy + fmt::Debug + fmt::Display + PartialEq + Send + Sync + 'static
{
    /// The dtype of tensors of this type.
    const DTYPE: DType;
    /// How it is stored: itself, or a byte for `bool`.
    #[doc(hidden)]
    type Storage: Pod + Send + Sync;
    #[doc(hidden)]
    fn store(self) -> Self::Storage;
    #[doc(hidden)]
    fn load(stored: Self::Storage) -> Self;
    /// The type of 32 bits in the place of one of 64.
    #[doc(hidden)]
    type Narrow: Element;
    /// Rounded if it is a float; None for an integer that does not fit.
    #[doc(hidden)]
    fn narrow(self) -> Option<Self::Narrow>;
}

macro_rules! elements {
    ($($type:ty => $dtype:ident, $narrow:ty = |$x:ident| $narrowed:expr;)*) => {
        $(impl sealed::Sealed for $type {}
        impl Element for $type {
            const DTYPE: DType = DType::$dtype;
            type Storage = $type;
            type Narrow = $narrow;
            fn store(self) -> $type {
                self
            }
            fn load(stored: $type) -> $type {
                stored
            }
            fn narrow(self) -> Option<$narrow> {
                let $x = self;
                $narrowed
            }
        })*
    };
}

elements! {
    f32 => F32, f32 = |x| Some(x);
    f64 => F64, f32 = |x| Some(x as f32);
    bf16 => BF16, bf16 = |x| Some(x);
    f16 => F16, f16 = |x| Some(x);
    i8 => I8, i8 = |x| Some(x);
    i16 => I16, i16 = |x| Some(x);
    i32 => I32, i32 = |x| Some(x);
    i64 => I64, i32 = |x| i32::try_from(x).ok();
    u16 => U16, u16 = |x| Some(x);
    u32 => U32, u32 = |x| Some(x);
    u8 => U8, u8 = |x| Some(x);
    Complex32 => C64, Complex32 = |x| Some(x);
}

impl sealed::Sealed for bool {}

impl Element for bool {
    const DTYPE: DType = DType::Bool;
    type Storage = u8;
    type Narrow = bool;
    fn store(self) -> u8 {
        u8::from(self)
    }
    fn narrow(self) -> Option<bool> {
        Some(self)
    }
    fn load(stored: u8) -> bool {
        stored != 0
    }
}

/// Runs an expression with `$t` bound to the storage type of a dtype (`Bool` is stored as `u8`).
///
/// `I8`, `I16` and `U16` have no arm: kernels that look at numbers are given them as `I32` (`ops::in_wider`), so that there is no
/// instance of each for three more dtypes; and `C64` has none, because such kernels compare, or are of reals.
macro_rules! dispatch {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::DType::Bool | $crate::DType::U8 => {
                type $t = u8;
                $body
            }
            $crate::DType::U32 => {
                type $t = u32;
                $body
            }
            $crate::DType::I32 => {
                type $t = i32;
                $body
            }
            $crate::DType::I64 => {
                type $t = i64;
                $body
            }
            $crate::DType::F16 => {
                type $t = ::half::f16;
                $body
            }
            $crate::DType::BF16 => {
                type $t = ::half::bf16;
                $body
            }
            $crate::DType::F32 => {
                type $t = f32;
                $body
            }
            $crate::DType::F64 => {
                type $t = f64;
                $body
            }
            other => unreachable!("{other} has no loops here"),
        }
    };
}

/// As `dispatch`, for the floats only; the others are a bug of the caller.
macro_rules! dispatch_float {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F16 => {
                type $t = ::half::f16;
                $body
            }
            $crate::DType::BF16 => {
                type $t = ::half::bf16;
                $body
            }
            $crate::DType::F32 => {
                type $t = f32;
                $body
            }
            $crate::DType::F64 => {
                type $t = f64;
                $body
            }
            other => unreachable!("a float kernel was given {other}"),
        }
    };
}

/// As `dispatch`, for the floats and `i64`, which other integers are widened to where they are rare.
macro_rules! dispatch_wide {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::DType::I64 => {
                type $t = i64;
                $body
            }
            float => $crate::array::dtype::dispatch_float!(float, $t => $body),
        }
    };
}

/// As `dispatch_wide`, and for integers of 32 bits where they are only added and multiplied: signed ones wrap around as unsigned
/// ones do.
macro_rules! dispatch_ring {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::DType::U32 | $crate::DType::I32 => {
                type $t = u32;
                $body
            }
            wide => $crate::array::dtype::dispatch_wide!(wide, $t => $body),
        }
    };
}

/// As `dispatch`, for code that only moves elements: all dtypes of one width share it.
macro_rules! dispatch_width {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $crate::DType::size($dtype) {
            1 => {
                type $t = u8;
                $body
            }
            2 => {
                type $t = u16;
                $body
            }
            4 => {
                type $t = u32;
                $body
            }
            _ => {
                type $t = u64;
                $body
            }
        }
    };
}

pub(crate) use dispatch;
pub(crate) use dispatch_float;
pub(crate) use dispatch_ring;
pub(crate) use dispatch_wide;
pub(crate) use dispatch_width;

#[cfg(test)]
mod tests {
    use super::DType::{self, *};

    #[test]
    fn promotion_is_commutative_and_idempotent() {
        for a in DType::ALL {
            assert_eq!(a.promote(a), a);
            for b in DType::ALL {
                assert_eq!(a.promote(b), b.promote(a));
            }
        }
    }

    #[test]
    fn promotion_follows_the_lattice_of_jax() {
        for (a, b, c) in [
            (Bool, U8, U8),
            (U8, I32, I32),
            (U8, I8, I16),
            (U16, I8, I32),
            (U16, I16, I32),
            (U16, U8, U16),
            (U32, I8, I64),
            (U32, I32, I64),
            (I64, F16, F16),
            (F16, BF16, F32),
            (BF16, F32, F32),
            (F32, F64, F64),
        ] {
            assert_eq!(a.promote(b), c, "{a} {b}");
        }
    }
}
