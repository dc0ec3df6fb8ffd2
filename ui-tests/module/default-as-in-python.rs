use flaxen::prelude::*;

#[module]
struct Mlp {
    hidden: usize = 3,
}

fn main() {}
