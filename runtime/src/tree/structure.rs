//! Tree definitions (JAX's `PyTreeDef`): what is left of a tree without its tensors.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::path::{Path, Tracker};
use super::{Builder, Donation, Fixed, NodeKind, Reuses, Token, Tree};
use crate::array::Aval;
use crate::core::Tensor;
use crate::error::Result;

/// What is left of a tree without its tensors.
pub struct Structure(pub(super) Vec<TreePart>);

/// A [`Token`] without its tensor.
#[derive(Debug)]
pub(crate) enum TreePart {
    Leaf,
    Node(NodeKind, usize),
    Key(Arc<str>),
    Fixed(Box<dyn Fixed>),
}

impl PartialEq for TreePart {
    fn eq(&self, other: &TreePart) -> bool {
        match (self, other) {
            (TreePart::Leaf, TreePart::Leaf) => true,
            (TreePart::Node(a, n), TreePart::Node(b, m)) => a == b && n == m,
            (TreePart::Key(a), TreePart::Key(b)) => a == b,
            (TreePart::Fixed(a), TreePart::Fixed(b)) => a.same(&**b),
            _ => false,
        }
    }
}

impl Clone for TreePart {
    fn clone(&self) -> TreePart {
        match self {
            TreePart::Leaf => TreePart::Leaf,
            TreePart::Node(kind, count) => TreePart::Node(*kind, *count),
            TreePart::Key(key) => TreePart::Key(key.clone()),
            TreePart::Fixed(value) => TreePart::Fixed((**value).boxed()),
        }
    }
}

impl Clone for Structure {
    fn clone(&self) -> Structure {
        Structure(self.0.clone())
    }
}

impl PartialEq for Structure {
    fn eq(&self, other: &Structure) -> bool {
        self.0 == other.0
    }
}

impl std::fmt::Debug for Structure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Structure")?;
        f.debug_list().entries(&self.0).finish()
    }
}

impl Structure {
    /// The structure of a tree.
    pub fn of(tree: &impl Tree) -> Structure {
        let mut parts = Vec::new();
        tree.walk(&mut |token| parts.push(TreePart::of(&token)));
        Structure(parts)
    }

    /// The structure of a pair of trees of these structures.
    pub(crate) fn pair(first: &Structure, second: &Structure) -> Structure {
        let pair = TreePart::Node(NodeKind::Tuple, 2);
        Structure(
            std::iter::once(pair).chain(first.0.iter().cloned()).chain(second.0.iter().cloned()).collect(),
        )
    }

    /// The structure of these parts, in the order of [`Tree::walk`].
    #[cfg(feature = "io")]
    pub(crate) fn of_parts(parts: Vec<TreePart>) -> Structure {
        Structure(parts)
    }

    /// The number of leaves.
    pub fn leaf_count(&self) -> usize {
        self.0.iter().filter(|part| matches!(part, TreePart::Leaf)).count()
    }

    /// A tree of this structure.
    ///
    /// # Panics
    /// If `leaves` runs short, or `T` is another type of tree than the one this structure is of.
    #[track_caller]
    pub fn build<T: Tree>(&self, leaves: impl IntoIterator<Item = Tensor>) -> T {
        crate::error::unwrap(self.try_build(leaves))
    }

    /// As [`build`](Structure::build).
    ///
    /// # Errors
    /// If `leaves` runs short, or `T` is another type of tree than the one this structure is of.
    pub fn try_build<T: Tree>(&self, leaves: impl IntoIterator<Item = Tensor>) -> Result<T> {
        self.build_of(&mut leaves.into_iter(), None)
    }

    /// As [`try_build`](Structure::try_build), in the containers of a donation.
    pub(crate) fn build_reusing<T: Tree>(
        &self,
        leaves: &mut dyn Iterator<Item = Tensor>,
        donation: &mut Donation,
        reuses: &Reuses,
    ) -> Result<T> {
        self.build_of(leaves, Some((donation, reuses)))
    }

