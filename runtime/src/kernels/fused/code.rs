//! What a fused kernel can compute of each element, as data.

use crate::kernels::math::UnaryOp;

/// A function of the elements of up to three arguments.
///
/// Unless said otherwise all arguments and the result have one dtype.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The element itself.
    Copy,
    /// The element in the dtype of the result.
    Cast,
    /// A function of floats; magnitude and sign are those of integers, too.
    Function(UnaryOp),
    /// The opposite number.
    Neg,
    /// `not` of booleans or of bits.
    Not,
    /// The number, or 0 where that is larger.
    Relu,
    /// Whether it is neither infinite nor NaN; gives booleans.
    IsFinite,
    /// Whether it is NaN; gives booleans.
    IsNan,
    /// Whether it is infinite; gives booleans.
    IsInf,
    /// The power with this exponent.
    Power(i32),
    /// The sum; of booleans, whether any is true.
    Add,
    /// The difference.
    Sub,
    /// The product; of booleans, whether both are true.
    Mul,
    /// The quotient.
    Div,
    /// What a quotient truncated towards zero leaves.
    Rem,
    /// The first to the power of the second.
    Pow,
    /// The larger, NaN if either is.
    Max,
    /// The smaller, NaN if either is.
    Min,
    /// The angle of the point (second, first).
    Atan2,
    /// And of booleans or bits.
    And,
    /// Or of booleans or bits.
    Or,
    /// Exclusive or of booleans or bits.
    Xor,
    /// Bits moved towards the more significant end.
    ShiftLeft,
    /// Bits moved towards the less significant end.
    ShiftRight,
    /// The logarithm of the sum of exponentials.
    LogAddExp,
    /// Whether the two are equal; gives booleans.
    Eq,
    /// Whether the two differ; gives booleans.
    Ne,
    /// Whether the first is less; gives booleans.
    Lt,
    /// Whether the first is less or equal; gives booleans.
    Le,
    /// Whether the first is greater; gives booleans.
    Gt,
    /// Whether the first is greater or equal; gives booleans.
    Ge,
    /// The second where the first, a boolean, is true, else the third.
    Select,
    /// The second, kept between the first and the third.
    Clamp,
    /// The product of the first two, plus the third, in one rounding where the dtype has one.
    MulAdd,
}

impl Code {
    /// The rough cost for one element, in the units of [`threads::split`](crate::kernels::threads::split).
    pub fn cost(self) -> usize {
        match self {
            Code::Function(op) => op.cost(),
            Code::Div => 4,
            Code::LogAddExp => 10,
            Code::Rem => 16,
            Code::Pow | Code::Atan2 => 32,
            _ => 1,
        }
    }
}

/// What many elements of a row, or of a column, become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Folding {
    /// Their sum.
    Sum,
    /// Their product.
    Prod,
    /// The largest, NaN if there is one.
    Max,
    /// The smallest, NaN if there is one.
    Min,
}
