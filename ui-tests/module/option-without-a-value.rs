use flaxen::prelude::*;

#[module(name, crate = "flaxen")]
struct Mlp {
    #[module]
    width: usize,
    #[module(default =)]
    hidden: usize,
    #[module(default(3))]
    out: usize,
}

fn main() {}
