//! Rows in order. NaN is greater than all numbers, and zeros are equal.

use super::indexing::PLACES;
use super::types::Type;
use super::value::Value;
use crate::error::Result;
use crate::kernels::sort::SortOrder;

/// Whether the first of two comes before the second in ascending order.
pub(super) fn before<'b>(x: Value<'b>, y: Value<'b>) -> Value<'b> {
    let less = x.lt(y);
    if x.element().is_float() { less | (x.eq(x) & y.ne(y)) } else { less }
}

/// Sorts rows by the first operand; the others go along. Of equals the first stays first.
pub(super) fn sort<'b>(operands: &[Value<'b>], order: SortOrder) -> Result<Vec<Value<'b>>> {
    let body = operands[0].body();
    let types: Vec<Type> = operands.iter().map(Value::ty).collect();
    let pairs: Vec<Type> =
        types.iter().flat_map(|of| [Type::scalar(of.element), Type::scalar(of.element)]).collect();
    let region = body.region(&pairs, |args| {
        Ok(vec![match order {
            SortOrder::Ascending => before(args[0], args[1]),
            SortOrder::Descending => before(args[1], args[0]),
        }])
    })?;
    let attributes = format!("dimension = {} : i64, is_stable = true", operands[0].rank() - 1);
    Ok(body.generic("stablehlo.sort", operands, &attributes, &[region], types))
}

/// The sorted rows.
pub(super) fn sorted(x: Value<'_>, order: SortOrder) -> Result<Value<'_>> {
    let ascending = sort(&[x], SortOrder::Ascending)?[0];
    Ok(match order {
        SortOrder::Ascending => ascending,
        SortOrder::Descending => ascending.reverse(&[x.rank() - 1]),
    })
}

/// The sorted rows, and where each element was.
pub(super) fn sorted_pairs(x: Value<'_>, order: SortOrder) -> Result<[Value<'_>; 2]> {
    let last = x.rank() - 1;
    let places = x.body().iota(x.ty().with_element(PLACES), last);
    let both = sort(&[x, places], order)?;
    Ok([both[0], both[1]])
}
