//! The one table of cases that are not supported yet.

use crate::golden::Case;

/// What a row of the table is about.
enum Which {
    /// All cases of a kind.
    Kind(&'static str),
    /// All cases whose module is of a class.
    Module(&'static str),
}

use Which::{Kind, Module};

/// Which cases are unsupported, and what will bring them.
const PENDING: [(Which, &str); 11] = [
    (Kind("lifted"), "the part of lifted transforms"),
    (Kind("serialization"), "the part of serialisation"),
    (Module("Bidirectional"), RECURRENT),
    (Module("ConvLSTMCell"), RECURRENT),
    (Module("GRUCell"), RECURRENT),
    (Module("LSTMCell"), RECURRENT),
    (Module("LSTMClassifier"), RECURRENT),
    (Module("MGUCell"), RECURRENT),
    (Module("OptimizedLSTMCell"), RECURRENT),
    (Module("RNN"), RECURRENT),
    (Module("SimpleCell"), RECURRENT),
];

const RECURRENT: &str = "the part of recurrent cells";

/// What will bring a case of the table; None if it is not there.
pub fn what_brings(case: &Case) -> Option<&'static str> {
    let module = &case.settings()["module"];
    let text = module.as_str().map(|text| text.split('(').next().unwrap_or_default());
    let class = module["cls"].as_str().or(text);
    let row = PENDING.iter().find(|(which, _)| match which {
        Kind(kind) => case.kind() == *kind,
        Module(name) => class == Some(*name),
    });
    row.map(|(_, what)| *what)
}
