use flaxen::prelude::*;

#[module]
struct Mlp {
    #[module(default)]
    #[setup(Dense::new(3))]
    dense: Dense,
    #[setup(Dense::new(3))]
    #[module(into)]
    head: Dense,
}

fn main() {}
