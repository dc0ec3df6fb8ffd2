use flaxen::prelude::*;

#[compact]
struct Mlp {
    hidden: usize,
}

fn main() {}
