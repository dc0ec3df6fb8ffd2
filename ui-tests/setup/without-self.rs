use flaxen::prelude::*;

#[module]
struct Mlp {
    hidden: usize,
    #[setup(Dense::new(hidden))]
    dense: Dense,
}

fn main() {}
