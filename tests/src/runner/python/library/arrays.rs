//! `jax.numpy`.

use flaxen::prelude::*;
use flaxen::{PadMode, try_einsum};

use crate::runner::python::reader::Reader;
use crate::runner::python::value::Py;

/// Calls a function of arrays; None if it is unknown.
///
/// # Errors
/// If an argument does not fit.
pub fn call(name: &str, reader: &mut Reader<'_>) -> Result<Option<Py>> {
    if let Some(out) = elementwise(name, reader)? {
        return Ok(Some(Py::Tensor(out)));
    }
    if let Some(out) = reduction(name, reader)? {
        return Ok(Some(Py::Tensor(out)));
    }
    if let Some(out) = creation(name, reader)? {
        return Ok(Some(Py::Tensor(out)));
    }
    arrangement(name, reader)
}

fn elementwise(name: &str, reader: &mut Reader<'_>) -> Result<Option<Tensor>> {
    macro_rules! of_one {
        ($method:ident) => {
            reader.tensor(0, "x")?.$method()?
        };
    }
    macro_rules! of_two {
        ($method:ident) => {
            reader.tensor(0, "x1")?.$method(&reader.tensor(1, "x2")?)?
        };
    }
    Ok(Some(match name {
        "abs" | "absolute" | "fabs" => of_one!(try_abs),
        "negative" => of_one!(try_neg),
        "exp" => of_one!(try_exp),
        "expm1" => of_one!(try_expm1),
        "log" => of_one!(try_log),
        "log1p" => of_one!(try_log1p),
        "sqrt" => of_one!(try_sqrt),
        "rsqrt" => of_one!(try_rsqrt),
        "square" => of_one!(try_square),
        "reciprocal" => of_one!(try_reciprocal),
        "sin" => of_one!(try_sin),
        "cos" => of_one!(try_cos),
        "tan" => of_one!(try_tan),
        "tanh" => of_one!(try_tanh),
        "sinh" => of_one!(try_sinh),
        "cosh" => of_one!(try_cosh),
        "arctan" => of_one!(try_atan),
        "erf" => of_one!(try_erf),
        "sign" => of_one!(try_sign),
        "floor" => of_one!(try_floor),
        "ceil" => of_one!(try_ceil),
        "round" => of_one!(try_round),
        "isnan" => of_one!(try_is_nan),
        "isfinite" => of_one!(try_is_finite),
        "isinf" => of_one!(try_is_inf),
        "logical_not" => reader.tensor(0, "x")?.try_cast(DType::Bool)?.try_logical_not()?,
        "add" => of_two!(try_add),
        "subtract" => of_two!(try_sub),
        "multiply" | "mul" => of_two!(try_mul),
        "divide" | "true_divide" | "div" => of_two!(try_div),
        "floor_divide" => of_two!(try_floor_divide),
        "mod" | "remainder" => of_two!(try_remainder),
        "power" | "pow" => of_two!(try_pow),
        "maximum" => of_two!(try_maximum),
        "minimum" => of_two!(try_minimum),
        "logaddexp" => of_two!(try_logaddexp),
        "equal" => of_two!(try_eq),
        "not_equal" => of_two!(try_ne),
        "less" => of_two!(try_lt),
        "less_equal" => of_two!(try_le),
        "greater" => of_two!(try_gt),
        "greater_equal" => of_two!(try_ge),
        "logical_and" => of_two!(try_bitand),
        "logical_or" => of_two!(try_bitor),
        "logical_xor" => of_two!(try_bitxor),
        "clip" => clip(reader)?,
        _ => return Ok(None),
    }))
}

fn clip(reader: &mut Reader<'_>) -> Result<Tensor> {
    let x = reader.tensor(0, "x")?;
    let low = reader.some(1, "min").or_else(|| reader.some(1, "a_min"));
    let high = reader.some(2, "max").or_else(|| reader.some(2, "a_max"));
    let x = low.map_or(Ok(x.clone()), |low| x.try_maximum(&low.tensor()?))?;
    high.map_or(Ok(x.clone()), |high| x.try_minimum(&high.tensor()?))
}

