use flaxen::prelude::*;

#[module]
struct Mlp {
    #[setup]
    a: Dense,
    #[setup()]
    b: Dense,
    #[setup = Dense::new(3)]
    c: Dense,
}

fn main() {}
