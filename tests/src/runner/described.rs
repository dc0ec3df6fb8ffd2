//! Modules as Flax prints them, and as descriptions of cases write them.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::python::{free_names, is_expression};

/// Reads a text like `TinyResNet(␤ # attributes␤ stages = (1, 1)␤ width = 3␤)`, of which every attribute is on a line of its
/// own, as `{"cls": .., "args": {..}}`; None if it is no such text. Attributes may be modules in turn.
pub fn attributes(text: &str) -> Option<Json> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let first = lines.next()?;
    let (class, rest) = first.split_once('(')?;
    let read = if rest == ")" { Some(Map::new()) } else { arguments(&mut lines) };
    match (read, lines.next()) {
        (Some(arguments), None) => Some(json!({"cls": class.trim(), "args": arguments})),
        _ => None,
    }
}

/// The attributes up to the closing parenthesis.
fn arguments<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Option<Map<String, Json>> {
    let mut arguments = Map::new();
    loop {
        let line = lines.next()?;
        if line == ")" {
            return Some(arguments);
        }
        let (name, text) = line.split_once('=')?;
        let text = text.trim();
        let value = match text.strip_suffix('(') {
            Some(class) => json!({"cls": class.trim(), "args": Json::Object(self::arguments(lines)?)}),
            None => value(text)?,
        };
        arguments.insert(name.trim().to_owned(), value);
    }
}

/// A number, a text, a list or a tuple, in Python; a name is that of a function.
fn value(text: &str) -> Option<Json> {
    match text {
        "None" => Some(Json::Null),
        "True" => Some(true.into()),
        "False" => Some(false.into()),
        _ if text.ends_with("()") => Some(json!({"cls": text.trim_end_matches("()"), "args": {}})),
        _ if text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && text.starts_with(|c: char| c.is_ascii_alphabetic()) =>
        {
            Some(format!("<fn {text}>").into())
        }
        _ => {
            let text = text.replace('(', "[").replace(",)", "]").replace(')', "]").replace('\'', "\"");
            serde_json::from_str(
                &text.replace("True", "true").replace("False", "false").replace("None", "null"),
            )
            .ok()
        }
    }
}

/// The source of the classes that a description has the words of; empty if there are none.
///
/// `wrapper Module: return F(g)(x)` and `compact: F(g)(x)` are the class of the case, whose attributes and arguments have the
/// names in the expression; what neither has is None. `compact: F(1); relu(G(2))` is a chain. `A: F(1)(x); B: F(2)(y)` are
/// two classes.
pub fn described(description: &str, class: &str, attributes: &[&str], arguments: &[&str]) -> String {
    let of_case =
        ["wrapper Module: return ", "wrapper Module: ", "wrapper: return ", "wrapper: ", "compact: "];
    if let Some(body) = of_case.into_iter().find_map(|prefix| description.strip_prefix(prefix)) {
        let parts: Vec<&str> = body.split("; ").map(str::trim).collect();
        let is_chain = description.starts_with("compact: ") && parts.len() > 1;
        let lines = if is_chain { chain(&parts) } else { vec![format!("return {}", parts[0])] };
        return of_lines(class, attributes, arguments, &lines);
    }
    let mut source = String::new();
    for part in description.split("; ") {
        if let Some((name, expression)) = part.split_once(": ")
            && name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.chars().all(|c| c.is_ascii_alphanumeric())
            && expression.contains('(')
            && is_expression(expression)
            && let Some(names) = free_names(expression)
        {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            source += &of_lines(name, &[], &names, &[format!("return {expression}")]);
        }
    }
    source
}

