use flaxen::prelude::*;
use flaxen_ui_tests::Dense;

#[module]
struct Mlp {
    #[submodule(Dense::new(3))]
    dense: Dense,
}

fn main() {}
