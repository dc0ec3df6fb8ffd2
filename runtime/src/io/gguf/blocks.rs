//! Blocks of quantised numbers, as ggml has them: `ggml-common.h` says what lies where, `ggml-quants.c` what it stands for.

use half::f16;

use crate::array::DType;

/// How the numbers of a tensor are stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Plain(DType),
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q4K,
    Q5K,
    Q6K,
}

/// A kind by its number in a file, or the name of one that is not read.
pub(super) fn kind(number: u32) -> Result<Kind, String> {
    Ok(match number {
        0 => Kind::Plain(DType::F32),
        1 => Kind::Plain(DType::F16),
        2 => Kind::Q4_0,
        3 => Kind::Q4_1,
        6 => Kind::Q5_0,
        7 => Kind::Q5_1,
        8 => Kind::Q8_0,
        12 => Kind::Q4K,
        13 => Kind::Q5K,
        14 => Kind::Q6K,
        24 => Kind::Plain(DType::I8),
        25 => Kind::Plain(DType::I16),
        26 => Kind::Plain(DType::I32),
        27 => Kind::Plain(DType::I64),
        28 => Kind::Plain(DType::F64),
        30 => Kind::Plain(DType::BF16),
        other => {
            let name = OTHERS.iter().find(|(number, _)| *number == other).map(|(_, name)| *name);
            return Err(name.map_or_else(|| format!("number {other}"), str::to_owned));
        }
    })
}

/// Kinds that are not read, and their numbers.
const OTHERS: [(u32, &str); 18] = [
    (9, "Q8_1"),
    (10, "Q2_K"),
    (11, "Q3_K"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (29, "IQ1_M"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
    (40, "NVFP4"),
    (41, "Q1_0"),
];

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Plain(DType::F32) => "F32",
            Kind::Plain(DType::F16) => "F16",
            Kind::Plain(DType::BF16) => "BF16",
            Kind::Plain(DType::F64) => "F64",
            Kind::Plain(DType::I8) => "I8",
            Kind::Plain(DType::I16) => "I16",
            Kind::Plain(DType::I32) => "I32",
            Kind::Plain(DType::I64) => "I64",
            Kind::Plain(other) => other.name(),
            Kind::Q4_0 => "Q4_0",
            Kind::Q4_1 => "Q4_1",
            Kind::Q5_0 => "Q5_0",
            Kind::Q5_1 => "Q5_1",
            Kind::Q8_0 => "Q8_0",
            Kind::Q4K => "Q4_K",
            Kind::Q5K => "Q5_K",
            Kind::Q6K => "Q6_K",
        }
    }

    /// The dtype of the numbers in memory, unless another one is asked for.
    pub fn dtype(self) -> DType {
        match self {
            Kind::Plain(dtype) => dtype,
            _ => DType::F32,
        }
    }

    /// Numbers in a block, all of one row.
    pub fn numbers(self) -> usize {
        match self {
            Kind::Plain(_) => 1,
            Kind::Q4_0 | Kind::Q4_1 | Kind::Q5_0 | Kind::Q5_1 | Kind::Q8_0 => SMALL,
            Kind::Q4K | Kind::Q5K | Kind::Q6K => LARGE,
        }
    }

    /// Bytes of a block.
    pub fn bytes(self) -> usize {
        match self {
            Kind::Plain(dtype) => dtype.size(),
            Kind::Q4_0 => 2 + SMALL / 2,
            Kind::Q4_1 => 4 + SMALL / 2,
            Kind::Q5_0 => 2 + SMALL / 8 + SMALL / 2,
            Kind::Q5_1 => 4 + SMALL / 8 + SMALL / 2,
            Kind::Q8_0 => 2 + SMALL,
            Kind::Q4K => 4 + SCALES + LARGE / 2,
            Kind::Q5K => 4 + SCALES + LARGE / 8 + LARGE / 2,
            Kind::Q6K => LARGE / 2 + LARGE / 4 + LARGE / 16 + 2,
        }
    }

    /// The numbers of whole blocks; of plain ones only floats of at most 32 bits.
    pub fn dequantise(self, from: &[u8], into: &mut [f32]) {
        fn each<const BYTES: usize>(from: &[u8], into: &mut [f32], value: impl Fn([u8; BYTES]) -> f32) {
            from.as_chunks().0.iter().zip(into).for_each(|(&bytes, into)| *into = value(bytes));
        }
        let block: fn(&[u8], &mut [f32]) = match self {
            Kind::Plain(DType::F16) => {
                return each(from, into, |bytes| f16::from_le_bytes(bytes).to_f32());
            }
            Kind::Plain(DType::BF16) => {
                return each(from, into, |bytes| half::bf16::from_le_bytes(bytes).to_f32());
            }
            Kind::Plain(_) => return each(from, into, f32::from_le_bytes),
            Kind::Q4_0 => q4_0,
            Kind::Q4_1 => q4_1,
            Kind::Q5_0 => q5_0,
            Kind::Q5_1 => q5_1,
            Kind::Q8_0 => q8_0,
            Kind::Q4K => q4_k,
            Kind::Q5K => q5_k,
            Kind::Q6K => q6_k,
        };
        for (from, into) in from.chunks_exact(self.bytes()).zip(into.chunks_exact_mut(self.numbers())) {
            block(from, into);
        }
    }
}

