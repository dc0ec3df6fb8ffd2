use flaxen::prelude::*;
use flaxen_ui_tests::Dense;

#[module]
struct Mlp {
    #[setup(Dense::new(3))]
    #[setup(Dense::new(4))]
    dense: Dense,
}

fn main() {}
