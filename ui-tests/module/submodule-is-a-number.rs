use flaxen::prelude::*;

#[module]
struct Mlp {
    #[submodule]
    hidden: usize,
}

fn main() {}
