use flaxen::prelude::*;

#[derive(Clone)]
#[module]
struct Mlp {
    hidden: usize,
}

fn main() {}
