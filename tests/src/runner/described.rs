//! Modules as Flax prints them.

use serde_json::{Map, Value as Json, json};

/// Reads a text like `TinyResNet(␤ # attributes␤ stages = (1, 1)␤ width = 3␤)`, of which every attribute is on a line of its
/// own, as `{"cls": .., "args": {..}}`; None if it is no such text.
pub fn attributes(text: &str) -> Option<Json> {
    let (class, rest) = text.split_once('(')?;
    let mut arguments = Map::new();
    for line in rest.trim_end().strip_suffix(')')?.lines().map(str::trim) {
        if !line.is_empty() && !line.starts_with('#') {
            let (name, text) = line.split_once('=')?;
            arguments.insert(name.trim().to_owned(), value(text.trim())?);
        }
    }
    Some(json!({"cls": class.trim(), "args": arguments}))
}

/// A number, a text, a list or a tuple, in Python.
fn value(text: &str) -> Option<Json> {
    match text {
        "None" => Some(Json::Null),
        "True" => Some(true.into()),
        "False" => Some(false.into()),
        _ => {
            let text = text.replace('(', "[").replace(",)", "]").replace(')', "]").replace('\'', "\"");
            serde_json::from_str(&text).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_from_the_text_of_a_module() {
        let text = "Net(\n    # attributes\n    n = 3\n    sizes = (1, 2)\n    one = (4,)\n    dropout = 0.5\n    a = 'x'\n    b = None\n)";
        let expected = json!({"n": 3, "sizes": [1, 2], "one": [4], "dropout": 0.5, "a": "x", "b": null});
        assert_eq!(attributes(text), Some(json!({"cls": "Net", "args": expected})));
        assert_eq!(attributes("Net()"), Some(json!({"cls": "Net", "args": {}})));
        assert_eq!(attributes("Net(n = <object>)"), None);
    }
}
