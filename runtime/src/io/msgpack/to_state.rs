//! From a tree to a [`State`] (`flax.serialization.to_state_dict`), and from a state to a value without a template.

use super::native;
use super::state::State;
use crate::tree::{NodeKind, Static, Token, Tree};
use crate::variables::{Boxed, Dict, Value, join, too_deep};

/// The state dict of a tree, or what is wrong and where.
pub(super) fn state(tree: &impl Tree) -> Result<State, String> {
    let mut from = Tokens::of(tree);
    let state = from.state();
    state.map_err(|message| from.message(&message))
}

/// The tokens of a tree, one by one, and where they are.
pub(super) struct Tokens<'a> {
    rest: std::vec::IntoIter<Token<'a>>,
    pub(super) path: Vec<String>,
}

impl<'a> Tokens<'a> {
    pub(super) fn of(tree: &'a impl Tree) -> Tokens<'a> {
        let mut tokens = Vec::new();
        tree.walk(&mut |token| tokens.push(token));
        Tokens { rest: tokens.into_iter(), path: vec![] }
    }

    pub(super) fn next(&mut self) -> Result<Token<'a>, String> {
        self.rest.next().ok_or_else(|| "a tree says that it has more children than it has".to_owned())
    }

    pub(super) fn peek(&self) -> Option<&Token<'a>> {
        self.rest.as_slice().first()
    }

    /// The name of the next child of a map or struct; none for what has no name.
    pub(super) fn key(&mut self) -> Result<Option<&'a str>, String> {
        match self.peek() {
            Some(&Token::Key(key)) => self.next().map(|_| Some(key)),
            _ => Ok(None),
        }
    }

    /// Passes what is not there, and has no place among its neighbours either.
    pub(super) fn skip_absent(&mut self) -> bool {
        let is_absent = matches!(self.peek(), Some(Token::Node(kind, 0)) if *kind == NodeKind::ABSENT);
        is_absent && self.rest.next().is_some()
    }

    /// A message with the place in front.
    pub(super) fn message(&self, message: &str) -> String {
        match &self.path[..] {
            [] => message.to_owned(),
            path => format!("`{}`: {message}", join(path)),
        }
    }

    /// The state of the next value.
    fn state(&mut self) -> Result<State, String> {
        match self.next()? {
            Token::Leaf(tensor) => {
                tensor.array().map_err(|error| error.to_string())?;
                Ok(State::Array(tensor.clone()))
            }
            Token::Static(data) => native::of(data).ok_or_else(|| {
                format!("{data:?} is data without tensors, and no number or text: leave it out, or make it a field of a struct")
            }),
            Token::Key(_) => Err("a tree has a name without a value".to_owned()),
            Token::Node(NodeKind::Wrapper(_), 0) => Ok(State::None),
            Token::Node(NodeKind::Wrapper(_), _) => self.state(),
            Token::Node(kind, count) => {
                let mut entries = Vec::with_capacity(count);
                let mut absent = 0;
                for index in 0..count {
                    let index = index - absent;
                    let name = self.key()?.map_or_else(|| index.to_string(), str::to_owned);
                    // Fields without tensors are no part of the state: an optimizer, the names of axes.
                    if let (NodeKind::Struct(_), Some(Token::Static(_))) = (kind, self.peek()) {
                        self.next()?;
                        continue;
                    }
                    if self.skip_absent() {
                        absent += 1;
                        continue;
                    }
                    // A part that an optimizer is without has an empty state in Optax, not none.
                    if let (true, Some(Token::Node(NodeKind::Wrapper(_), 0))) = (kind.is_sequence(), self.peek()) {
                        self.next()?;
                        entries.push((name, State::Map(vec![])));
                        continue;
                    }
                    self.path.push(name.clone());
                    entries.push((name, self.state()?));
                    self.path.pop();
                }
                Ok(State::Map(entries))
            }
        }
    }
}

/// A state as a value, or what is wrong and where.
pub(super) fn value(state: &State) -> Result<Value, String> {
    let mut path = Vec::new();
    built(state, &mut path).map_err(|message| match &path[..] {
        [] => message,
        path => format!("`{}`: {message}", join(path)),
    })
}

fn built(state: &State, path: &mut Vec<String>) -> Result<Value, String> {
    if path.len() >= Dict::MAX_DEPTH && matches!(state, State::List(_) | State::Map(_)) {
        return Err(too_deep("value").to_string());
    }
    let value = match state {
        State::Array(tensor) | State::Scalar(tensor) => return Ok(tensor.into()),
        State::Map(entries) => {
            let mut dict = Dict::new();
            for (name, state) in entries {
                path.push(name.clone());
                dict.extend([(name.as_str(), built(state, path)?)]);
                path.pop();
            }
            return Ok(dict.into());
        }
        State::List(states) => {
            let mut values = Vec::with_capacity(states.len());
            for (index, state) in states.iter().enumerate() {
                path.push(index.to_string());
                values.push(built(state, path)?);
                path.pop();
            }
            return Ok(values.into());
        }
        State::None => Value::try_of(&None::<crate::core::Tensor>),
        State::Bool(value) => Value::try_of(&Static(*value)),
        State::Int(value) => Value::try_of(&Static(*value)),
        State::UInt(value) => Value::try_of(&Static(*value)),
        State::Float(value) => Value::try_of(&Static(*value)),
        State::Text(text) => Value::try_of(&Static(text.clone())),
        State::Bytes(bytes) => Value::try_of(&Static(bytes.clone())),
        State::Complex(..) => return Err(format!("it is {}, which no tensor has", state.kind())),
        State::Foreign(_) => return Err(format!("it is {}", state.kind())),
    };
    value.map_err(|error| error.to_string())
}

/// The value in a box, which a file has as a dict of the one name `value`.
pub(super) fn in_box(state: &State) -> Option<&State> {
    match state {
        State::Map(entries) => match &entries[..] {
            [(name, inner)] if name == "value" => Some(inner),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn is_box(kind: NodeKind) -> bool {
    kind == Boxed::NODE
}