fn reduction(name: &str, reader: &mut Reader<'_>) -> Result<Option<Tensor>> {
    let keeps = |reader: &mut Reader<'_>| -> Result<bool> { Ok(reader.get(9, "keepdims")?.unwrap_or(false)) };
    macro_rules! reduce {
        ($all:ident $some:ident $keep:ident $(, $option:expr)?) => {{
            let (x, axes, keeps) = (reader.tensor(0, "a")?, reader.axes(1, "axis")?, keeps(reader)?);
            match (axes, keeps) {
                (None, false) => {
                    let all: Vec<isize> = (0..x.rank() as isize).collect();
                    x.$some(all $(, $option)?)?
                }
                (Some(axes), false) => x.$some(axes $(, $option)?)?,
                (axes, true) => {
                    let axes = axes.unwrap_or_else(|| (0..x.rank() as isize).collect());
                    x.$keep(axes $(, $option)?)?
                }
            }
        }};
    }
    Ok(Some(match name {
        "sum" => reduce!(try_sum try_sum_axes try_sum_keep),
        "mean" => reduce!(try_mean try_mean_axes try_mean_keep),
        "prod" => reduce!(try_prod try_prod_axes try_prod_keep),
        "max" | "amax" => reduce!(try_max try_max_axes try_max_keep),
        "min" | "amin" => reduce!(try_min try_min_axes try_min_keep),
        "any" => reduce!(try_any try_any_axes try_any_keep),
        "all" => reduce!(try_all try_all_axes try_all_keep),
        "logsumexp" => reduce!(try_logsumexp try_logsumexp_axes try_logsumexp_keep),
        "count_nonzero" => reduce!(try_count_nonzero try_count_nonzero_axes try_count_nonzero_keep),
        "var" => {
            let ddof = reader.get::<usize>(4, "ddof")?.unwrap_or(0);
            reduce!(try_var try_var_axes try_var_keep, ddof)
        }
        "std" => {
            let ddof = reader.get::<usize>(4, "ddof")?.unwrap_or(0);
            reduce!(try_std try_std_axes try_std_keep, ddof)
        }
        "norm" => {
            let order = reader.get::<f64>(9, "ord")?.unwrap_or(2.0);
            reduce!(try_norm try_norm_axes try_norm_keep, order)
        }
        "argmax" | "argmin" => {
            let x = reader.tensor(0, "a")?;
            let (x, axis) = match reader.get::<isize>(1, "axis")? {
                Some(axis) => (x, axis),
                None => (x.try_reshape([x.size()])?, 0),
            };
            if name == "argmax" { x.try_argmax(axis)? } else { x.try_argmin(axis)? }
        }
        "cumsum" | "cumprod" => {
            let x = reader.tensor(0, "a")?;
            let (x, axis) = match reader.get::<isize>(1, "axis")? {
                Some(axis) => (x, axis),
                None => (x.try_reshape([x.size()])?, 0),
            };
            if name == "cumsum" { x.try_cumsum(axis)? } else { x.try_cumprod(axis)? }
        }
        _ => return Ok(None),
    }))
}

fn creation(name: &str, reader: &mut Reader<'_>) -> Result<Option<Tensor>> {
    let dtype_at = |reader: &mut Reader<'_>, position| reader.get::<DType>(position, "dtype");
    Ok(Some(match name {
        "zeros" | "ones" | "empty" => {
            let shape = reader.sizes(0, "shape")?;
            let dtype = dtype_at(reader, 1)?.unwrap_or(DType::F32);
            if name == "ones" { Tensor::ones_of(shape, dtype) } else { Tensor::zeros_of(shape, dtype) }
        }
        "full" => {
            let (shape, value) = (reader.sizes(0, "shape")?, reader.tensor(1, "fill_value")?);
            let value = value.try_cast(dtype_at(reader, 2)?.unwrap_or(value.dtype()))?;
            value.try_broadcast_to(shape)?
        }
        "zeros_like" | "ones_like" => {
            let x = reader.tensor(0, "a")?;
            let dtype = dtype_at(reader, 1)?.unwrap_or(x.dtype());
            if name == "ones_like" {
                Tensor::ones_of(x.shape(), dtype)
            } else {
                Tensor::zeros_of(x.shape(), dtype)
            }
        }
        "full_like" => {
            let (x, value) = (reader.tensor(0, "a")?, reader.tensor(1, "fill_value")?);
            value.try_cast(x.dtype())?.try_broadcast_to(x.shape())?
        }
        "array" | "asarray" => {
            let x = reader.tensor(0, "object")?;
            x.try_cast(dtype_at(reader, 1)?.unwrap_or(x.dtype()))?
        }
        "arange" => {
            let mut ends = reader.rest();
            let is_whole = ends.iter().all(|end| matches!(end, Py::Whole(_)));
            let number = |end: &Py| end.tensor()?.try_cast(DType::F32)?.item::<f32>();
            let (start, stop, step) = match &ends[..] {
                [stop] => (0.0, number(stop)?, 1.0),
                [start, stop] => (number(start)?, number(stop)?, 1.0),
                [start, stop, step] => (number(start)?, number(stop)?, number(step)?),
                _ => return Ok(None),
            };
            ends.clear();
            let out = if is_whole {
                Tensor::try_arange(start as i32, stop as i32, step as i32)?
            } else {
                Tensor::try_arange(start, stop, step)?
            };
            out.try_cast(dtype_at(reader, 3)?.unwrap_or(out.dtype()))?
        }
        "linspace" => {
            let (start, stop) = (reader.required::<f64>(0, "start")?, reader.required::<f64>(1, "stop")?);
            Tensor::try_linspace(start, stop, reader.get::<usize>(2, "num")?.unwrap_or(50), DType::F32)?
        }
        "eye" | "identity" => {
            let rows = reader.required::<usize>(0, "N")?;
            let columns = reader.get::<usize>(1, "M")?.unwrap_or(rows);
            Tensor::eye_of(
                rows,
                columns,
                reader.get(2, "k")?.unwrap_or(0),
                dtype_at(reader, 3)?.unwrap_or(DType::F32),
            )
        }
        "tril" => reader.tensor(0, "m")?.try_tril(reader.get(1, "k")?.unwrap_or(0))?,
        "triu" => reader.tensor(0, "m")?.try_triu(reader.get(1, "k")?.unwrap_or(0))?,
        _ => return Ok(None),
    }))
}

