//! Where in the variables something is, for messages.

use std::fmt;

/// The way from the value that was asked for to the one at hand.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Top,
    Key(&'a Place<'a>, &'a str),
    Index(&'a Place<'a>, usize),
    /// In a box, which has no name.
    Inside(&'a Place<'a>),
}

/// Something at a place: `serde`'s traits have no room for where it is.
#[derive(Clone, Copy)]
pub(super) struct At<'a, T> {
    pub(super) place: &'a Place<'a>,
    pub(super) it: T,
}

impl Place<'_> {
    /// What is around it.
    fn above(&self) -> Option<&Self> {
        match self {
            Place::Top => None,
            Place::Key(above, _) | Place::Index(above, _) | Place::Inside(above) => Some(above),
        }
    }

    /// The number of values around it.
    pub(super) fn depth(&self) -> usize {
        std::iter::successors(self.above(), |place| place.above()).count()
    }

    /// A message with the place in front.
    pub(super) fn message(&self, message: impl fmt::Display) -> String {
        match self {
            Place::Top => message.to_string(),
            _ => format!("at `{self}`: {message}"),
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (above, name): (_, &dyn fmt::Display) = match self {
            Place::Top => return Ok(()),
            Place::Inside(above) => return above.fmt(f),
            Place::Key(above, key) => (above, key),
            Place::Index(above, index) => (above, index),
        };
        match above {
            Place::Top => name.fmt(f),
            _ => write!(f, "{above}/{name}"),
        }
    }
}
