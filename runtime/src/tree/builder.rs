//! The way back from a structure and leaves to a value (JAX's `tree_unflatten`).

use std::sync::{Arc, PoisonError, RwLock};

use super::structure::article;
use super::{Donation, Fixed, NodeKind, Reuse, Reuses, Structure, TreePart};
use crate::core::Tensor;
use crate::error::{Error, Result};

/// Hands out the parts of a structure, and leaves, to [`Tree::build`](super::Tree::build).
pub struct Builder<'a> {
    all: &'a [TreePart],
    parts: std::slice::Iter<'a, TreePart>,
    /// What comes before them.
    header: Option<&'a TreePart>,
    leaves: &'a mut dyn Iterator<Item = Tensor>,
    /// Containers that can be filled again.
    donation: Option<(&'a mut Donation, &'a Reuses)>,
    /// Nested values that are being built.
    depth: usize,
}

/// The head of a node whose children stand among those of another node: fixed data in front of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Header(TreePart);

impl Header {
    /// Of a node of so many children. Each is made once and kept, as there are no more of them than there are types.
    pub(crate) fn of(kind: NodeKind, count: usize) -> &'static Header {
        static KNOWN: RwLock<Vec<&'static Header>> = RwLock::new(Vec::new());
        let header = Header(TreePart::Node(kind, count));
        let find = |known: &[&'static Header]| known.iter().copied().find(|known| **known == header);
        if let Some(known) = find(&KNOWN.read().unwrap_or_else(PoisonError::into_inner)) {
            return known;
        }
        let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = find(&known) {
            return known;
        }
        let kept: &'static Header = Box::leak(Box::new(header));
        known.push(kept);
        kept
    }
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        parts: &'a [TreePart],
        leaves: &'a mut dyn Iterator<Item = Tensor>,
        donation: Option<(&'a mut Donation, &'a Reuses)>,
    ) -> Builder<'a> {
        Builder { all: parts, parts: parts.iter(), header: None, leaves, donation, depth: 0 }
    }

    fn next_part(&mut self) -> Option<&'a TreePart> {
        self.header.take().or_else(|| self.parts.next())
    }

    /// Takes a [`Header`], if there is one here: what it stands for is the next node.
    pub(crate) fn take_header(&mut self) {
        if let Some(TreePart::Fixed(value)) = self.peek()
            && (&**value as &dyn std::any::Any).is::<Header>()
            && let Some(TreePart::Fixed(value)) = self.next_part()
        {
            self.header = (&**value as &dyn std::any::Any).downcast_ref::<Header>().map(|Header(node)| node);
        }
    }

    /// Ends the tree.
    ///
    /// # Errors
    /// If parts are left.
    pub(super) fn finish(mut self) -> Result<()> {
        match self.next_part() {
            None => Ok(()),
            left => Err(mismatch("nothing more", left)),
        }
    }

    /// The next leaf.
    ///
    /// # Errors
    /// If the structure has something else here, or the leaves run short.
    pub fn leaf(&mut self) -> Result<Tensor> {
        match self.next_part() {
            Some(TreePart::Leaf) => self.leaves.next().ok_or_else(|| mismatch("one more leaf", None)),
            other => Err(mismatch("a tensor", other)),
        }
    }

    /// The next node: what it is and how many children follow.
    ///
    /// # Errors
    /// If the structure has something else here.
    pub fn node(&mut self) -> Result<(NodeKind, usize)> {
        match self.next_part() {
            Some(TreePart::Node(kind, count)) => Ok((*kind, *count)),
            other => Err(mismatch("a node", other)),
        }
    }

    /// The next node, of a certain kind and number of children.
    ///
    /// # Errors
    /// If the structure has something else here.
    pub fn expect(&mut self, kind: NodeKind, count: usize) -> Result<()> {
        match self.next_part() {
            Some(TreePart::Node(k, c)) if *k == kind && *c == count => Ok(()),
            other => Err(mismatch(&format!("{} of {count}", article(&kind)), other)),
        }
    }

    /// The number of children of the next node, of a certain kind.
    pub(super) fn node_of(&mut self, kind: NodeKind) -> Result<usize> {
        match self.next_part() {
            Some(TreePart::Node(k, count)) if *k == kind => Ok(*count),
            other => Err(mismatch(&article(&kind), other)),
        }
    }

    /// The number of children of the next tuple, `Vec` or array, which may be built from each other.
    pub(super) fn sequence(&mut self) -> Result<usize> {
        match self.next_part() {
            Some(TreePart::Node(kind, count)) if kind.is_sequence() => Ok(*count),
            other => Err(mismatch("a tuple, vec or array", other)),
        }
    }

    pub(super) fn sequence_of(&mut self, expected: usize) -> Result<()> {
        match self.next_part() {
            Some(TreePart::Node(kind, count)) if kind.is_sequence() && *count == expected => Ok(()),
            other => Err(mismatch(&format!("a tuple, vec or array of {expected}"), other)),
        }
    }

    /// The number of entries of the next map, of whatever type; they may be built from each other.
    pub(crate) fn map(&mut self) -> Result<usize> {
        match self.next_part() {
            Some(TreePart::Node(kind, count)) if kind.is_map() => Ok(*count),
            other => Err(mismatch("a map", other)),
        }
    }

    /// The next key.
    ///
    /// # Errors
    /// If the structure has something else here.
    pub fn key(&mut self) -> Result<&str> {
        match self.next_part() {
            Some(TreePart::Key(key)) => Ok(key),
            other => Err(mismatch("a key", other)),
        }
    }

    /// The next key, not copied.
    pub(crate) fn shared_key(&mut self) -> Result<&'a Arc<str>> {
        match self.next_part() {
            Some(TreePart::Key(key)) => Ok(key),
            other => Err(mismatch("a key", other)),
        }
    }

    /// A donated container for the next child, if there is one; it most likely has the structure of that.
    pub(crate) fn reuse<C: Reuse>(&mut self) -> Option<C> {
        let at = self.all.len() - self.parts.as_slice().len();
        let (donation, reuses) = self.donation.as_mut()?;
        donation.container(reuses, at)
    }

    /// Puts the next leaf in place of a placeholder.
    pub(crate) fn fill(&mut self, leaf: &mut Tensor) -> Result<()> {
        let placeholder = std::mem::replace(leaf, self.leaf()?);
        if let Some((donation, _)) = &mut self.donation {
            donation.keep_placeholder(placeholder);
        }
        Ok(())
    }

    /// The next piece of fixed data.
    ///
    /// # Errors
    /// If the structure has something else here.
    pub fn fixed<T: Fixed + Clone>(&mut self) -> Result<T> {
        let part = self.next_part();
        if let Some(TreePart::Fixed(value)) = part
            && let Some(value) = (&**value as &dyn std::any::Any).downcast_ref::<T>()
        {
            return Ok(value.clone());
        }
        Err(mismatch(&format!("a `{}`", std::any::type_name::<T>()), part))
    }

    /// The next piece of fixed data, whatever its type.
    pub(crate) fn constant(&mut self) -> Result<Box<dyn Fixed>> {
        match self.next_part() {
            Some(TreePart::Fixed(value)) => Ok((**value).boxed()),
            other => Err(mismatch("fixed data", other)),
        }
    }

    /// Begins a nested value, which [`leave`](Builder::leave) ends: so many are inside each other now.
    pub(crate) fn enter(&mut self) -> usize {
        self.depth += 1;
        self.depth
    }

    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// What comes next, without taking it.
    pub(crate) fn peek(&self) -> Option<&'a TreePart> {
        self.header.or_else(|| self.parts.as_slice().first())
    }

    /// Takes the whole next child, whatever it is: its structure and its leaves.
    pub(crate) fn subtree(&mut self) -> Result<(Structure, Vec<Tensor>)> {
        let (mut parts, mut leaves, mut missing) = (Vec::new(), Vec::new(), 1);
        while missing > 0 {
            let part = self.next_part().ok_or_else(|| mismatch("one more child", None))?;
            match part {
                TreePart::Node(_, count) => missing += count,
                TreePart::Key(_) => missing += 1,
                TreePart::Leaf => {
                    leaves.push(self.leaves.next().ok_or_else(|| mismatch("one more leaf", None))?);
                }
                TreePart::Fixed(_) => {}
            }
            missing -= 1;
            parts.push(part.clone());
        }
        Ok((Structure(parts), leaves))
    }
}

fn mismatch(expected: &str, found: Option<&TreePart>) -> Error {
    let found = found.map_or_else(|| "nothing more".to_owned(), TreePart::describe);
    Error::Structure {
        context: "a tree is read as another type than it was written as",
        message: format!("expected {expected}, found {found}"),
    }
}
