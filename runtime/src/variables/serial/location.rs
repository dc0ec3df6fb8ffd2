//! Where in the variables something is, for messages.

use std::fmt;

/// The way from the value that was asked for to the one at hand.
#[derive(Clone, Copy)]
pub(super) enum Location<'a> {
    Top,
    Key(&'a Location<'a>, &'a str),
    Index(&'a Location<'a>, usize),
    /// In a box, which has no name.
    Inside(&'a Location<'a>),
}

/// Something at a location: `serde`'s traits have no room for where it is.
#[derive(Clone, Copy)]
pub(super) struct At<'a, T> {
    pub(super) location: &'a Location<'a>,
    pub(super) it: T,
}

impl Location<'_> {
    /// What is around it.
    fn above(&self) -> Option<&Self> {
        match self {
            Location::Top => None,
            Location::Key(above, _) | Location::Index(above, _) | Location::Inside(above) => Some(above),
        }
    }

    /// The number of values around it.
    pub(super) fn depth(&self) -> usize {
        std::iter::successors(self.above(), |location| location.above()).count()
    }

    /// A message with the location in front.
    pub(super) fn message(&self, message: impl fmt::Display) -> String {
        match self {
            Location::Top => message.to_string(),
            _ => format!("at `{self}`: {message}"),
        }
    }
}

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (above, name): (_, &dyn fmt::Display) = match self {
            Location::Top => return Ok(()),
            Location::Inside(above) => return above.fmt(f),
            Location::Key(above, key) => (above, key),
            Location::Index(above, index) => (above, index),
        };
        match above {
            Location::Top => name.fmt(f),
            _ => write!(f, "{above}/{name}"),
        }
    }
}
