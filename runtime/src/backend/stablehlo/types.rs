//! Types of values in the text: an element and a shape.

use std::fmt;

use crate::array::{Aval, DType, Shape};

/// The type of an element: that of a dtype, or one that no tensor has, which only steps in between have.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Element {
    /// Of a dtype.
    Of(DType),
    /// Unsigned integers of 64 bits.
    U64,
}

impl Element {
    pub(super) const BOOL: Element = Element::Of(DType::Bool);
    pub(super) const I32: Element = Element::Of(DType::I32);
    pub(super) const I64: Element = Element::Of(DType::I64);
    pub(super) const U32: Element = Element::Of(DType::U32);
    pub(super) const F32: Element = Element::Of(DType::F32);
    pub(super) const F64: Element = Element::Of(DType::F64);

    /// The name in StableHLO.
    pub(super) fn name(self) -> &'static str {
        match self {
            Element::U64 => "ui64",
            Element::Of(dtype) => match dtype {
                DType::Bool => "i1",
                DType::U8 => "ui8",
                DType::U16 => "ui16",
                DType::U32 => "ui32",
                DType::I8 => "i8",
                DType::I16 => "i16",
                DType::I32 => "i32",
                DType::I64 => "i64",
                DType::F16 => "f16",
                DType::BF16 => "bf16",
                DType::F32 => "f32",
                DType::F64 => "f64",
                DType::C64 => "complex<f32>",
            },
        }
    }

    pub(super) fn is_bool(self) -> bool {
        self == Element::BOOL
    }

    pub(super) fn is_float(self) -> bool {
        matches!(self, Element::Of(dtype) if dtype.is_float())
    }

    pub(super) fn is_complex(self) -> bool {
        matches!(self, Element::Of(dtype) if dtype.is_complex())
    }

    /// Of 16 bits: sums are carried in single precision.
    pub(super) fn is_half(self) -> bool {
        matches!(self, Element::Of(DType::F16 | DType::BF16))
    }

    pub(super) fn is_unsigned(self) -> bool {
        match self {
            Element::U64 => true,
            Element::Of(dtype) => dtype.is_unsigned(),
        }
    }

    /// True for integers, not for booleans.
    pub(super) fn is_integer(self) -> bool {
        match self {
            Element::U64 => true,
            Element::Of(dtype) => dtype.is_integer(),
        }
    }

    /// Bits of an element in memory.
    pub(super) fn bits(self) -> usize {
        match self {
            Element::U64 => 64,
            Element::Of(dtype) => 8 * dtype.size(),
        }
    }

    /// What sums and products are carried in.
    pub(super) fn accumulator(self) -> Element {
        if self.is_half() { Element::F32 } else { self }
    }

    /// The least number: minus infinity of floats.
    pub(super) fn least(self) -> Number {
        self.extreme(true)
    }

    /// The greatest number: infinity of floats.
    pub(super) fn greatest(self) -> Number {
        self.extreme(false)
    }

    fn extreme(self, least: bool) -> Number {
        let bits = self.bits() as u32;
        match self {
            _ if self.is_float() => Number::Float(if least { f64::NEG_INFINITY } else { f64::INFINITY }),
            _ if self.is_bool() => Number::Int(i128::from(!least)),
            _ if self.is_unsigned() => Number::Int(if least { 0 } else { (1 << bits) - 1 }),
            _ => Number::Int(if least { -(1 << (bits - 1)) } else { (1 << (bits - 1)) - 1 }),
        }
    }
}

/// A number in the source of the lowering, before it has the type of a value.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Number {
    /// Rounded to the float, or cut off to the integer, that it becomes.
    Float(f64),
    /// An integer, which 64 bits of either kind hold.
    Int(i128),
}

impl From<f64> for Number {
    fn from(x: f64) -> Number {
        Number::Float(x)
    }
}

impl From<i32> for Number {
    fn from(x: i32) -> Number {
        Number::Int(x.into())
    }
}

impl From<u32> for Number {
    fn from(x: u32) -> Number {
        Number::Int(x.into())
    }
}

impl From<i64> for Number {
    fn from(x: i64) -> Number {
        Number::Int(x.into())
    }
}

impl From<usize> for Number {
    fn from(x: usize) -> Number {
        Number::Int(x as i128)
    }
}

/// Element and shape of a value.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Type {
    pub(super) element: Element,
    pub(super) shape: Shape,
}

impl Type {
    pub(super) fn new(element: Element, shape: impl AsRef<[usize]>) -> Type {
        Type { element, shape: shape.as_ref().into() }
    }

    pub(super) fn of(aval: &Aval) -> Type {
        Type { element: Element::Of(aval.dtype), shape: aval.shape.clone() }
    }

    pub(super) fn scalar(element: Element) -> Type {
        Type::new(element, [])
    }

    pub(super) fn rank(&self) -> usize {
        self.shape.len()
    }

    pub(super) fn size(&self) -> usize {
        self.shape.iter().product()
    }

    pub(super) fn with_element(&self, element: Element) -> Type {
        Type { element, shape: self.shape.clone() }
    }

    pub(super) fn with_shape(&self, shape: impl AsRef<[usize]>) -> Type {
        Type::new(self.element, shape)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tensor<")?;
        for size in &self.shape {
            write!(f, "{size}x")?;
        }
        write!(f, "{}>", self.element.name())
    }
}

/// A list of types as the type of a function has it: `(tensor<f32>, tensor<2xi1>)`.
pub(super) fn listed<'a>(types: impl IntoIterator<Item = &'a Type>) -> String {
    let all: Vec<String> = types.into_iter().map(Type::to_string).collect();
    format!("({})", all.join(", "))
}

/// `array<i64: 1, 2>`, as attributes have it.
pub(super) fn array<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if all.is_empty() { "array<i64>".to_owned() } else { format!("array<i64: {}>", all.join(", ")) }
}

/// `[1, 2]`, as attributes have it.
pub(super) fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    format!("[{}]", all.join(", "))
}
