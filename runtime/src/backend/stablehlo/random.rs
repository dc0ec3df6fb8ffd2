//! Random bits: Threefry-2x32 in the text, so that a key gives the same bits on every device.
//!
//! Source: J. Salmon, M. Moraes, R. Dror and D. Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011); an element's counter is its
//! position, as with JAX's `threefry_partitionable`.

use super::types::{Element, Type};
use super::value::Value;
use crate::array::{DType, Shape};
use crate::core::op::Draw;
use crate::error::Result;

/// The two words of each key `U32[.., 2]`.
pub(super) fn words(key: Value<'_>) -> [Value<'_>; 2] {
    let last = key.rank() - 1;
    [key.at(last, 0), key.at(last, 1)]
}

/// Keys `U32[.., 2]` of their words.
pub(super) fn key([a, b]: [Value<'_>; 2]) -> Value<'_> {
    let mut shape = a.shape();
    shape.push(1);
    let axis = shape.len() - 1;
    a.body().concatenate(&[a.reshape(&shape), b.reshape(&shape)], axis)
}

/// The block of each key at the counter (0, `count`); all of one shape.
pub(super) fn block<'b>([k0, k1]: [Value<'b>; 2], count: Value<'b>) -> Result<[Value<'b>; 2]> {
    let made = k0.body().call("threefry", &[k0, k1, count], |_, args| {
        let [k0, k1, count] = [args[0], args[1], args[2]];
        let schedule = [k0, k1, k0 ^ k1 ^ 0x1BD1_1BDA_u32];
        let (mut a, mut b) = (k0, count + k1);
        for group in 0..5usize {
            for rotation in [[13u32, 15, 26, 6], [17, 29, 16, 24]][group % 2] {
                a = a + b;
                let left = b.binary("shift_left", b.like(rotation));
                let right = b.binary("shift_right_logical", b.like(32 - rotation));
                b = (left | right) ^ a;
            }
            a = a + schedule[(group + 1) % 3];
            b = b + schedule[(group + 2) % 3] + (group + 1);
        }
        Ok(vec![a, b])
    })?;
    Ok([made[0], made[1]])
}

/// The blocks at each index of `shape`, for each key: words of shape `[keys.., shape..]`.
pub(super) fn blocks<'b>(keys: Value<'b>, shape: &[usize]) -> Result<[Value<'b>; 2]> {
    let lead: Shape = keys.shape()[..keys.rank() - 1].into();
    let all: Shape = lead.iter().chain(shape).copied().collect();
    let dims: Vec<usize> = (0..lead.len()).collect();
    let words = words(keys).map(|word| word.broadcast_in_dim(&all, &dims));
    let counts = keys.body().positions(shape, Element::U32).broadcast_to(&all);
    block(words, counts)
}

/// The 64 bits of two words, the first of which is the upper one.
pub(super) fn joined([high, low]: [Value<'_>; 2]) -> Value<'_> {
    let [high, low] = [high, low].map(|word| word.convert(Element::U64));
    high.binary("shift_left", high.like(32)) | low
}

/// Threefry's bits at each index of `shape`, for each key.
pub(super) fn bits<'b>(keys: Value<'b>, draw: Draw, shape: &[usize], out: &Type) -> Result<Value<'b>> {
    let blocks = blocks(keys, shape)?;
    Ok(match draw {
        Draw::Unit(dtype) => unit(blocks, dtype),
        Draw::Bits(64) => joined(blocks).bits_as(Element::I64),
        Draw::Bits(8 | 16) => {
            let width = if draw == Draw::Bits(8) { DType::U8 } else { DType::U16 };
            let word = blocks[0] ^ blocks[1];
            (word & mask(width)).convert(out.element)
        }
        Draw::Bits(_) => blocks[0] ^ blocks[1],
    })
}

fn mask(of: DType) -> u32 {
    (1 << (8 * of.size())) - 1
}

/// Floats in [0, 1) of the leading bits, as many as a mantissa has: they are put below the exponent of 1, which is then taken away.
pub(super) fn unit(block: [Value<'_>; 2], dtype: DType) -> Value<'_> {
    let (bits, shift, one, integer) = match dtype {
        DType::F64 => (joined(block), 12, 0x3FF0_0000_0000_0000_i64, Element::U64),
        DType::F32 => (block[0] ^ block[1], 9, 0x3F80_0000, Element::U32),
        DType::F16 => (lower_bits(block, DType::U16), 6, 0x3C00, Element::Of(DType::U16)),
        // As JAX: of eight bits, seven.
        _ => {
            let byte = (block[0] ^ block[1]) & mask(DType::U8);
            (byte.convert(Element::Of(DType::U16)), 1, 0x3F80, Element::Of(DType::U16))
        }
    };
    let mantissa = bits.binary("shift_right_logical", bits.like(shift));
    debug_assert_eq!(mantissa.element(), integer);
    let float = (mantissa | one).bits_as(Element::Of(dtype));
    float - 1.0
}

fn lower_bits(block: [Value<'_>; 2], of: DType) -> Value<'_> {
    ((block[0] ^ block[1]) & mask(of)).convert(Element::Of(of))
}

/// Each key becomes so many: `U32[.., count, 2]`.
pub(super) fn split(keys: Value<'_>, count: usize) -> Result<Value<'_>> {
    Ok(key(blocks(keys, &[count])?))
}

/// A key and a word of data become another key.
pub(super) fn fold_in<'b>(keys: Value<'b>, data: Value<'b>) -> Result<Value<'b>> {
    let words = words(keys);
    Ok(key(block(words, data.broadcast_to(words[0].shape()))?))
}
