//! Cases of the kind `text`: models as tables.

use flaxen::prelude::*;
use flaxen::random;
use serde_json::{Value as Json, json};

use super::{Stop, Verdict};
use crate::golden::Case;
use crate::modules::{BNet, Foo};

/// What is counted otherwise: we count operations of the graph, XLA those of its compiled program.
const COUNTED: [&str; 2] = ["flops", "vjp_flops"];

/// Runs a case of tables: `expect.tables` has the text and the paths of each.
///
/// # Errors
/// If it does not pass.
pub fn run(case: &Case) -> Verdict {
    let tables = case.expect()["tables"].as_object();
    let tables = tables.ok_or_else(|| Stop::Unsupported("no tables".to_owned()))?;
    for (name, table) in tables {
        let (model, flops) = name.strip_suffix("_flops").map_or((&name[..], false), |model| (model, true));
        let unsupported = || Stop::Unsupported(format!("the table `{name}`"));
        let (text, paths) = summary(model, flops)?.ok_or_else(unsupported)?;
        let expected = table["text"].as_str().unwrap_or_default();
        let is_same = if flops { cells(&text) == cells(expected) } else { text == expected };
        if !is_same {
            return Err(Stop::Failed(format!("the table `{name}` is\n{text}\nexpected\n{expected}")));
        }
        if table["paths"].is_array() && table["paths"] != paths {
            let expected = &table["paths"];
            return Err(Stop::Failed(format!("the paths of `{name}` are {paths}, expected {expected}")));
        }
    }
    Ok(format!("numbers of {} are not compared", COUNTED.join(" and ")))
}

/// The text of a table, and the paths of its modules.
fn summary(name: &str, flops: bool) -> Result<Option<(String, Json)>> {
    macro_rules! summary_of {
        ($model:expr, $x:expr $(, $option:ident($($value:expr)?))*) => {{
            let (model, x) = ($model, $x);
            let table = model.tabulate(random::key(0))$(.$option($($value)?))*;
            let table = if flops { table.compute_flops().compute_vjp_flops() } else { table };
            let paths = model.module_paths(random::key(0), |m| m.call(&x))?;
            (table.run(|m| m.call(&x))?.to_string(), json!(paths.keys().collect::<Vec<_>>()))
        }};
    }
    let image = Tensor::ones([1, 4, 4, 2]);
    Ok(Some(match name {
        "two_dense" => summary_of!(Foo::new(), Tensor::ones([16, 9])),
        "conv_bn_shared" => summary_of!(BNet::new(), image),
        "conv_bn_shared_repeated" => summary_of!(BNet::new(), image, show_repeated()),
        "depth1" => {
            let nested = sequential![Dense::new(2), sequential![Dense::new(3)]];
            summary_of!(nested, Tensor::ones([1, 2]), depth(1))
        }
        _ => return Ok(None),
    }))
}

/// The cells of a table but those that are counted otherwise.
fn cells(text: &str) -> Vec<Vec<&str>> {
    let mut rows: Vec<Vec<&str>> = text.lines().filter_map(row).collect();
    let counted: Vec<usize> = match rows.first() {
        Some(header) => (0..header.len()).filter(|&column| COUNTED.contains(&header[column])).collect(),
        None => Vec::new(),
    };
    for row in rows.iter_mut().skip(1) {
        for &column in &counted {
            if let Some(cell) = row.get_mut(column) {
                *cell = "";
            }
        }
    }
    rows
}

fn row(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix(['│', '┃'])?.strip_suffix(['│', '┃'])?;
    Some(inner.split(['│', '┃']).map(str::trim).collect())
}
