use flaxen::prelude::*;
use flaxen_ui_tests::{Dense, Norm};

#[module]
struct Mlp {
    hidden: usize,
    #[setup(Dense::new(self.hidden))]
    norm: Norm,
    #[setup(Dense::new(self.hidden))]
    all: Vec<Dense>,
}

fn main() {}
