//! From a [`State`] to a tree of the structure of a target (`flax.serialization.from_state_dict`).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::native;
use super::state::State;
use super::to_state::{Tokens, in_box, is_box};
use crate::array::Aval;
use crate::core::Tensor;
use crate::io::restore::misfit;
use crate::tree::{NodeKind, Structure, Token, Tree, TreePart};
use crate::variables::join;

/// A tree of the structure of a target, or what does not fit.
///
/// By Flax's own rules the target's dicts may lack names that the file has, and tensors may have another shape or dtype; where it
/// is `exact`, they may not.
pub(super) fn tree<T: Tree>(state: &State, target: &T, exact: bool) -> Result<T, String> {
    let mut from = Tokens::of(target);
    let mut to = Restored { exact, ..Restored::default() };
    to.value(&mut from, state).map_err(|message| from.message(&message))?;
    match misfit(&to.missing, &to.unknown, to.wrong) {
        Some(message) => Err(message),
        None => Structure::of_parts(to.parts).try_build(to.leaves).map_err(|error| error.to_string()),
    }
}

/// What has been restored so far, and what was wrong with it.
#[derive(Default)]
struct Restored {
    exact: bool,
    parts: Vec<TreePart>,
    leaves: Vec<Tensor>,
    missing: Vec<String>,
    unknown: Vec<String>,
    wrong: Vec<String>,
}

impl Restored {
    fn wrong(&mut self, from: &Tokens<'_>, message: &str) {
        self.wrong.push(from.message(message));
    }

    /// Takes the next value of the target over as it is; says whether there is anything in it that a file has.
    fn keep(&mut self, from: &mut Tokens<'_>) -> Result<bool, String> {
        let (mut values, mut has_values) = (1, false);
        while values > 0 {
            values -= 1;
            match from.next()? {
                Token::Leaf(tensor) => {
                    self.parts.push(TreePart::Leaf);
                    self.leaves.push(tensor.clone());
                    has_values = true;
                }
                Token::Static(data) => {
                    self.parts.push(TreePart::Fixed(data.boxed()));
                    has_values = true;
                }
                Token::Key(key) => {
                    self.parts.push(TreePart::Key(key.into()));
                    values += 1;
                }
                Token::Node(kind, count) => {
                    self.parts.push(TreePart::Node(kind, count));
                    values += count;
                }
            }
        }
        Ok(has_values)
    }

    /// Restores the next value of the target; an error is that of a tree which contradicts itself.
    fn value(&mut self, from: &mut Tokens<'_>, state: &State) -> Result<(), String> {
        match from.next()? {
            Token::Leaf(tensor) => {
                self.parts.push(TreePart::Leaf);
                let restored = leaf(state, tensor.aval(), self.exact).unwrap_or_else(|message| {
                    self.wrong(from, &message);
                    tensor.clone()
                });
                self.leaves.push(restored);
                Ok(())
            }
            Token::Static(data) => {
                let restored = native::like(data, state).unwrap_or_else(|message| {
                    self.wrong(from, &message);
                    data.boxed()
                });
                self.parts.push(TreePart::Fixed(restored));
                Ok(())
            }
            Token::Key(_) => Err("a tree has a name without a value".to_owned()),
            Token::Node(kind @ NodeKind::Wrapper(_), count) => {
                self.parts.push(TreePart::Node(kind, count));
                match (count, state) {
                    (0, State::None) => Ok(()),
                    (0, State::Map(entries)) if entries.is_empty() => Ok(()),
                    (0, _) => {
                        self.wrong(from, &format!("the template has nothing here, found {}", state.kind()));
                        Ok(())
                    }
                    _ => self.value(from, state),
                }
            }
            Token::Node(kind, count) => self.node(from, kind, count, state),
        }
    }

