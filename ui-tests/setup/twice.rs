use flaxen::prelude::*;

#[module]
struct Mlp {
    #[setup(Dense::new(3))]
    #[setup(Dense::new(4))]
    dense: Dense,
}

fn main() {}
