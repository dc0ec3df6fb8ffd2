use flaxen::prelude::*;

#[module]
struct Mlp {
    #[module(default = 3)]
    rate: f32,
    #[module(default = "relu")]
    width: usize,
}

fn main() {}
