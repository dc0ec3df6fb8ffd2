//! Tables of what the real JAX computed, of the folder `jax`; scripts in `golden/scripts` write them.

use flaxen::{DType, Tensor};
use half::{bf16, f16};
use num_complex::Complex32;
use serde_json::Value;

/// The table of a name.
///
/// # Panics
/// If it cannot be read.
pub fn table(name: &str) -> Value {
    let path = format!("{}/jax/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The dtype that a table names: `f32`, `bf16`, `bool`, ….
///
/// # Panics
/// If there is none of the name.
pub fn dtype(name: &str) -> DType {
    let named = DType::ALL.into_iter().find(|dtype| dtype.short_name() == name);
    named.unwrap_or_else(|| panic!("no dtype is called {name}"))
}

/// The bits of every element, row-major.
///
/// # Panics
/// If the tensor has no values.
pub fn bits(x: &Tensor) -> Vec<u64> {
    macro_rules! each {
        ($type:ty, $bits:expr) => {
            x.to_vec::<$type>().unwrap().into_iter().map($bits).collect()
        };
    }
    match x.dtype() {
        DType::Bool => each!(bool, u64::from),
        DType::U8 => each!(u8, u64::from),
        DType::U16 => each!(u16, u64::from),
        DType::U32 => each!(u32, u64::from),
        DType::I8 => each!(i8, |x| u64::from(x as u8)),
        DType::I16 => each!(i16, |x| u64::from(x as u16)),
        DType::I32 => each!(i32, |x| u64::from(x as u32)),
        DType::I64 => each!(i64, |x| x as u64),
        DType::F16 => each!(f16, |x| u64::from(x.to_bits())),
        DType::BF16 => each!(bf16, |x| u64::from(x.to_bits())),
        DType::F32 => each!(f32, |x| u64::from(x.to_bits())),
        DType::F64 => each!(f64, f64::to_bits),
        // The real part in the lower half.
        DType::C64 => each!(Complex32, |x| u64::from(x.im.to_bits()) << 32 | u64::from(x.re.to_bits())),
    }
}

/// The tensor of these bits, written in hexadecimal.
///
/// # Panics
/// If one is no number, or they do not fill the shape.
pub fn from_bits(texts: &[Value], dtype: DType, shape: &[usize]) -> Tensor {
    let words = texts.iter().map(|text| text.as_str().unwrap_or_else(|| panic!("{text} is no text")));
    from_words(words, dtype, shape)
}

/// As [`from_bits`], of plain texts.
///
/// # Panics
/// If one is no number, or they do not fill the shape.
pub fn from_words<'a>(words: impl Iterator<Item = &'a str>, dtype: DType, shape: &[usize]) -> Tensor {
    let bits =
        words.map(|text| u64::from_str_radix(text, 16).unwrap_or_else(|error| panic!("{text}: {error}")));
    macro_rules! of {
        ($number:expr) => {
            Tensor::from_vec_of(bits.map($number).collect::<Vec<_>>(), shape, dtype)
        };
    }
    match dtype {
        DType::Bool => of!(|x| x != 0),
        DType::U8 => of!(|x| x as u8),
        DType::U16 => of!(|x| x as u16),
        DType::U32 => of!(|x| x as u32),
        DType::I8 => of!(|x| x as u8 as i8),
        DType::I16 => of!(|x| x as u16 as i16),
        DType::I32 => of!(|x| x as u32 as i32),
        DType::I64 => of!(|x| x as i64),
        DType::F16 => of!(|x| f16::from_bits(x as u16)),
        DType::BF16 => of!(|x| bf16::from_bits(x as u16)),
        DType::F32 => of!(|x| f32::from_bits(x as u32)),
        DType::F64 => of!(f64::from_bits),
        DType::C64 => of!(|x| Complex32::new(f32::from_bits(x as u32), f32::from_bits((x >> 32) as u32))),
    }
}