fn tensors(value: &Py) -> Result<Vec<Tensor>> {
    value.items()?.iter().map(Py::tensor).collect()
}

fn arrangement(name: &str, reader: &mut Reader<'_>) -> Result<Option<Py>> {
    Ok(Some(Py::Tensor(match name {
        "reshape" => {
            let x = reader.tensor(0, "a")?;
            let shape = reader.axes(1, "shape")?.or(reader.axes(1, "newshape")?);
            x.try_reshape(shape.unwrap_or_default())?
        }
        "ravel" => {
            let x = reader.tensor(0, "a")?;
            x.try_reshape([x.size()])?
        }
        "transpose" | "permute_dims" => {
            let x = reader.tensor(0, "a")?;
            let axes = reader.axes(1, "axes")?;
            x.try_transpose(axes.unwrap_or_else(|| (0..x.rank() as isize).rev().collect()))?
        }
        "swapaxes" => {
            let (x, a, b) = (
                reader.tensor(0, "a")?,
                reader.required::<isize>(1, "axis1")?,
                reader.required::<isize>(2, "axis2")?,
            );
            x.try_swap_axes(a, b)?
        }
        "moveaxis" => {
            let x = reader.tensor(0, "a")?;
            x.try_move_axis(
                reader.required::<isize>(1, "source")?,
                reader.required::<isize>(2, "destination")?,
            )?
        }
        "expand_dims" => {
            reader.tensor(0, "a")?.try_expand_dims(reader.axes(1, "axis")?.unwrap_or_default())?
        }
        "squeeze" => {
            let x = reader.tensor(0, "a")?;
            let ones = || {
                x.shape().iter().enumerate().filter(|(_, size)| **size == 1).map(|(axis, _)| axis as isize)
            };
            let axes = reader.axes(1, "axis")?;
            x.try_squeeze(axes.unwrap_or_else(|| ones().collect::<Vec<_>>()))?
        }
        "broadcast_to" => reader.tensor(0, "array")?.try_broadcast_to(reader.sizes(1, "shape")?)?,
        "concatenate" | "concat" => {
            let parts = tensors(&reader.value(0, "arrays")?)?;
            Tensor::try_concatenate(&parts, reader.get::<isize>(1, "axis")?.unwrap_or(0))?
        }
        "stack" => {
            let parts = tensors(&reader.value(0, "arrays")?)?;
            Tensor::try_stack(&parts, reader.get::<isize>(1, "axis")?.unwrap_or(0))?
        }
        "tile" => reader.tensor(0, "A")?.try_tile(reader.sizes(1, "reps")?)?,
        "repeat" => {
            let (x, count) = (reader.tensor(0, "a")?, reader.required(1, "repeats")?);
            match reader.get::<isize>(2, "axis")? {
                Some(axis) => x.try_repeat(count, axis)?,
                None => x.try_reshape([x.size()])?.try_repeat(count, 0)?,
            }
        }
        "flip" => {
            let x = reader.tensor(0, "m")?;
            let axes = reader.axes(1, "axis")?;
            x.try_flip(axes.unwrap_or_else(|| (0..x.rank() as isize).collect()))?
        }
        "roll" => {
            let x = reader.tensor(0, "a")?;
            x.try_roll(reader.required::<isize>(1, "shift")?, reader.get::<isize>(2, "axis")?.unwrap_or(0))?
        }
        "pad" => pad(reader)?,
        "take" => {
            let (x, indices) = (reader.tensor(0, "a")?, reader.tensor(1, "indices")?);
            match reader.get::<isize>(2, "axis")? {
                Some(axis) => x.try_take(&indices, axis)?,
                None => x.try_reshape([x.size()])?.try_take(&indices, 0)?,
            }
        }
        "take_along_axis" => {
            let (x, indices) = (reader.tensor(0, "arr")?, reader.tensor(1, "indices")?);
            x.try_take_along_axis(&indices, reader.required::<isize>(2, "axis")?)?
        }
        "where" | "select" => {
            let condition = reader.tensor(0, "condition")?.try_cast(DType::Bool)?;
            condition.try_select(&reader.tensor(1, "x")?, &reader.tensor(2, "y")?)?
        }
        "dot" => reader.tensor(0, "a")?.try_dot(&reader.tensor(1, "b")?)?,
        "matmul" => reader.tensor(0, "a")?.try_matmul(&reader.tensor(1, "b")?)?,
        "outer" => reader.tensor(0, "a")?.try_outer(&reader.tensor(1, "b")?)?,
        "einsum" => {
            let subscripts = reader.required::<String>(0, "subscripts")?;
            let operands = reader.rest().iter().map(Py::tensor).collect::<Result<Vec<_>>>()?;
            try_einsum(&subscripts, &operands.iter().collect::<Vec<_>>())?
        }
        "sort" => reader.tensor(0, "a")?.try_sort(reader.get::<isize>(1, "axis")?.unwrap_or(-1))?,
        "argsort" => reader.tensor(0, "a")?.try_argsort(reader.get::<isize>(1, "axis")?.unwrap_or(-1))?,
        "split" | "array_split" => return split(reader).map(Some),
        "shape" => return Ok(Some(Py::sizes(reader.tensor(0, "a")?.shape()))),
        "ndim" => return Ok(Some(Py::Whole(reader.tensor(0, "a")?.rank() as i64))),
        _ => return Ok(None),
    })))
}

