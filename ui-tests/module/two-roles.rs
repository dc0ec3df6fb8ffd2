use flaxen::prelude::*;

#[module]
struct Mlp {
    #[module(default = Dense::new(3))]
    #[submodule]
    dense: Dense,
    #[submodule]
    #[setup(Dense::new(3))]
    head: Dense,
}

fn main() {}
