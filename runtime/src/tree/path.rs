//! Key paths (JAX's `tree_util.KeyPath`): where a leaf is.

use std::fmt;

use super::{NodeKind, Token};

/// One step down a tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// A field of a struct or an entry of a map.
    Key(String),
    /// An element of a tuple, array or `Vec`.
    Index(usize),
}

/// The steps from the root to a leaf; printed with dots: `opt_state.0.mu.kernel`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Path(Vec<Step>);

impl Path {
    /// The steps, outermost first.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The last step; None for the root.
    pub fn last(&self) -> Option<&Step> {
        self.0.last()
    }

    /// Where the tree is that this is a child of; the root for itself.
    pub(crate) fn parent(mut self) -> Path {
        self.0.pop();
        self
    }

    /// True for the root.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The steps as JAX's `keystr` writes those of dictionaries and lists: `['params']['Dense_0'][2]`.
    pub fn keystr(&self) -> String {
        let step = |step: &Step| match step {
            Step::Key(key) => format!("['{key}']"),
            Step::Index(index) => format!("[{index}]"),
        };
        self.0.iter().map(step).collect()
    }

    /// The steps as text with a separator; JAX's `keystr` with `simple`.
    pub fn join(&self, separator: &str) -> String {
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Key(key) => f.write_str(key),
            Step::Index(index) => write!(f, "{index}"),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.join("."))
    }
}

/// Follows the tokens of a walk and knows where it is.
#[derive(Default)]
pub(crate) struct Tracker {
    /// Per open node: children seen, children in all, whether it adds a step, and the key of the child to come.
    open: Vec<Open>,
}

struct Open {
    seen: usize,
    count: usize,
    transparent: bool,
    key: Option<String>,
}

impl Tracker {
    /// The path of the token that comes next.
    pub(crate) fn path(&self) -> Path {
        let step = |open: &Open| match &open.key {
            Some(key) => Step::Key(key.clone()),
            None => Step::Index(open.seen),
        };
        Path(self.open.iter().filter(|open| !open.transparent).map(step).collect())
    }

    pub(crate) fn visit(&mut self, token: &Token<'_>) {
        match token {
            Token::Key(key) => {
                if let Some(open) = self.open.last_mut() {
                    open.key = Some((*key).to_owned());
                }
            }
            Token::Node(kind, count) if *count > 0 => {
                let transparent = matches!(kind, NodeKind::Wrapper(_));
                self.open.push(Open { seen: 0, count: *count, transparent, key: None });
            }
            // A whole child: close the nodes it was the last of.
            Token::Leaf(_) | Token::Static(_) | Token::Node(..) => {
                while let Some(open) = self.open.last_mut() {
                    open.seen += 1;
                    open.key = None;
                    if open.seen < open.count {
                        break;
                    }
                    self.open.pop();
                }
            }
        }
    }
}
