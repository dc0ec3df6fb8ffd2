//! `x.at(…)`, indexing by tuples and functions of positions give the results, gradients and batches of the real JAX.

use flaxen::prelude::*;
use flaxen::{Ellipsis, Index, IndexMode, IntoIndex, NewAxis, RavelMode, Slice};
use flaxen_tests::probes::{self, Settings};
use serde_json::Value as Json;

/// A number of the settings, or with `"$1"` an argument.
fn operand(json: &Json, args: &[Tensor]) -> Result<Tensor> {
    Ok(match json {
        Json::String(text) => args[text[1..].parse::<usize>().unwrap()].clone(),
        // Bare numbers stay weak through an addition to nothing.
        number => return Err(Error::msg(format!("{number} is bare"))),
    })
}

fn index(json: &Json, args: &[Tensor]) -> Result<Index> {
    let Some(text) = json.as_str() else { return json.as_i64().unwrap().into_index() };
    match text {
        "..." => Ellipsis.into_index(),
        "none" => NewAxis.into_index(),
        _ if text.starts_with('$') => operand(json, args)?.into_index(),
        _ => {
            let parts: Vec<Option<isize>> = text.split(':').map(|part| part.parse().ok()).collect();
            let slice = match (parts[0], parts[1]) {
                (None, None) => Slice::from(..),
                (Some(start), None) => Slice::from(start..),
                (None, Some(end)) => Slice::from(..end),
                (Some(start), Some(end)) => Slice::from(start..end),
            };
            Slice::step(slice, parts.get(2).copied().flatten().unwrap_or(1)).into_index()
        }
    }
}

fn at(args: &[Tensor], settings: &Settings<'_>) -> Result<Tensor> {
    let indices = settings.json("index").as_array().unwrap();
    let indices = indices.iter().map(|json| index(json, args)).collect::<Result<Vec<_>>>()?;
    let mut at = args[0].at(indices);
    at = match settings.text("mode") {
        None => at,
        Some("clip") => at.mode(IndexMode::Clip),
        Some("drop") => at.mode(IndexMode::Drop),
        Some("fill") => at.mode(IndexMode::Fill),
        Some(_) => at.mode(IndexMode::PromiseInBounds),
    };
    if let Some(fill) = settings.float("fill") {
        at = at.fill_value(fill);
    }
    if settings.flag("unique") {
        at = at.unique_indices();
    }
    at = at.wrap_negative_indices(settings.flag("wrap"));
    let value = settings.json("value");
    match settings.text("op").unwrap() {
        "get" => at.try_get(),
        "apply" => at.try_apply(|x| x.try_mul(2)?.try_add(1)),
        op if value.is_i64() => update(&at, op, value.as_i64().unwrap()),
        op if value.is_f64() => update(&at, op, value.as_f64().unwrap()),
        op => update(&at, op, operand(value, args)?),
    }
}

fn update(at: &flaxen::At<'_>, op: &str, value: impl TensorLike) -> Result<Tensor> {
    match op {
        "set" => at.try_set(value),
        "add" => at.try_add(value),
        "subtract" => at.try_sub(value),
        "multiply" => at.try_mul(value),
        "divide" => at.try_div(value),
        "power" => at.try_power(value),
        "min" => at.try_min(value),
        "max" => at.try_max(value),
        op => Err(Error::msg(format!("no update {op}"))),
    }
}

/// Integers of the settings: one without axes, or a vector.
fn integers(settings: &Settings<'_>, key: &str) -> Tensor {
    match settings.json(key) {
        Json::Array(list) => Tensor::from(list.iter().map(|x| x.as_i64().unwrap()).collect::<Vec<_>>()),
        one => Tensor::from(one.as_i64().unwrap()),
    }
}

