use flaxen::prelude::*;

#[module]
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mlp {
    hidden: usize,
}

fn main() {}
