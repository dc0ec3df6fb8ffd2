use flaxen::prelude::*;

struct Plain;

#[module]
struct Mlp {
    plain: Plain,
}

fn main() {}
