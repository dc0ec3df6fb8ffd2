//! Paths: ways to say where something is in a [`Dict`](super::Dict).

use smallvec::SmallVec;

use crate::tree::{Path, Step};

/// The names from the top of a dict down to an entry.
pub type Keys<'a> = SmallVec<[std::borrow::Cow<'a, str>; 6]>;

/// A path in a [`Dict`](super::Dict): a text with `/` between the names, or the names one by one.
///
/// Names may contain a `/` themselves (those of `WeightNorm` do); such paths are given as an array or slice of names.
///
/// ```
/// use flaxen::prelude::*;
///
/// let dict = Dict::new().with("Dense_0/kernel", Tensor::zeros([3, 2]));
/// assert!(dict.contains("Dense_0/kernel"));
/// assert!(dict.contains(["Dense_0", "kernel"]));
/// assert!(!dict.contains(["Dense_0/kernel"]));
/// ```
pub trait KeyPath {
    /// The names, outermost first; none for the top itself.
    fn keys(&self) -> Keys<'_>;
}

impl KeyPath for str {
    fn keys(&self) -> Keys<'_> {
        self.split('/').filter(|key| !key.is_empty()).map(Into::into).collect()
    }
}

impl KeyPath for String {
    fn keys(&self) -> Keys<'_> {
        self.as_str().keys()
    }
}

impl<S: AsRef<str>> KeyPath for [S] {
    fn keys(&self) -> Keys<'_> {
        self.iter().map(|key| key.as_ref().into()).collect()
    }
}

impl<S: AsRef<str>, const N: usize> KeyPath for [S; N] {
    fn keys(&self) -> Keys<'_> {
        self.as_slice().keys()
    }
}

impl<S: AsRef<str>> KeyPath for Vec<S> {
    fn keys(&self) -> Keys<'_> {
        self.as_slice().keys()
    }
}

impl KeyPath for Path {
    fn keys(&self) -> Keys<'_> {
        let name = |step: &Step| match step {
            Step::Key(key) => key.clone().into(),
            Step::Index(index) => index.to_string().into(),
        };
        self.steps().iter().map(name).collect()
    }
}

impl<P: KeyPath + ?Sized> KeyPath for &P {
    fn keys(&self) -> Keys<'_> {
        (**self).keys()
    }
}

/// A path as text, for messages.
pub(crate) fn join(keys: &[impl AsRef<str>]) -> String {
    keys.iter().map(AsRef::as_ref).collect::<Vec<_>>().join("/")
}