    fn build_of<'a, T: Tree>(
        &'a self,
        leaves: &'a mut dyn Iterator<Item = Tensor>,
        donation: Option<(&'a mut Donation, &'a Reuses)>,
    ) -> Result<T> {
        let mut from = Builder::new(&self.0, leaves, donation);
        let tree = T::build(&mut from)?;
        from.finish().map(|()| tree)
    }

    /// The same without the nodes of a kind: each of them goes with the parts that follow it, `parts` in all.
    pub(crate) fn without(&self, kind: NodeKind, parts: usize) -> Structure {
        let (mut kept, mut rest) = (Vec::with_capacity(self.0.len()), self.0.as_slice());
        while let Some((part, after)) = rest.split_first() {
            if matches!(part, TreePart::Node(k, _) if *k == kind) {
                rest = rest.get(parts..).unwrap_or_default();
            } else {
                kept.push(part.clone());
                rest = after;
            }
        }
        Structure(kept)
    }

    /// The same with other parts instead of each leaf, by its number.
    pub(crate) fn replaced(&self, by: &mut dyn FnMut(usize) -> Vec<TreePart>) -> Structure {
        let (mut parts, mut leaf) = (Vec::with_capacity(self.0.len()), 0);
        for part in &self.0 {
            if let TreePart::Leaf = part {
                parts.extend(by(leaf));
                leaf += 1;
            } else {
                parts.push(part.clone());
            }
        }
        Structure(parts)
    }

    /// The parts, to put others of the same kind in their places.
    pub(crate) fn parts_mut(&mut self) -> &mut [TreePart] {
        &mut self.0
    }

    /// What the tree is, in words.
    pub(crate) fn root(&self) -> String {
        self.0.first().map_or_else(String::new, TreePart::describe)
    }

    /// The paths of the leaves of a tree that has these.
    pub(crate) fn paths<'a>(&'a self, leaves: &'a [Tensor]) -> Vec<Path> {
        let (mut tracker, mut paths, mut leaves) = (Tracker::default(), Vec::new(), leaves.iter());
        self.walk(&mut || leaves.next(), &mut |token| {
            if matches!(token, Token::Leaf(_)) {
                paths.push(tracker.path());
            }
            tracker.visit(&token);
        });
        paths
    }

    /// The tokens of the tree that has these leaves.
    pub(crate) fn walk<'a>(
        &'a self,
        next_leaf: &mut dyn FnMut() -> Option<&'a Tensor>,
        visit: &mut dyn FnMut(Token<'a>),
    ) {
        for part in &self.0 {
            match part {
                TreePart::Leaf => next_leaf().into_iter().for_each(|leaf| visit(Token::Leaf(leaf))),
                TreePart::Node(kind, count) => visit(Token::Node(*kind, *count)),
                TreePart::Key(key) => visit(Token::Key(key)),
                TreePart::Fixed(value) => visit(Token::Static(&**value)),
            }
        }
    }

    /// Whether a tree has this structure and leaves of these shapes and dtypes, in one walk; nothing is allocated.
    pub(crate) fn fits(&self, tree: &impl Tree, avals: &[Aval]) -> bool {
        let (mut parts, mut avals) = (self.0.iter(), avals.iter());
        let mut same = true;
        tree.walk(&mut |token| {
            same = same
                && parts.next().is_some_and(|part| part.matches(&token))
                && match token {
                    Token::Leaf(leaf) => avals.next().is_some_and(|aval| aval.is(leaf.aval())),
                    _ => true,
                };
        });
        same && parts.next().is_none()
    }

    /// Whether a tree has this structure; nothing is allocated.
    pub fn matches(&self, tree: &impl Tree) -> bool {
        let mut parts = self.0.iter();
        let mut same = true;
        tree.walk(&mut |token| same = same && parts.next().is_some_and(|part| part.matches(&token)));
        same && parts.next().is_none()
    }

    /// Where a tree differs first, in words.
    pub fn difference(&self, tree: &impl Tree) -> Option<String> {
        let mut parts = self.0.iter();
        let mut path = Tracker::default();
        let mut found = None;
        tree.walk(&mut |token| {
            if found.is_some() {
                return;
            }
            let part = parts.next();
            if !part.is_some_and(|part| part.matches(&token)) {
                // The name of a child is a matter of the tree it is in.
                let at = if let Token::Key(_) = token { path.path().parent() } else { path.path() };
                let position = if at.is_empty() { String::new() } else { format!("at `{at}`: ") };
                let expected = part.map_or_else(|| "nothing more".to_owned(), TreePart::describe);
                found = Some(format!("{position}expected {expected}, found {}", describe(&token)));
            }
            path.visit(&token);
        });
        found.or_else(|| parts.next().map(|part| format!("{} is missing", part.describe())))
    }
}

impl TreePart {
    pub(super) fn of(token: &Token<'_>) -> TreePart {
        match token {
            Token::Leaf(_) => TreePart::Leaf,
            Token::Node(kind, count) => TreePart::Node(*kind, *count),
            Token::Key(key) => TreePart::Key((*key).into()),
            Token::Static(value) => TreePart::Fixed(value.boxed()),
        }
    }

    fn matches(&self, token: &Token<'_>) -> bool {
        match (token, self) {
            (Token::Leaf(_), TreePart::Leaf) => true,
            (Token::Node(kind, count), TreePart::Node(k, c)) => count == c && kind == k,
            (Token::Key(key), TreePart::Key(k)) => is_same(key, k),
            (Token::Static(value), TreePart::Fixed(v)) => value.same(&**v),
            _ => false,
        }
    }

    pub(super) fn describe(&self) -> String {
        match self {
            TreePart::Leaf => "a tensor".to_owned(),
            TreePart::Node(kind, count) => node(kind, *count),
            TreePart::Key(key) => format!("the key `{key}`"),
            TreePart::Fixed(value) => format!("{value:?}"),
        }
    }
}

/// A kind with its article.
pub(super) fn article(kind: &impl std::fmt::Display) -> String {
    let kind = kind.to_string();
    let is_vowel = kind.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']);
    format!("{} {kind}", if is_vowel { "an" } else { "a" })
}

fn node(kind: &impl std::fmt::Display, count: usize) -> String {
    format!("{} of {count}", article(kind))
}

fn describe(token: &Token<'_>) -> String {
    match token {
        Token::Leaf(_) => "a tensor".to_owned(),
        Token::Node(kind, count) => node(kind, *count),
        Token::Key(key) => format!("the key `{key}`"),
        Token::Static(value) => format!("{value:?}"),
    }
}

/// Whether texts are equal, which most often is because they are one and the same.
pub(crate) fn is_same(a: &str, b: &str) -> bool {
    std::ptr::eq(a, b) || a == b
}

/// Structure, shapes and dtypes in one number.
pub(crate) fn fingerprint(tree: &impl Tree) -> u64 {
    let mut hash = Fx(0);
    tree.walk(&mut |token| match token {
        Token::Leaf(leaf) => leaf.aval().hash(&mut hash),
        Token::Node(kind, count) => (kind.name().len(), count).hash(&mut hash),
        Token::Key(key) => key.hash(&mut hash),
        // Not every such value can be hashed; equal ones have equal hashes anyway.
        Token::Static(_) => 1u8.hash(&mut hash),
    });
    hash.0
}

/// Fast, not safe against chosen keys: nobody attacks a cache of programs.
struct Fx(u64);

impl Hasher for Fx {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}
