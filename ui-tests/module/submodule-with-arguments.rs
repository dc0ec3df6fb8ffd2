use flaxen::prelude::*;

#[module]
struct Mlp {
    #[submodule(Dense::new(3))]
    dense: Dense,
}

fn main() {}
