//! Python's operators.

use flaxen::prelude::*;

use super::value::{Py, lock};

fn fail<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::msg(message))
}

fn number(value: &Py) -> Option<f64> {
    match value {
        Py::Whole(number) => Some(*number as f64),
        Py::Number(number) => Some(*number),
        Py::Truth(truth) => Some(f64::from(u8::from(*truth))),
        _ => None,
    }
}

fn whole(value: &Py) -> Option<i64> {
    match value {
        Py::Whole(number) => Some(*number),
        Py::Truth(truth) => Some(i64::from(*truth)),
        _ => None,
    }
}

/// `-x`, `+x`, `~x`, `not x`.
pub fn unary(operator: &str, value: &Py) -> Result<Py> {
    Ok(match (operator, value) {
        ("not", value) => Py::Truth(!value.truth()?),
        ("-", Py::Whole(number)) => Py::Whole(-number),
        ("-", Py::Number(number)) => Py::Number(-number),
        ("-", Py::Tensor(x)) => Py::Tensor(x.try_neg()?),
        ("~", Py::Tensor(x)) => Py::Tensor(x.try_logical_not()?),
        ("~", Py::Whole(number)) => Py::Whole(!number),
        ("+", value) => value.clone(),
        (operator, value) => return fail(format!("`{operator}` of {}", value.kind())),
    })
}

/// What a value is beside arrays; a number to the left of an operator is as weak as one to its right.
fn beside(value: &Py, tensor: &Tensor) -> Result<Tensor> {
    match value {
        Py::Whole(number) => tensor.zeros_like().try_add(*number),
        Py::Number(number) => tensor.zeros_like().try_add(*number),
        other => other.tensor(),
    }
}

/// `left operator right`.
pub fn binary(operator: &str, left: &Py, right: &Py) -> Result<Py> {
    if let (Py::Variable(variable), _) = (left, right) {
        return binary(operator, &Py::of_tree(&variable.try_get()?)?, right);
    }
    if let Py::Variable(variable) = right {
        return binary(operator, left, &Py::of_tree(&variable.try_get()?)?);
    }
    if let ("@", Py::Tensor(x), Py::Tensor(y)) = (operator, left, right) {
        return Ok(Py::Tensor(x.try_matmul(y)?));
    }
    if let (Py::Tensor(x), right) = (left, right) {
        return Ok(Py::Tensor(match right {
            Py::Whole(number) => of_tensors(operator, x, *number)?,
            Py::Number(number) => of_tensors(operator, x, *number)?,
            other => of_tensors(operator, x, &other.tensor()?)?,
        }));
    }
    if let Py::Tensor(y) = right {
        return Ok(Py::Tensor(of_tensors(operator, &beside(left, y)?, y)?));
    }
    if let (Some(a), Some(b)) = (whole(left), whole(right))
        && let Some(out) = of_whole(operator, a, b)
    {
        return Ok(out);
    }
    if let (Some(a), Some(b)) = (number(left), number(right)) {
        return of_numbers(operator, a, b).map(Py::Number);
    }
    match (operator, left, right) {
        ("+", Py::Text(a), Py::Text(b)) => Ok(Py::text(&format!("{a}{b}"))),
        ("+", Py::Tuple(_), Py::Tuple(_)) => Ok(Py::tuple([left.items()?, right.items()?].concat())),
        ("+", Py::List(_), Py::List(_)) => Ok(Py::list([left.items()?, right.items()?].concat())),
        ("*", Py::Tuple(_), Py::Whole(count)) => Ok(Py::tuple(repeated(&left.items()?, *count))),
        ("*", Py::List(_), Py::Whole(count)) => Ok(Py::list(repeated(&left.items()?, *count))),
        ("*", Py::Whole(_), Py::Tuple(_) | Py::List(_)) => binary("*", right, left),
        ("%", Py::Text(text), value) => {
            Ok(Py::text(&text.replacen("%d", &value.written(), 1).replacen("%s", &value.written(), 1)))
        }
        _ => fail(format!("`{operator}` of {} and {}", left.kind(), right.kind())),
    }
}

fn repeated(items: &[Py], count: i64) -> Vec<Py> {
    (0..count).flat_map(|_| items.iter().cloned()).collect()
}

fn of_tensors(operator: &str, x: &Tensor, y: impl TensorLike) -> Result<Tensor> {
    match operator {
        "+" => x.try_add(y),
        "-" => x.try_sub(y),
        "*" => x.try_mul(y),
        "/" => x.try_div(y),
        "//" => x.try_floor_divide(y),
        "%" => x.try_remainder(y),
        "**" => x.try_pow(y),
        "&" => x.try_bitand(y),
        "|" => x.try_bitor(y),
        "^" => x.try_bitxor(y),
        "==" => x.try_eq(y),
        "!=" => x.try_ne(y),
        "<" => x.try_lt(y),
        "<=" => x.try_le(y),
        ">" => x.try_gt(y),
        ">=" => x.try_ge(y),
        _ => fail(format!("`{operator}` of arrays")),
    }
}

fn of_whole(operator: &str, a: i64, b: i64) -> Option<Py> {
    Some(Py::Whole(match operator {
        "+" => a.checked_add(b)?,
        "-" => a.checked_sub(b)?,
        "*" => a.checked_mul(b)?,
        "//" => a.checked_div_euclid(b).filter(|_| b > 0)?,
        "%" => a.checked_rem_euclid(b).filter(|_| b > 0)?,
        "**" if b >= 0 => a.checked_pow(u32::try_from(b).ok()?)?,
        "<<" => a.checked_shl(u32::try_from(b).ok()?)?,
        ">>" => a.checked_shr(u32::try_from(b).ok()?)?,
        "&" => a & b,
        "|" => a | b,
        _ => return None,
    }))
}

fn of_numbers(operator: &str, a: f64, b: f64) -> Result<f64> {
    Ok(match operator {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        "/" => a / b,
        "//" => (a / b).floor(),
        "%" => a - b * (a / b).floor(),
        "**" => a.powf(b),
        _ => return fail(format!("`{operator}` of numbers")),
    })
}

/// `left operator right` of comparisons, `in` and `is`.
pub fn compare(operator: &str, left: &Py, right: &Py) -> Result<Py> {
    let is_array = |value: &Py| matches!(value, Py::Tensor(_) | Py::Variable(_));
    let negated = |truth: bool| Py::Truth(truth != matches!(operator, "is not" | "not in" | "!="));
    match operator {
        "is" | "is not" => return Ok(negated(left.equals(right))),
        "in" | "not in" => {
            let found = match (left, right) {
                (Py::Text(part), Py::Text(text)) => text.contains(&**part),
                (key, Py::Dict(entries)) => lock(entries).iter().any(|(other, _)| key.equals(other)),
                (item, list) => list.items()?.iter().any(|other| item.equals(other)),
            };
            return Ok(negated(found));
        }
        _ => {}
    }
    if is_array(left) || is_array(right) {
        if matches!(left, Py::Nothing) || matches!(right, Py::Nothing) {
            return Ok(negated(false));
        }
        return binary(operator, left, right);
    }
    if matches!(operator, "==" | "!=") {
        return Ok(negated(left.equals(right)));
    }
    let order = match (left, right, number(left), number(right)) {
        (_, _, Some(a), Some(b)) => a.partial_cmp(&b),
        (Py::Text(a), Py::Text(b), ..) => Some(a.cmp(b)),
        _ => return fail(format!("`{operator}` of {} and {}", left.kind(), right.kind())),
    };
    Ok(Py::Truth(order.is_some_and(|order| match operator {
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    })))
}
