use flaxen::prelude::*;

#[module]
#[module(name = "Dense")]
struct Mlp {
    hidden: usize,
}

fn main() {}
