//! The one table of cases that are not supported yet.

use crate::golden::Case;

/// Which kinds of cases are unsupported, and what will bring them.
const PENDING: [(&str, &str); 2] =
    [("lifted", "the part of lifted transforms"), ("serialization", "the part of serialisation")];

/// What will bring a case of the table; None if it is not there.
pub fn what_brings(case: &Case) -> Option<&'static str> {
    PENDING.iter().find(|(kind, _)| case.kind() == *kind).map(|(_, what)| *what)
}
