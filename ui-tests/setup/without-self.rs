use flaxen::prelude::*;
use flaxen_ui_tests::Dense;

#[module]
struct Mlp {
    hidden: usize,
    #[setup(Dense::new(hidden))]
    dense: Dense,
}

fn main() {}
