//! Streams of random keys, and how a module's keys follow from them.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha1_smol::Sha1;

use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::random::Key;
use crate::tree::{Builder, NodeKind, Token, Tree};
use crate::variables::Filter;

/// The random keys of a run, one for each stream; a single key is that of the stream `params`.
///
/// `make_rng` draws from the stream of its name, or from `params` if there is none.
///
/// ```
/// use flaxen::prelude::*;
///
/// let rngs = Rngs::new(random::key(0)).with("dropout", random::key(1));
/// assert_eq!(rngs.streams().collect::<Vec<_>>(), ["dropout", "params"]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Rngs {
    keys: BTreeMap<Arc<str>, Key>,
    separated: bool,
}

impl Rngs {
    /// The stream `params`.
    pub fn new(params: impl Into<Key>) -> Rngs {
        Rngs::none().with("params", params)
    }

    /// No streams.
    pub fn none() -> Rngs {
        Rngs::default()
    }

    /// Adds a stream, or replaces it.
    #[must_use]
    pub fn with(mut self, stream: &str, key: impl Into<Key>) -> Rngs {
        self.keys.insert(stream.into(), key.into());
        self
    }

    /// Derives keys with a separator between the names of a path, as Flax does under its `flax_fix_rng_separator`.
    ///
    /// Without it, which is Flax's default, the paths `a/bc` and `ab/c` have the same keys.
    #[must_use]
    pub fn separated(mut self) -> Rngs {
        self.separated = true;
        self
    }

    /// The names of the streams, in order.
    pub fn streams(&self) -> impl ExactSizeIterator<Item = &str> {
        self.keys.keys().map(|name| &**name)
    }

    /// The key of a stream.
    pub fn get(&self, stream: &str) -> Option<&Key> {
        self.keys.get(stream)
    }

    /// The stream a request is served from: the one of that name, or `params`.
    pub(super) fn serving(&self, stream: &str) -> Option<(&Arc<str>, &Key)> {
        self.keys.get_key_value(stream).or_else(|| self.keys.get_key_value("params"))
    }

    /// The key of a module: the stream's key with the module's path and the number of the draw folded in.
    pub(super) fn derive(&self, key: &Key, path: &[Arc<str>], count: Option<u32>) -> Result<Key> {
        let parts = path.iter().map(|name| name.as_bytes().to_vec()).chain(count.map(minimal_bytes));
        fold_parts(key, parts, self.separated)
    }

    /// The streams that a filter accepts.
    pub(crate) fn filtered(&self, filter: &Filter) -> Rngs {
        let kept = self.keys.iter().filter(|(name, _)| filter.accepts(name));
        Rngs {
            keys: kept.map(|(name, key)| (name.clone(), key.clone())).collect(),
            separated: self.separated,
        }
    }

    /// The same streams, with other keys for those that a filter accepts.
    pub(crate) fn map(
        &self,
        filter: &Filter,
        mut key_of: impl FnMut(&str, &Key) -> Result<Key>,
    ) -> Result<Rngs> {
        let each = |(name, key): (&Arc<str>, &Key)| {
            let key = if filter.accepts(name) { key_of(name, key)? } else { key.clone() };
            Ok((name.clone(), key))
        };
        let keys = self.keys.iter().map(each).collect::<Result<_>>()?;
        Ok(Rngs { keys, separated: self.separated })
    }

    pub(crate) fn check(&self) -> Result<()> {
        match self.keys.iter().find(|(_, key)| !key.shape().is_empty()) {
            None => Ok(()),
            Some((name, key)) => Err(Error::InvalidRng {
                message: format!(
                    "the stream `{name}` has keys of shape {:?}: a run takes one key per stream; use `vmap` for many",
                    key.shape()
                ),
            }),
        }
    }
}

/// The key for a sequence of names and numbers, as Flax folds a path into a key.
///
/// The first four bytes of the SHA-1 of all parts are folded in: names as UTF-8, numbers as their big-endian bytes without
/// leading zeros. Nothing is folded in for no parts.
///
/// # Errors
/// If `key` is an array of keys.
pub fn fold_in_path<'a>(
    key: &Key,
    parts: impl IntoIterator<Item = PathPart<'a>>,
    separated: bool,
) -> Result<Key> {
    let bytes = |part| match part {
        PathPart::Name(name) => str::as_bytes(name).to_vec(),
        PathPart::Number(number) => minimal_bytes(number),
    };
    fold_parts(key, parts.into_iter().map(bytes), separated)
}

/// What [`fold_in_path`] folds in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathPart<'a> {
    /// The name of a scope.
    Name(&'a str),
    /// The number of a draw.
    Number(u32),
}

fn fold_parts(key: &Key, parts: impl Iterator<Item = Vec<u8>>, separated: bool) -> Result<Key> {
    let mut hash = Sha1::new();
    let mut any = false;
    for part in parts {
        any = true;
        if separated {
            hash.update(&[0]);
        }
        hash.update(&part);
    }
    if !any {
        return Ok(key.clone());
    }
    let digest = hash.digest().bytes();
    let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    key.try_fold_in(number)
}

fn minimal_bytes(number: u32) -> Vec<u8> {
    number.to_be_bytes().into_iter().skip_while(|&byte| byte == 0).collect()
}

impl From<Key> for Rngs {
    fn from(key: Key) -> Rngs {
        Rngs::new(key)
    }
}

impl From<&Key> for Rngs {
    fn from(key: &Key) -> Rngs {
        Rngs::new(key.clone())
    }
}

impl From<&Rngs> for Rngs {
    fn from(rngs: &Rngs) -> Rngs {
        rngs.clone()
    }
}

impl<K: Into<Key>, const N: usize> From<[(&str, K); N]> for Rngs {
    fn from(streams: [(&str, K); N]) -> Rngs {
        streams.into_iter().fold(Rngs::none(), |rngs, (name, key)| rngs.with(name, key))
    }
}

impl Tree for Rngs {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        visit(Token::Node(NodeKind::Struct("Rngs"), 2));
        visit(Token::Static(&self.separated));
        self.keys.walk(visit);
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        self.keys.into_leaves(leaves);
    }

    fn build(from: &mut Builder<'_>) -> Result<Rngs> {
        from.expect(NodeKind::Struct("Rngs"), 2)?;
        Ok(Rngs { separated: from.fixed()?, keys: Tree::build(from)? })
    }
}
