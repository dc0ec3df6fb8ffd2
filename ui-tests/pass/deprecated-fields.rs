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
pub struct New {
    #[deprecated = "has no effect"]
    #[module(default = 3)]
    pub seed: usize,
    #[deprecated = "has no effect"]
    pub required: usize,
}

fn main() {}
