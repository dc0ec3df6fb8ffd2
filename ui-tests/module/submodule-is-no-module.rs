use flaxen::prelude::*;

#[derive(Clone, Debug, PartialEq)]
struct Plain;

#[module]
struct Mlp {
    #[submodule]
    inner: Plain,
}

fn main() {}
