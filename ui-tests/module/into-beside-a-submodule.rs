use flaxen::prelude::*;
use flaxen_ui_tests::Dense;

#[module]
struct Mlp {
    #[submodule]
    #[module(into)]
    dense: Dense,
}

fn main() {}