/// Numbers of a block of the first kinds, and of a block of the later ones, `QK_K`.
const SMALL: usize = 32;
const LARGE: usize = 256;
/// Bytes of eight scales and eight offsets of 6 bits.
const SCALES: usize = 12;

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// A scale, then the lower halves of all bytes, then the upper ones; eight is zero.
fn q4_0(block: &[u8], into: &mut [f32]) {
    let d = half_at(block, 0);
    let (low, high) = into.split_at_mut(SMALL / 2);
    for ((&byte, low), high) in block[2..].iter().zip(low).zip(high) {
        *low = d * (f32::from(byte & 15) - 8.0);
        *high = d * (f32::from(byte >> 4) - 8.0);
    }
}

/// A scale and the least value.
fn q4_1(block: &[u8], into: &mut [f32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    let (low, high) = into.split_at_mut(SMALL / 2);
    for ((&byte, low), high) in block[4..].iter().zip(low).zip(high) {
        *low = d * f32::from(byte & 15) + m;
        *high = d * f32::from(byte >> 4) + m;
    }
}

/// As in [`q4_0`], with a fifth bit of each number in a word of 32 bits; sixteen is zero.
fn q5_0(block: &[u8], into: &mut [f32]) {
    let d = half_at(block, 0);
    five(&block[2..], into);
    into.iter_mut().for_each(|value| *value = d * (*value - 16.0));
}

fn q5_1(block: &[u8], into: &mut [f32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    five(&block[4..], into);
    into.iter_mut().for_each(|value| *value = d * *value + m);
}

/// Numbers of five bits.
fn five(block: &[u8], into: &mut [f32]) {
    let (fifth, rest) = block.split_at(SMALL / 8);
    let bit = |i: usize| (fifth[i / 8] >> (i % 8) & 1) << 4;
    for (i, &byte) in rest.iter().enumerate() {
        into[i] = f32::from(byte & 15 | bit(i));
        into[i + SMALL / 2] = f32::from(byte >> 4 | bit(i + SMALL / 2));
    }
}

/// A scale, and numbers of a byte with a sign.
fn q8_0(block: &[u8], into: &mut [f32]) {
    let d = half_at(block, 0);
    for (&byte, into) in block[2..].iter().zip(into) {
        *into = f32::from(byte as i8) * d;
    }
}

/// The scale and the offset of eight parts, of 6 bits each: of the first four in the lower bits of eight bytes; of the last four in
/// four bytes, and in the upper bits that are left of the eight.
fn scale_and_offset(scales: &[u8], part: usize) -> (f32, f32) {
    let (scale, offset) = if part < 4 {
        (scales[part] & 63, scales[part + 4] & 63)
    } else {
        let low = scales[part + 4];
        (low & 15 | scales[part - 4] >> 6 << 4, low >> 4 | scales[part] >> 6 << 4)
    };
    (f32::from(scale), f32::from(offset))
}

fn q4_k(block: &[u8], into: &mut [f32]) {
    parts(block, &block[4 + SCALES..], into, |_, _| 0);
}

/// As in [`q4_k`], with the fifth bit of each number of a part in one bit of 32 bytes.
fn q5_k(block: &[u8], into: &mut [f32]) {
    let (fifth, rest) = block[4 + SCALES..].split_at(LARGE / 8);
    parts(block, rest, into, |part, i| (fifth[i] >> part & 1) << 4);
}

/// Eight parts of 32 numbers with a scale and an offset each; two parts are the lower and the upper halves of 32 bytes.
fn parts(block: &[u8], numbers: &[u8], into: &mut [f32], fifth: impl Fn(usize, usize) -> u8) {
    let (d, least) = (half_at(block, 0), half_at(block, 2));
    let scales = &block[4..4 + SCALES];
    for (part, into) in into.chunks_exact_mut(SMALL).enumerate() {
        let (scale, offset) = scale_and_offset(scales, part);
        let (scale, offset) = (d * scale, least * offset);
        let bytes = &numbers[part / 2 * SMALL..][..SMALL];
        for (i, (&byte, into)) in bytes.iter().zip(into).enumerate() {
            let four = if part % 2 == 0 { byte & 15 } else { byte >> 4 };
            *into = scale * f32::from(four | fifth(part, i)) - offset;
        }
    }
}

/// Two halves of four parts of 32 numbers each, with a scale of a byte for each 16 numbers; 32 is zero. Of each number four bits lie in
/// 64 bytes, whose lower halves are those of two parts and whose upper halves those of two more, and two bits in 32 bytes.
fn q6_k(block: &[u8], into: &mut [f32]) {
    let (low, rest) = block.split_at(LARGE / 2);
    let (high, rest) = rest.split_at(LARGE / 4);
    let (scales, d) = rest.split_at(LARGE / 16);
    let d = half_at(d, 0);
    for (i, into) in into.iter_mut().enumerate() {
        let (of_half, part, at) = (i / 128, i / 32 % 4, i % 32);
        let byte = low[of_half * 64 + part % 2 * 32 + at];
        let four = if part < 2 { byte & 15 } else { byte >> 4 };
        let two = high[of_half * 32 + at] >> (2 * part) & 3;
        let number = f32::from(four | two << 4) - 32.0;
        *into = d * f32::from(scales[i / 16] as i8) * number;
    }
}
