use flaxen::prelude::*;
use flaxen_ui_tests::Dense;

#[module]
struct Mlp {
    #[setup]
    a: Dense,
    #[setup()]
    b: Dense,
    #[setup = Dense::new(3)]
    c: Dense,
}

fn main() {}
