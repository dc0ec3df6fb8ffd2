//! The page: data as JSON, in a text that needs nothing else.

use std::fmt::Write;

use serde_json::{Value, json};

use super::picture::Picture;
use super::{Exploration, ExploredModule, ExploredParameter, Stats};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

pub(super) fn html(exploration: &Exploration) -> String {
    // No text of a program ends the element that it is in: names are data, never markup.
    let data = data(exploration).to_string().replace('<', "\\u003c");
    PAGE.replace("/*STYLE*/", STYLE).replace("/*SCRIPT*/", SCRIPT).replace("/*DATA*/", &data)
}

fn data(exploration: &Exploration) -> Value {
    let (count, bytes) = exploration.size();
    json!({
        "model": exploration.model(),
        "parameters": count,
        "bytes": bytes,
        "time": exploration.total_time().map(|time| time.as_secs_f64()),
        "notes": exploration.notes(),
        "modules": exploration.modules().iter().map(module).collect::<Vec<_>>(),
    })
}

fn module(module: &ExploredModule) -> Value {
    json!({
        "path": module.path,
        "module": module.module,
        "method": module.method,
        "inputs": module.inputs,
        "outputs": module.outputs,
        "inner": module.is_inner,
        "flops": module.flops,
        "time": module.time.map(|time| time.as_secs_f64()),
        "output": module.output.as_ref().map(stats),
        "gradient": module.gradient.as_ref().map(stats),
        "dead": module.dead_units.map(|(dead, units)| [dead, units]),
        "pictures": module.pictures.iter().map(picture).collect::<Vec<_>>(),
        "parameters": module.parameters.iter().map(parameter).collect::<Vec<_>>(),
    })
}

fn parameter(parameter: &ExploredParameter) -> Value {
    json!({
        "collection": parameter.collection,
        "name": parameter.name,
        "shape": parameter.shape,
        "count": parameter.shape.iter().product::<usize>(),
        "dtype": parameter.dtype,
        "bytes": parameter.bytes,
        "values": parameter.values.as_ref().map(stats),
        "gradient": parameter.gradient.as_ref().map(stats),
    })
}

fn stats(stats: &Stats) -> Value {
    json!({
        "count": stats.count,
        "nan": stats.nan,
        "infinite": stats.infinite,
        "zeros": stats.zeros,
        "min": stats.min,
        "max": stats.max,
        "mean": stats.mean,
        "std": stats.std,
        "histogram": stats.histogram,
    })
}

fn picture(picture: &Picture) -> Value {
    let pixels = picture.pixels.iter().fold(String::new(), |mut text, pixel| {
        // Writing to a `String` does not fail.
        let _ = write!(text, "{pixel:02x}");
        text
    });
    json!({ "title": picture.title, "width": picture.width, "height": picture.height, "pixels": pixels })
}