    /// The children of a node. A box may be missing around what is stored, as it may be there around what is asked for.
    fn node(
        &mut self,
        from: &mut Tokens<'_>,
        kind: NodeKind,
        count: usize,
        state: &State,
    ) -> Result<(), String> {
        self.parts.push(TreePart::Node(kind, count));
        let boxed;
        let state = if is_box(kind) && in_box(state).is_none() {
            boxed = State::Map(vec![("value".to_owned(), state.clone())]);
            &boxed
        } else {
            state
        };
        let entries: Option<BTreeMap<Cow<'_, str>, &State>> = match state {
            State::Map(entries) => Some(entries.iter().map(|(name, state)| (name.into(), state)).collect()),
            State::List(states) if kind.is_sequence() => Some(
                states.iter().enumerate().map(|(index, state)| (index.to_string().into(), state)).collect(),
            ),
            _ => None,
        };
        let found = entries.as_ref().map(BTreeMap::len);
        if found.is_none() {
            self.wrong(from, &format!("expected {}, found {}", what(kind, count), state.kind()));
        }
        let (is_sequence, is_struct) = (kind.is_sequence(), matches!(kind, NodeKind::Struct(_)));
        let (mut known, mut present, mut missing) = (BTreeSet::new(), 0, Vec::new());
        for _ in 0..count {
            if from.skip_absent() {
                self.parts.push(TreePart::Node(NodeKind::ABSENT, 0));
                continue;
            }
            let key = from.key()?;
            self.parts.extend(key.map(|key| TreePart::Key(key.into())));
            let name = key.map_or_else(|| present.to_string(), str::to_owned);
            present += 1;
            if is_struct && matches!(from.peek(), Some(Token::Static(_))) {
                self.keep(from)?;
                continue;
            }
            from.path.push(name.clone());
            match entries.as_ref().and_then(|entries| entries.get(name.as_str())) {
                Some(state) => self.value(from, state)?,
                None if self.keep(from)? && found.is_some() => missing.push(join(&from.path)),
                None => {}
            }
            from.path.pop();
            known.insert(name);
        }
        match found.filter(|&found| is_sequence && found != present) {
            Some(0) if missing.is_empty() => {}
            Some(_) if present == 0 && !has_values(state) => {}
            // What is missing in a list is said by its length.
            Some(found) => {
                self.wrong(from, &format!("it has {found} values, but the template has {present}"));
            }
            None => self.missing.append(&mut missing),
        }
        // Flax leaves out what only the file has, of dicts but not of structs.
        if let (State::Map(entries), true) = (state, self.exact || is_struct)
            && !is_sequence
        {
            let is_unknown = |(name, state): &&(String, State)| !known.contains(name) && has_values(state);
            for (name, _) in entries.iter().filter(is_unknown) {
                let names = from.path.iter().map(String::as_str).chain([name.as_str()]);
                self.unknown.push(join(&names.collect::<Vec<_>>()));
            }
        }
        Ok(())
    }
}

fn has_values(state: &State) -> bool {
    match state {
        State::Map(entries) => entries.iter().any(|(_, state)| has_values(state)),
        State::List(states) => states.iter().any(has_values),
        State::None => false,
        _ => true,
    }
}

fn what(kind: NodeKind, count: usize) -> String {
    match kind {
        _ if is_box(kind) => "a value in a box".to_owned(),
        NodeKind::Struct(name) => format!("the fields of `{name}`"),
        kind if kind.is_sequence() => format!("{count} values by number"),
        _ => "a dict".to_owned(),
    }
}

/// A tensor where one is asked for.
fn leaf(state: &State, aval: &Aval, exact: bool) -> Result<Tensor, String> {
    let found = match (state, in_box(state)) {
        (State::Array(tensor) | State::Scalar(tensor), _) => tensor.clone(),
        (State::Foreign(_), _) => return Err(format!("it is {}", state.kind())),
        // Names of axes are not stored: of a box there is only its value.
        (_, Some(inner)) => return leaf(inner, aval, exact),
        (State::Bool(_) | State::Int(_) | State::UInt(_) | State::Float(_), _) => {
            native::tensor(state, aval.dtype)?
        }
        _ => return Err(format!("expected a tensor {aval}, found {}", state.kind())),
    };
    if found.shape() == &aval.shape[..] && found.dtype() == aval.dtype {
        // As weak as in the target: a compiled step that has seen that is not traced again.
        let array = found.array().map_err(|error| error.to_string())?.clone();
        return Ok(array.with_aval(aval.clone()).into());
    }
    if exact {
        return Err(format!("it is {}, but the template has {aval}", found.aval()));
    }
    Ok(found)
}
