//! The named axes that a collective talks over.

use std::sync::Arc;

/// One named axis of a `vmap`, or several, the outermost first: a text, or an array or slice of texts.
pub trait AxisNames {
    /// The names, the outermost axis first.
    fn names(&self) -> Vec<&str>;
}

impl AxisNames for &str {
    fn names(&self) -> Vec<&str> {
        vec![self]
    }
}

impl AxisNames for &String {
    fn names(&self) -> Vec<&str> {
        vec![self]
    }
}

impl AxisNames for &Arc<str> {
    fn names(&self) -> Vec<&str> {
        vec![self]
    }
}

impl<const N: usize> AxisNames for [&str; N] {
    fn names(&self) -> Vec<&str> {
        self.to_vec()
    }
}

impl AxisNames for &[&str] {
    fn names(&self) -> Vec<&str> {
        self.to_vec()
    }
}