/// The class whose call consists of some lines.
fn of_lines(class: &str, attributes: &[&str], arguments: &[&str], lines: &[String]) -> String {
    let free: BTreeSet<String> = lines.iter().filter_map(|line| free_names(line)).flatten().collect();
    let assigned = lines.iter().filter_map(|line| Some(line.split_once(" = ")?.0)).collect::<BTreeSet<_>>();
    let is_given =
        |name: &str| attributes.contains(&name) || arguments.contains(&name) || assigned.contains(name);
    let mut source = vec![format!("class {class}(nn.Module):")];
    source.extend(attributes.iter().map(|attribute| format!("    {attribute}: Any = None")));
    let parameters: Vec<String> = arguments.iter().map(|name| format!("{name}=None")).collect();
    source.push("    @nn.compact".to_owned());
    source.push(format!("    def __call__({}):", [vec!["self".to_owned()], parameters].concat().join(", ")));
    source.extend(attributes.iter().map(|attribute| format!("        {attribute} = self.{attribute}")));
    let missing = free.iter().filter(|name| !is_given(name));
    source.extend(missing.map(|name| format!("        {name} = None")));
    source.extend(lines.iter().map(|line| format!("        {line}")));
    source.join("\n") + "\n"
}

/// A chain of layers as statements: `relu(F(2))` is `x = relu(F(2)(x))`. What it assigns comes first.
fn chain(parts: &[&str]) -> Vec<String> {
    let (assigned, layers): (Vec<&str>, Vec<&str>) = parts.iter().partition(|part| part.contains(" = "));
    let mut lines: Vec<String> = assigned.iter().map(ToString::to_string).collect();
    let names: Vec<&str> = assigned.iter().filter_map(|part| Some(part.split_once(" = ")?.0)).collect();
    for layer in layers {
        let starts_lower = layer.starts_with(|c: char| c.is_ascii_lowercase());
        let takes = |name: &str| names.contains(&name);
        let passed = match layer.split('(').next() {
            Some("Dropout") if takes("deterministic") => "x, deterministic=deterministic",
            Some("BatchNorm") if takes("use_running_average") => "x, use_running_average=use_running_average",
            _ => "x",
        };
        lines.push(match layer.split_once('(').filter(|_| starts_lower) {
            Some((function, inner)) => {
                format!("x = {function}({}(x))", inner.strip_suffix(')').unwrap_or(inner))
            }
            None => format!("x = {layer}({passed})"),
        });
    }
    lines.push("return x".to_owned());
    lines
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
        let nested = "Net(\n    act = relu\n    inner = Dense(\n        # attributes\n        features = 3\n    )\n    last = 1\n)";
        let inner = json!({"cls": "Dense", "args": {"features": 3}});
        let expected = json!({"act": "<fn relu>", "inner": inner, "last": 1});
        assert_eq!(attributes(nested), Some(json!({"cls": "Net", "args": expected})));
    }

    #[test]
    fn descriptions_are_classes() {
        let wrapped = described(
            "wrapper Module: return F(size, steps, **kw)(x, on=train)",
            "W",
            &["size"],
            &["x", "train"],
        );
        assert_eq!(
            wrapped,
            "class W(nn.Module):\n    size: Any = None\n    @nn.compact\n    def __call__(self, x=None, train=None):\n        \
             size = self.size\n        F = None\n        kw = None\n        steps = None\n        \
             return F(size, steps, **kw)(x, on=train)\n"
        );
        let two = described("A: Dense(1)(x); B: Dense(2)(a)+b; and more", "Sequential", &[], &["x"]);
        assert!(two.contains("class A(nn.Module)") && two.contains("return Dense(2)(a)+b\n"), "{two}");
        assert!(two.contains("def __call__(self, a=None, b=None)"), "{two}");
        let chained = described(
            "compact: Dense(6); Dropout(0.5); relu(Dense(6)); deterministic = not train",
            "M",
            &[],
            &["x", "train"],
        );
        assert!(
            chained.contains("        deterministic = not train\n        x = Dense(6)(x)\n"),
            "{chained}"
        );
        assert!(
            chained
                .contains("x = Dropout(0.5)(x, deterministic=deterministic)\n        x = relu(Dense(6)(x))"),
            "{chained}"
        );
        assert_eq!(described("Dense init, apply, gradients", "Dense", &[], &["x"]), "");
    }
}
