use flaxen::prelude::*;

#[module]
struct Mlp {
    #[submodule]
    #[module(into)]
    dense: Dense,
}

fn main() {}
