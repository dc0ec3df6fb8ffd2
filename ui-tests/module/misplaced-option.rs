use flaxen::prelude::*;

#[module(default)]
struct Mlp {
    #[module(name = "Dense")]
    hidden: usize,
    #[module(crate = flaxen)]
    out: usize,
    #[module(submodule)]
    dense: Dense,
    #[module(setup(Dense::new(3)))]
    head: Dense,
}

fn main() {}
