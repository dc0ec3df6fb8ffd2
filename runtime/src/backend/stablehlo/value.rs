//! Values, and the operations that formulas are made of.

use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Sub};

use super::body::Body;
use super::types::{Element, Number, Type, array};
use crate::array::Shape;

/// A value of a function that is written.
#[derive(Clone, Copy)]
pub(super) struct Value<'b> {
    body: &'b Body<'b>,
    id: u32,
}

impl<'b> Value<'b> {
    pub(super) fn new(body: &'b Body<'_>, id: u32) -> Value<'b> {
        Value { body, id }
    }

    pub(super) fn body(&self) -> &'b Body<'b> {
        self.body
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    pub(super) fn name(&self) -> String {
        self.body.name_of(self.id)
    }

    pub(super) fn ty(&self) -> Type {
        self.body.type_of(self.id)
    }

    pub(super) fn element(&self) -> Element {
        self.ty().element
    }

    pub(super) fn shape(&self) -> Shape {
        self.ty().shape
    }

    pub(super) fn rank(&self) -> usize {
        self.ty().rank()
    }

    /// The number everywhere, in the type of this value.
    pub(super) fn like(self, x: impl Into<Number>) -> Value<'b> {
        self.body.splat(x, &self.ty())
    }

    /// An operation of one operand that keeps its type.
    pub(super) fn unary(self, op: &str) -> Value<'b> {
        self.body.uniform(op, &[self])
    }

    /// An operation of two operands that keeps their type.
    pub(super) fn binary(self, op: &str, other: Value<'b>) -> Value<'b> {
        self.body.uniform(op, &[self, other])
    }

    pub(super) fn max(self, other: Value<'b>) -> Value<'b> {
        self.binary("maximum", other)
    }

    pub(super) fn min(self, other: Value<'b>) -> Value<'b> {
        self.binary("minimum", other)
    }

    pub(super) fn compare(self, direction: &str, other: Value<'b>) -> Value<'b> {
        let of = self.ty().with_element(Element::BOOL);
        let attribute = format!("comparison_direction = #stablehlo<comparison_direction {direction}>");
        self.body.op("compare", &[self, other], &attribute, of)
    }

    pub(super) fn lt(self, other: Value<'b>) -> Value<'b> {
        self.compare("LT", other)
    }

    pub(super) fn le(self, other: Value<'b>) -> Value<'b> {
        self.compare("LE", other)
    }

    pub(super) fn gt(self, other: Value<'b>) -> Value<'b> {
        self.compare("GT", other)
    }

    pub(super) fn ge(self, other: Value<'b>) -> Value<'b> {
        self.compare("GE", other)
    }

    pub(super) fn eq(self, other: Value<'b>) -> Value<'b> {
        self.compare("EQ", other)
    }

    pub(super) fn ne(self, other: Value<'b>) -> Value<'b> {
        self.compare("NE", other)
    }

    /// Where this, of booleans, is true, one value, else the other.
    pub(super) fn select(self, then: Value<'b>, otherwise: Value<'b>) -> Value<'b> {
        self.body.op("select", &[self, then, otherwise], "", then.ty())
    }

    /// As `stablehlo.convert`: floats to nearest, floats to integers cut off.
    pub(super) fn convert(self, element: Element) -> Value<'b> {
        if self.element() == element {
            return self;
        }
        self.body.op("convert", &[self], "", self.ty().with_element(element))
    }

    /// The same bits as another element of the same size.
    pub(super) fn bits_as(self, element: Element) -> Value<'b> {
        if self.element() == element {
            return self;
        }
        self.body.op("bitcast_convert", &[self], "", self.ty().with_element(element))
    }

    pub(super) fn reshape(self, shape: impl AsRef<[usize]>) -> Value<'b> {
        if self.shape()[..] == *shape.as_ref() {
            return self;
        }
        self.body.op("reshape", &[self], "", self.ty().with_shape(shape))
    }

    /// Axis `i` of this becomes axis `dims[i]` of the result.
    pub(super) fn broadcast_in_dim(self, shape: impl AsRef<[usize]>, dims: &[usize]) -> Value<'b> {
        let attribute = format!("broadcast_dimensions = {}", array(dims));
        self.body.op("broadcast_in_dim", &[self], &attribute, self.ty().with_shape(shape))
    }

    /// Repeated along axes of size 1 and new axes in front.
    pub(super) fn broadcast_to(self, shape: impl AsRef<[usize]>) -> Value<'b> {
        let shape = shape.as_ref();
        if self.shape()[..] == *shape {
            return self;
        }
        let dims: Vec<usize> = (shape.len() - self.rank()..shape.len()).collect();
        self.broadcast_in_dim(shape, &dims)
    }

    /// Axis `i` of the result is axis `axes[i]` of this.
    pub(super) fn transpose(self, axes: &[usize]) -> Value<'b> {
        if axes.iter().enumerate().all(|(at, &axis)| at == axis) {
            return self;
        }
        let of = self.ty();
        let shape: Shape = axes.iter().map(|&axis| of.shape[axis]).collect();
        self.body.op("transpose", &[self], &format!("permutation = {}", array(axes)), of.with_shape(shape))
    }

    pub(super) fn reverse(self, axes: &[usize]) -> Value<'b> {
        self.body.op("reverse", &[self], &format!("dimensions = {}", array(axes)), self.ty())
    }

    /// Along each axis, from a start to before a limit in steps.
    pub(super) fn slice(self, starts: &[usize], limits: &[usize], strides: &[usize]) -> Value<'b> {
        let of = self.ty();
        let sizes = starts.iter().zip(limits).zip(strides);
        let shape: Shape =
            sizes.map(|((&start, &limit), &stride)| (limit - start).div_ceil(stride)).collect();
        if shape == of.shape {
            return self;
        }
        let [starts, limits, strides] = [starts, limits, strides].map(array);
        let attributes = format!("start_indices = {starts}, limit_indices = {limits}, strides = {strides}");
        self.body.op("slice", &[self], &attributes, of.with_shape(shape))
    }

    /// From a start to before a limit along one axis.
    pub(super) fn part(self, axis: usize, start: usize, limit: usize) -> Value<'b> {
        let shape = self.shape();
        let (mut starts, mut limits) = (vec![0; shape.len()], shape.to_vec());
        (starts[axis], limits[axis]) = (start, limit);
        self.slice(&starts, &limits, &vec![1; shape.len()])
    }

    /// The element at a place along an axis, which the result is without.
    pub(super) fn at(self, axis: usize, place: usize) -> Value<'b> {
        let part = self.part(axis, place, place + 1);
        let mut shape = part.shape();
        shape.remove(axis);
        part.reshape(shape)
    }

    /// A scalar around and between the elements: low, high and interior padding of each axis.
    pub(super) fn pad(self, value: Value<'b>, padding: &[(isize, isize, usize)]) -> Value<'b> {
        if padding.iter().all(|&axis| axis == (0, 0, 0)) {
            return self;
        }
        let of = self.ty();
        let sizes = of.shape.iter().zip(padding).map(|(&size, &(low, high, interior))| {
            (size as isize + low + high + (size.saturating_sub(1) * interior) as isize) as usize
        });
        let shape: Shape = sizes.collect();
        let low = array(padding.iter().map(|axis| axis.0));
        let high = array(padding.iter().map(|axis| axis.1));
        let interior = array(padding.iter().map(|axis| axis.2));
        let attributes =
            format!("edge_padding_low = {low}, edge_padding_high = {high}, interior_padding = {interior}");
        self.body.op("pad", &[self, value], &attributes, of.with_shape(shape))
    }

    /// Complex numbers of this and their imaginary parts.
    pub(super) fn complex(self, imaginary: Value<'b>) -> Value<'b> {
        let of = self.ty().with_element(Element::Of(crate::array::DType::C64));
        self.body.op("complex", &[self, imaginary], "", of)
    }

    /// The real part of complex numbers.
    pub(super) fn real(self) -> Value<'b> {
        self.body.op("real", &[self], "", self.ty().with_element(Element::F32))
    }

    /// The imaginary part of complex numbers.
    pub(super) fn imag(self) -> Value<'b> {
        self.body.op("imag", &[self], "", self.ty().with_element(Element::F32))
    }
}

macro_rules! operator {
    ($($trait:ident $method:ident $op:literal;)*) => { $(
        impl<'b> $trait for Value<'b> {
            type Output = Value<'b>;

            fn $method(self, other: Value<'b>) -> Value<'b> {
                self.binary($op, other)
            }
        }

        impl<'b, N: Into<Number>> $trait<N> for Value<'b> {
            type Output = Value<'b>;

            fn $method(self, other: N) -> Value<'b> {
                self.binary($op, self.like(other))
            }
        }
    )* };
}

operator! {
    Add add "add";
    Sub sub "subtract";
    Mul mul "multiply";
    Div div "divide";
    BitAnd bitand "and";
    BitOr bitor "or";
    BitXor bitxor "xor";
}

impl<'b> Neg for Value<'b> {
    type Output = Value<'b>;

    fn neg(self) -> Value<'b> {
        self.unary("negate")
    }
}

impl<'b> Not for Value<'b> {
    type Output = Value<'b>;

    fn not(self) -> Value<'b> {
        self.unary("not")
    }
}
