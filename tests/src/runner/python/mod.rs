//! Runs the Python that describes a case's model.
//!
//! Manifests have the source of a model, as it was written for Flax. It is read and run here on modules and functions of the
//! library: what a name stands for is in `library`, and modules are those of `runner::modules`. What is unknown is an error
//! that names it.

pub mod classes;
mod construct;
pub mod evaluate;
mod expressions;
mod lexer;
pub mod library;
mod methods;
mod operators;
mod parser;
mod reader;
mod subscript;
mod syntax;
pub mod value;

use value::Names;

use super::Stop;

/// Runs a source, and returns what it named.
///
/// # Errors
/// If it cannot be read; what a statement returns.
pub fn source(text: &str) -> Result<Names, Stop> {
    let unreadable = |error| Stop::Unsupported(format!("the source cannot be read: {error}"));
    let statements = parser::statements(text).map_err(unreadable)?;
    let names = Names::new(None);
    evaluate::Evaluator::new(&names, None).run(&statements)?;
    Ok(names)
}

/// Whether a text is one expression.
pub fn is_expression(text: &str) -> bool {
    parser::expression(text).is_ok()
}

/// The names in a line that it does not say the values of, in the order of their first use; None if it cannot be read.
pub fn free_names(line: &str) -> Option<Vec<String>> {
    let tokens = lexer::tokens(line).ok()?;
    let mut names: Vec<String> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let lexer::Kind::Name(name) = &token.kind else { continue };
        let is_operator = |at: usize, operator: &str| matches!(tokens.get(at).map(|token| &token.kind), Some(lexer::Kind::Operator(found)) if *found == operator);
        let is_member = at > 0 && is_operator(at - 1, ".");
        let is_keyword = KEYWORDS.contains(&name.as_str()) || is_operator(at + 1, "=");
        if !is_member && !is_keyword && library::root(name).is_none() && !names.contains(name) {
            names.push(name.clone());
        }
    }
    Some(names)
}

const KEYWORDS: [&str; 13] =
    ["return", "not", "and", "or", "if", "else", "in", "is", "for", "lambda", "None", "True", "False"];
