//! Arrays in pieces: MessagePack has no more than 2³² − 1 bytes in one place, and Flax leaves a wide margin.

use std::collections::BTreeMap;

use super::super::little_endian;
use super::state::State;
use crate::array::{Array, Aval};

/// The name that tells an array in pieces from other dicts.
pub(super) const MARK: &str = "__msgpack_chunked_array__";
pub(super) const SHAPE: &str = "shape";
pub(super) const CHUNKS: &str = "chunks";

/// The array of pieces: a dict of the mark, the sizes of the axes, and flat arrays, the last two by `"0"`, `"1"`, ….
///
/// Each piece is given up once it is copied, so that no more than one of them is there twice.
pub(super) fn join(entries: Vec<(String, State)>) -> Result<State, String> {
    let wrong = |what: &str| format!("an array in pieces has no {what}");
    let mut parts: BTreeMap<String, State> = entries.into_iter().collect();
    let mut numbered = |name: &str| {
        let Some(State::Map(entries)) = parts.remove(name) else { return Err(wrong(&format!("`{name}`"))) };
        let mut entries: BTreeMap<String, State> = entries.into_iter().collect();
        let parts = (0..entries.len()).map(|i| entries.remove(&i.to_string()));
        parts.collect::<Option<Vec<_>>>().ok_or_else(|| wrong(&format!("`{name}` by number")))
    };
    let size = |state: State| match state {
        State::Int(size) => usize::try_from(size).map_err(|_| wrong("shape of sizes")),
        _ => Err(wrong("shape of sizes")),
    };
    let shape = numbered(SHAPE)?.into_iter().map(size).collect::<Result<Vec<_>, _>>()?;
    let pieces = numbered(CHUNKS)?.into_iter().map(flat).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = pieces.first() else { return Err(wrong("pieces")) };
    let aval = Aval::unchecked(&shape, first.dtype());
    if let Some(other) = pieces.iter().find(|piece| piece.dtype() != aval.dtype) {
        return Err(format!("a piece of an array {aval} is of {}", other.dtype()));
    }
    // The pieces are there, so that nothing is taken on trust.
    let needed = little_endian::checked(&aval)?;
    let found: usize = pieces.iter().map(|piece| piece.bytes().len()).sum();
    if needed != found {
        return Err(format!("an array {aval} in pieces needs {needed} bytes, there are {found}"));
    }
    let tensor = little_endian::tensor(aval, |bytes| {
        let mut rest = bytes;
        for piece in pieces {
            let (part, after) = rest.split_at_mut(piece.bytes().len());
            part.copy_from_slice(&little_endian::bytes(&piece));
            rest = after;
        }
        Ok(())
    });
    tensor.map(State::Array)
}

fn flat(state: State) -> Result<Array, String> {
    match state {
        State::Array(tensor) | State::Scalar(tensor) if tensor.rank() == 1 => {
            tensor.array().cloned().map_err(|error| error.to_string())
        }
        other => Err(format!("a piece of an array is {}", other.kind())),
    }
}