fn call(name: &str, args: &[Tensor], settings: &Settings<'_>) -> Result<Vec<Tensor>> {
    let x = args.first();
    let x = || x.expect("an argument");
    let axis = settings.int("axis");
    let along = || axis.expect("an axis");
    let (count, size) = (settings.size("count").unwrap_or(0), settings.size("size"));
    let fill = (name != "at" && settings.has("fill")).then(|| integers(settings, "fill"));
    Ok(vec![match name {
        "at" => at(args, settings)?,
        "take_along_axis" => x().try_take_along_axis(&args[1], along())?,
        "put_along_axis" => x().try_put_along_axis(&args[1], &args[2], along())?,
        "dynamic_index" => x().try_dynamic_index_axis(along(), &args[1])?,
        "dynamic_slice" => x().try_dynamic_slice_axis(along(), &args[1], size.unwrap())?,
        "dynamic_update_index" => x().try_dynamic_update_index_axis(along(), &args[2], &args[1])?,
        "dynamic_update_slice" => x().try_dynamic_update_axis(along(), &args[2], &args[1])?,
        "roll" => x().try_roll_by(&args[1], along())?,
        "repeat" => x().try_repeat_each(&args[1], along(), settings.size("total").unwrap())?,
        "segment_sum" => x().try_segment_sum(&args[1], count)?,
        "segment_prod" => x().try_segment_prod(&args[1], count)?,
        "segment_max" => x().try_segment_max(&args[1], count)?,
        "segment_min" => x().try_segment_min(&args[1], count)?,
        "nonzero" => match size {
            None => return x().try_nonzero(),
            Some(size) => return x().try_nonzero_of(size, fill.unwrap()),
        },
        "argwhere" => match size {
            None => x().try_argwhere()?,
            Some(size) => x().try_argwhere_of(size, fill.unwrap())?,
        },
        "flatnonzero" => match size {
            None => x().try_flatnonzero()?,
            Some(size) => x().try_flatnonzero_of(size, fill.unwrap())?,
        },
        "unique" => {
            let found = x().try_unique_all(size, fill)?;
            return Ok(vec![found.values, found.indices, found.inverse, found.counts]);
        }
        "isin" => x().try_isin(&args[1])?,
        "searchsorted" if settings.text("side") == Some("left") => x().try_searchsorted(&args[1])?,
        "searchsorted" => x().try_searchsorted_right(&args[1])?,
        "unravel_index" => return x().try_unravel_index(settings.sizes("shape").unwrap()),
        "ravel_multi_index" => {
            let mode = match settings.text("mode").unwrap() {
                "wrap" => RavelMode::Wrap,
                "clip" => RavelMode::Clip,
                _ => RavelMode::Raise,
            };
            Tensor::try_ravel_multi_index(args, settings.sizes("shape").unwrap(), mode)?
        }
        "triu_indices" | "tril_indices" => {
            let of = if name == "triu_indices" { Tensor::triu_indices } else { Tensor::tril_indices };
            let [rows, columns] = ["rows", "columns"].map(|key| settings.size(key).unwrap());
            return Ok(of(rows, columns, settings.int("k").unwrap()).into_list());
        }
        "append" => x().try_append(&args[1], axis)?,
        "delete" if settings.has("at") => x().try_delete(integers(settings, "at"), axis)?,
        "delete" => x().try_delete(&args[1], axis)?,
        "insert" => x().try_insert(integers(settings, "at"), &args[1], axis)?,
        "ragged_dot" => x().try_ragged_dot(&args[1], &args[2])?,
        "approx_max_k" => return Ok(x().try_approx_max_k(2, along())?.into_list()),
        "approx_min_k" => return Ok(x().try_approx_min_k(3, along())?.into_list()),
        _ => return probes::unknown(name),
    }])
}

trait IntoList {
    fn into_list(self) -> Vec<Tensor>;
}

impl IntoList for (Tensor, Tensor) {
    fn into_list(self) -> Vec<Tensor> {
        vec![self.0, self.1]
    }
}

#[test]
fn probes_give_what_jax_gives() {
    let count = probes::run("indexing.json", call);
    assert!(count >= 190, "{count} probes");
}