/// Into equal parts, or at indices.
fn split(reader: &mut Reader<'_>) -> Result<Py> {
    let (x, at) = (reader.tensor(0, "ary")?, reader.value(1, "indices_or_sections")?);
    let axis = reader.get::<isize>(2, "axis")?.unwrap_or(0);
    let parts = match &at {
        Py::Whole(count) => x.try_split(*count as usize, axis)?,
        at => {
            let index = |index: &Py| match index {
                Py::Whole(index) => Ok(*index as usize),
                other => Err(Error::msg(format!("a split at {other:?}"))),
            };
            x.try_split_at(at.items()?.iter().map(index).collect::<Result<Vec<_>>>()?, axis)?
        }
    };
    Ok(Py::list(parts.into_iter().map(Py::Tensor).collect()))
}

/// One width, a pair for all axes, or a pair for each.
fn pad(reader: &mut Reader<'_>) -> Result<Tensor> {
    let (x, widths) = (reader.tensor(0, "array")?, reader.value(1, "pad_width")?);
    let whole = |value: &Py| match value {
        Py::Whole(width) => Ok(*width as usize),
        other => Err(Error::msg(format!("a width {other:?}"))),
    };
    let pair = |value: &Py| -> Result<(usize, usize)> {
        match value {
            Py::Whole(width) => Ok((*width as usize, *width as usize)),
            other => match &other.items()?[..] {
                [both] => Ok((whole(both)?, whole(both)?)),
                [before, after] => Ok((whole(before)?, whole(after)?)),
                _ => Err(Error::msg(format!("a width {other:?}"))),
            },
        }
    };
    let is_one =
        matches!(&widths, Py::Whole(_)) || widths.items()?.iter().all(|item| matches!(item, Py::Whole(_)));
    let widths: Vec<(usize, usize)> = if is_one {
        vec![pair(&widths)?; x.rank()]
    } else {
        let pairs = widths.items()?.iter().map(pair).collect::<Result<Vec<_>>>()?;
        if pairs.len() == 1 { pairs.repeat(x.rank()) } else { pairs }
    };
    let mode = reader.get::<String>(2, "mode")?.unwrap_or_else(|| "constant".to_owned());
    let value = reader.some(9, "constant_values").map_or(Ok(Tensor::from(0.0f32)), |value| value.tensor())?;
    match &mode[..] {
        "constant" => x.try_pad(widths, value.try_cast(x.dtype())?),
        "edge" => x.try_pad_mode(widths, PadMode::Edge),
        "reflect" => x.try_pad_mode(widths, PadMode::Reflect),
        "wrap" => x.try_pad_mode(widths, PadMode::Wrap),
        mode => Err(Error::msg(format!("pad(mode={mode:?})"))),
    }
}
