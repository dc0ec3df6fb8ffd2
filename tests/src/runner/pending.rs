//! The one table of cases that are not supported yet.

use crate::golden::Case;

/// Which cases are unsupported, by their kind or by what their name begins with, and what will bring them.
const PENDING: [(&str, &str); 0] = [];

/// What will bring a case of the table; None if it is not there.
pub fn what_brings(case: &Case) -> Option<&'static str> {
    let is_about = |row: &&(&str, &str)| case.kind() == row.0 || case.name().starts_with(row.0);
    PENDING.iter().find(is_about).map(|(_, what)| *what)
}
