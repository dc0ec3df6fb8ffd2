use flaxen::prelude::*;

#[module]
struct Mlp {
    #[module(default = 3)]
    hidden:
}

fn main() {}
