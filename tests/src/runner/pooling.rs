//! Functional cases of pooling: `expect.cases` lists functions and their arguments.

use flaxen::prelude::*;
use serde_json::Value as Json;

use super::functional::{check, input};
use super::{Stop, Verdict};
use crate::golden::Case;

/// Runs a case of pooling.
///
/// # Errors
/// If it does not pass.
pub fn run(case: &Case) -> Verdict {
    for row in case.expect()["cases"].as_array().into_iter().flatten() {
        let unsupported = || Stop::Unsupported(format!("pooling by {row}"));
        let x = input(case, row["input"].as_str().unwrap_or("x"))?;
        let pool = Pool::read(row).ok_or_else(unsupported)?;
        check(case, &row["i"].to_string(), &x, &|x| pool.call(x))?;
    }
    Ok(String::new())
}

enum Function {
    Average,
    Maximum,
    Minimum,
}

struct Pool {
    function: Function,
    window: Vec<usize>,
    strides: Vec<usize>,
    padding: Padding,
    count_include_pad: bool,
}

impl Pool {
    /// None if there is an unknown function or argument.
    fn read(row: &Json) -> Option<Pool> {
        let arguments = &row["kwargs"];
        let known = ["window_shape", "strides", "padding", "count_include_pad"];
        if !arguments.as_object()?.keys().all(|key| known.contains(&&key[..])) {
            return None;
        }
        let function = match row["fn"].as_str()? {
            "avg_pool" => Function::Average,
            "max_pool" => Function::Maximum,
            "min_pool" => Function::Minimum,
            _ => return None,
        };
        let strides = &arguments["strides"];
        Some(Pool {
            function,
            window: sizes(&arguments["window_shape"])?,
            strides: if strides.is_null() { Vec::new() } else { sizes(strides)? },
            padding: padding(&arguments["padding"])?,
            count_include_pad: arguments["count_include_pad"].as_bool().unwrap_or(true),
        })
    }

    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let (window, strides, padding) = (self.window.clone(), self.strides.clone(), self.padding.clone());
        match self.function {
            Function::Average => avg_pool(x, window)
                .strides(strides)
                .padding(padding)
                .count_include_pad(self.count_include_pad)
                .run(),
            Function::Maximum => max_pool(x, window).strides(strides).padding(padding).run(),
            Function::Minimum => min_pool(x, window).strides(strides).padding(padding).run(),
        }
    }
}

/// A list of sizes.
pub fn sizes(list: &Json) -> Option<Vec<usize>> {
    list.as_array()?.iter().map(|size| Some(size.as_u64()? as usize)).collect()
}

/// A name of a padding, or pairs; null is `VALID`.
pub fn padding(of: &Json) -> Option<Padding> {
    let pairs = match of {
        Json::Null => return Some(Padding::Valid),
        Json::String(name) => match &name[..] {
            "VALID" => return Some(Padding::Valid),
            "SAME" => return Some(Padding::Same),
            "SAME_LOWER" => return Some(Padding::SameLower),
            _ => return None,
        },
        pairs => pairs.as_array()?,
    };
    let pair = |pair: &Json| Some((pair[0].as_i64()? as isize, pair[1].as_i64()? as isize));
    Some(Padding::Explicit(pairs.iter().map(pair).collect::<Option<_>>()?))
}
