//! Constants: short numbers where one is everywhere, else the bytes of all in hexadecimal, which no printing rounds.

use std::fmt::Write;

use super::body::Body;
use super::types::{Element, Number, Type};
use super::value::Value;
use crate::array::{Array, DType};

impl Body<'_> {
    /// One number everywhere.
    pub(super) fn splat(&self, x: impl Into<Number>, of: &Type) -> Value<'_> {
        let text = if of.size() == 0 { String::new() } else { literal(x.into(), of.element) };
        self.constant_text(&text, of)
    }

    /// A scalar.
    pub(super) fn scalar(&self, x: impl Into<Number>, element: Element) -> Value<'_> {
        self.splat(x, &Type::scalar(element))
    }

    /// A captured array.
    pub(super) fn dense(&self, array: &Array) -> Value<'_> {
        self.dense_bytes(&Type::of(array.aval()), array.bytes())
    }

    /// Integers, one for each element.
    pub(super) fn integers(&self, shape: &[usize], numbers: impl IntoIterator<Item = i64>) -> Value<'_> {
        let bytes: Vec<u8> = numbers.into_iter().flat_map(i64::to_le_bytes).collect();
        self.dense_bytes(&Type::new(Element::I64, shape), &bytes)
    }

    /// The bytes of all elements, in the order of this machine, which MLIR takes for little-endian ones.
    pub(super) fn dense_bytes(&self, of: &Type, bytes: &[u8]) -> Value<'_> {
        let size = of.element.bits() / 8;
        let first = &bytes[..size.min(bytes.len())];
        // Where all elements are alike, one stands for them.
        let shown = if bytes.chunks_exact(size.max(1)).all(|other| other == first) { first } else { bytes };
        if shown.is_empty() {
            return self.constant_text("", of);
        }
        if of.element.is_bool() && shown.len() == 1 {
            return self.constant_text(if shown[0] == 0 { "false" } else { "true" }, of);
        }
        let mut text = String::with_capacity(2 * shown.len() + 4);
        text.push_str("\"0x");
        for byte in shown {
            let _ = write!(text, "{byte:02X}");
        }
        text.push('"');
        self.constant_text(&text, of)
    }

    /// 0, 1, 2, … along an axis.
    pub(super) fn iota(&self, of: Type, axis: usize) -> Value<'_> {
        let element = of.element;
        // StableHLO counts neither in booleans nor in the real parts of complex numbers alike everywhere.
        let counted = match element {
            _ if element.is_bool() => Element::I32,
            _ if element.is_complex() => Element::F32,
            other => other,
        };
        let attribute = format!("iota_dimension = {axis} : i64");
        let count = self.op("iota", &[], &attribute, of.with_element(counted));
        match element {
            _ if element.is_bool() => count.ne(count.like(0)),
            _ if element.is_complex() => count.complex(count.like(0.0)),
            _ => count,
        }
    }

    /// Several values one behind another.
    pub(super) fn concatenate<'b>(&'b self, parts: &[Value<'b>], axis: usize) -> Value<'b> {
        let mut of = parts[0].ty();
        of.shape[axis] = parts.iter().map(|part| part.shape()[axis]).sum();
        self.op("concatenate", parts, &format!("dimension = {axis} : i64"), of)
    }

    /// An index for each element of a shape: where it is in row-major order.
    pub(super) fn positions(&self, shape: &[usize], element: Element) -> Value<'_> {
        let size: usize = shape.iter().product();
        self.iota(Type::new(element, [size]), 0).reshape(shape)
    }
}

/// The text of a number: floats as bits, so that infinities and NaN are numbers like others.
fn literal(x: Number, element: Element) -> String {
    let float = match x {
        Number::Float(x) => x,
        Number::Int(x) => x as f64,
    };
    match element {
        Element::Of(DType::F64) => format!("0x{:016X}", float.to_bits()),
        Element::Of(DType::F32) => format!("0x{:08X}", (float as f32).to_bits()),
        Element::Of(DType::F16) => format!("0x{:04X}", crate::scalar::rounding::f16_of_f64(float).to_bits()),
        Element::Of(DType::BF16) => {
            format!("0x{:04X}", crate::scalar::rounding::bf16_of_f64(float).to_bits())
        }
        Element::Of(DType::C64) => format!("(0x{:08X}, 0x00000000)", (float as f32).to_bits()),
        Element::Of(DType::Bool) => (if float == 0.0 { "false" } else { "true" }).to_owned(),
        _ => integer(x, element).to_string(),
    }
}

/// The integer that a number becomes: cut off, and kept within the range.
fn integer(x: Number, element: Element) -> i128 {
    let x = match x {
        Number::Int(x) => x,
        Number::Float(x) => x as i128,
    };
    match (element.least(), element.greatest()) {
        (Number::Int(low), Number::Int(high)) => x.clamp(low, high),
        _ => x,
    }
}
