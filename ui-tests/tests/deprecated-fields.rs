//! Expansions cause no warnings of what is deprecated.
#![deny(warnings)]
use flaxen::prelude::*;

/// A module that is on its way out.
#[deprecated = "use `Dense`"]
#[module]
pub struct Old {
    #[module(default = 3)]
    features: usize,
}

/// A module with a field that is.
#[module]
pub struct Current {
    /// Of no use.
    #[deprecated = "has no effect"]
    #[module(default = 3)]
    pub seed: usize,
    /// Of no use.
    #[deprecated = "has no effect"]
    pub required: usize,
}

#[test]
fn deprecated_fields_cause_no_warnings_in_expansions() {}
